import { assert } from '../../lib/assert.js'
import { SevStatus, type SevStatusCode } from '../../spec/sev/status.js'

/**
 * Who owns which ASID, and which ASIDs may still have lines in a cache or a write buffer (document 55766, chapter 6,
 * ACTIVATE, DEACTIVATE, DF_FLUSH). One ASID's life:
 *
 *   stale ──WBINVD on every core──▶ written back ──DF_FLUSH──▶ clean ──ACTIVATE──▶ owned ──DEACTIVATE──▶ stale
 *
 * INIT marks every ASID stale: nobody knows what ran before.
 */
interface AsidEntry {
  owner: number
  /** One bit per core that has not executed WBINVD since the ASID became stale. */
  coresToWriteBack: number
  flushNeeded: boolean
}

export class AsidTable {
  readonly asidsMax: number
  private readonly sevAsidMin: number
  private readonly allCores: number
  private readonly entries: AsidEntry[] = []

  /** ASIDs below `sevAsidMin` are for guests with SEV-ES, the others for those without (APM vol. 3, CPUID 8000_001F EDX). */
  constructor(asidsMax: number, cores: number, sevAsidMin = 1) {
    assert(cores >= 1 && cores <= 31, 'one bit per core fits a word')
    this.asidsMax = asidsMax
    this.sevAsidMin = sevAsidMin
    this.allCores = 2 ** cores - 1
    for (let asid = 0; asid <= asidsMax; asid++) this.entries.push({ owner: 0, coresToWriteBack: 0, flushNeeded: false })
  }

  /** INIT: no ASID has an owner, all are stale. */
  reset(): void {
    for (const entry of this.entries) Object.assign(entry, { owner: 0, coresToWriteBack: this.allCores, flushNeeded: true })
  }

  /** Handle of the guest that is active in `asid`, 0 where there is none. */
  ownerOf(asid: number): number {
    return this.entries[asid]?.owner ?? 0
  }

  noteWbinvd(core: number): void {
    for (const entry of this.entries) entry.coresToWriteBack &= ~(1 << core)
  }

  /** DF_FLUSH: empties the data fabric's write buffers, for which the caches must have been written back before. */
  flush(): SevStatusCode {
    if (this.entries.some((entry) => entry.owner === 0 && entry.coresToWriteBack !== 0)) return SevStatus.WBINVD_REQUIRED

    for (const entry of this.entries) if (entry.owner === 0) entry.flushNeeded = false
    return SevStatus.SUCCESS
  }

  /** May `asid` be given to a guest of this kind? */
  checkFree(asid: number, encryptsState: boolean): SevStatusCode {
    if (asid === 0 || asid > this.asidsMax || asid < this.sevAsidMin !== encryptsState) return SevStatus.INVALID_ASID
    const entry = this.entries[asid]
    assert(entry, 'the table has an entry for every ASID')
    if (entry.owner !== 0) return SevStatus.ASID_OWNED
    if (entry.coresToWriteBack !== 0) return SevStatus.WBINVD_REQUIRED
    return entry.flushNeeded ? SevStatus.DF_FLUSH_REQUIRED : SevStatus.SUCCESS
  }

  take(asid: number, handle: number): void {
    const entry = this.entries[asid]
    assert(asid > 0 && entry && entry.owner === 0 && !entry.flushNeeded, 'the ASID has been checked')
    entry.owner = handle
  }

  release(asid: number): void {
    const entry = this.entries[asid]
    assert(entry && entry.owner !== 0, 'only an owned ASID is released')
    Object.assign(entry, { owner: 0, coresToWriteBack: this.allCores, flushNeeded: true })
  }
}
