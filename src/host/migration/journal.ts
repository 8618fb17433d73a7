/** How a migration ends for the guest: at the target, or where it was. */
export type Outcome = 'commit' | 'abort'

/**
 * The source's written word on one migration. It outlives the process, and it is given once: whoever is first decides, and every later call, of this
 * process or another, learns what stands. That one write is the moment at which the guest changes hands.
 */
export interface Journal {
  /** Before the target is asked to be ready: from now on there is something to decide. */
  open(): void
  /** Returns the outcome that stands, which is `wish` only where nobody was before. Throws where it cannot be written; then nothing is decided. */
  decide(wish: Outcome): Outcome
}
