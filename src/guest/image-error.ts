/** What can be wrong with an image that somebody hands us. */
export type ImageProblem = 'wrong-format' | 'truncated' | 'malformed' | 'unsupported' | 'too-little-memory'

/** The one error that image readers throw for what is wrong in an image, as opposed to in our code. */
export class ImageError extends Error {
  readonly problem: ImageProblem

  constructor(problem: ImageProblem, message: string) {
    super(message)
    this.name = 'ImageError'
    this.problem = problem
  }
}
