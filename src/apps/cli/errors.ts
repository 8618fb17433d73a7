/** An error that the user can understand and act on: one line of what is wrong, and what to do next. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly advice?: string,
    readonly exitCode = 1,
  ) {
    super(message)
  }
}
