import { HostResourceError } from './physical-memory.js'

/**
 * Address space ids (APM vol. 2, section 15.16; SEV: CPUID 8000_001F ECX and EDX). An ASID that an encrypted guest has used stays unusable
 * until caches are written back and the data fabric is flushed, or the next guest would meet lines of the old key (55766, DF_FLUSH).
 */
export interface AsidLimits {
  /** Lowest ASID for guests with SEV and without SEV-ES. */
  readonly sevFirst: number
  readonly sevLast: number
  /** Number of ASIDs, 0 included. */
  readonly count: number
}

export class AsidPool {
  readonly #limits: AsidLimits
  readonly #used = new Set<number>()
  readonly #unclean = new Set<number>()

  constructor(limits: AsidLimits) {
    this.#limits = limits
  }

  /** `flush` makes the ASIDs of retired encrypted guests usable again; it is called only when no other is left. */
  allocate(sev: boolean, flush: () => void): number {
    const found = this.#find(sev)
    if (found !== undefined) return found
    if (sev && this.#unclean.size > 0) {
      flush()
      this.#unclean.clear()
      const cleaned = this.#find(sev)
      if (cleaned !== undefined) return cleaned
    }
    throw new HostResourceError(`all ${sev ? 'encrypted-guest ' : ''}ASIDs of the chip are in use (${this.#used.size})`)
  }

  release(asid: number, sev: boolean): void {
    this.#used.delete(asid)
    if (sev) this.#unclean.add(asid)
  }

  /** Guests without SEV take the ASIDs above the SEV ones first, so that they do not use up keys. */
  #find(sev: boolean): number | undefined {
    const { sevFirst, sevLast, count } = this.#limits
    const ranges = sev
      ? [[sevFirst, sevLast]]
      : [
          [Math.max(1, sevLast + 1), count - 1],
          [1, Math.min(sevLast, count - 1)],
        ]
    for (const [first, last] of ranges as [number, number][]) {
      for (let asid = Math.max(1, first); asid <= last; asid++) {
        if (this.#used.has(asid) || (sev && this.#unclean.has(asid))) continue
        this.#used.add(asid)
        return asid
      }
    }
    return undefined
  }
}
