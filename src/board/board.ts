import type { Board, Clock, Entropy, Flash, Fuses } from '../silicon/doors/board.js'
import { realClock, VirtualClock } from './clock.js'
import { realEntropy, seededEntropy } from './entropy.js'
import { fileFlash, volatileFlash } from './flash.js'

export interface BoardOptions {
  /** The chip's fuses, as its vendor blew them (`vendor/`). */
  readonly fuses: Fuses
  /** With a seed, time and chance repeat exactly. */
  readonly seed?: number | undefined
  /** Keeps the secure processor's persistent state. Without it, state is lost with the board. */
  readonly flashFile?: string | undefined
}

/** A board whose time and chance follow the outside world, or, with a seed, only the seed and the instruction count. */
export function createBoard({ fuses, seed, flashFile }: BoardOptions): Board {
  const flash: Flash = flashFile === undefined ? volatileFlash() : fileFlash(flashFile)
  const clock: Clock = seed === undefined ? realClock() : new VirtualClock()
  const entropy: Entropy = seed === undefined ? realEntropy() : seededEntropy(seed)
  // What the secure processor draws for its own purposes does not change what guests get.
  const processorEntropy: Entropy = seed === undefined ? entropy : seededEntropy(seed, 'secure processor')
  return { clock, entropy, processorEntropy, fuses, flash }
}
