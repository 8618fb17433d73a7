/** Compares two outcomes of a case and says how they differ. */

import { FX_USED, registerNames, WINDOW, type Case, type Outcome } from './state.js'

export interface Tolerance {
  /** RFLAGS bits not compared. */
  readonly flags: number
  /** Bytes of the FXSAVE image not compared. */
  readonly fx?: (at: number) => boolean
  /** Bytes of the upper halves of YMM registers not compared. */
  readonly upper?: (at: number) => boolean
  /** General registers are compared in their lower halves only. */
  readonly narrow?: boolean
  /** Memory is not compared where the case ends in a fault other than the INT3 behind it. */
  readonly dirtyFault?: boolean
  /** Of the address of a page fault only the page is compared. */
  readonly faultPage?: boolean
}

/** FCS, FDS, FOP, FIP and FDP are kept by AMD processors only with an exception pending; MXCSR_MASK is a constant. */
const imagePointers = (at: number): boolean => (at >= 5 && at < 24) || (at >= 28 && at < 32)
/** The reserved six bytes behind each x87 register. */
const padding = (at: number): boolean => at >= 32 && at < 160 && (at & 15) >= 10

/** Linux's selector of 64-bit user code. */
const CODE64 = 0x33

const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const

const hex = (v: bigint | number): string => v.toString(16)

/** Differences, one line each; empty where the outcomes agree. */
export function differences(ours: Outcome, theirs: Outcome, tolerance: Tolerance): string[] {
  const found: string[] = []
  const check = (what: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) found.push(`${what}: ours ${hex(a)}, oracle ${hex(b)}`)
  }
  // With segments of their own, which of the limits of SS, of CS and alignment is checked first differs.
  const like = (vector: number): number => (tolerance.narrow && vector === 12 ? 13 : vector)
  check('vector', like(ours.vector), like(theirs.vector))
  // The host's kernel is mapped where it keeps user code out; here nothing is.
  check('error code', ours.error, theirs.error & (theirs.cr2 >> 63n ? ~1 : ~0))
  const page = (cr2: bigint): bigint => (tolerance.faultPage ? cr2 >> 12n : cr2)
  check('cr2', page(ours.cr2), page(theirs.cr2))
  check('rip', ours.rip, theirs.rip)
  // Outside 64-bit mode the upper halves are undefined (APM vol. 3, section 3.1.2).
  const used = theirs.selectors[1] === CODE64 && !tolerance.narrow ? ~0n : 0xffffffffn
  registerNames.forEach((name, r) => check(name, ours.gpr[r]! & used, theirs.gpr[r]! & used))
  check('rflags', ours.rflags & ~tolerance.flags, theirs.rflags & ~tolerance.flags)
  // The host's return from its kernel has cleared the RPL of null selectors.
  const selector = (value: number): number => (value < 4 ? 0 : value)
  segmentNames.forEach((name, n) => check(name, selector(ours.selectors[n]!), selector(theirs.selectors[n]!)))
  check('fs base', ours.fs, theirs.fs)
  check('gs base', ours.gs, theirs.gs)
  bytesDiffer(found, 'fx', ours.fx, theirs.fx, FX_USED, 0, (at) => imagePointers(at) || padding(at) || (tolerance.fx?.(at) ?? false))
  bytesDiffer(found, 'upper halves', ours.upper, theirs.upper, ours.upper.length, 0, (at) => tolerance.upper?.(at) ?? false)
  if (tolerance.dirtyFault && theirs.vector !== 3) return found
  bytesDiffer(found, 'memory', ours.window, theirs.window, ours.window.length, WINDOW)
  return found
}

function bytesDiffer(
  found: string[],
  what: string,
  a: Uint8Array,
  b: Uint8Array,
  length: number,
  base: number,
  skip?: (at: number) => boolean,
): void {
  const at: number[] = []
  for (let n = 0; n < length; n++) if (a[n] !== b[n] && !skip?.(n)) at.push(n)
  const first = at[0]
  if (first === undefined) return
  const line = first & ~15
  const show = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(line, line + 16)).toString('hex')
  found.push(`${what} at ${hex(base + first)} (${at.length} bytes), from ${hex(base + line)}: ours ${show(a)}, oracle ${show(b)}`)
}

/** All that is needed to repeat a case by hand. */
export function describeCase(c: Case): string {
  const registers = registerNames.map((name, r) => `${name}=${hex(c.gpr[r]!)}`).join(' ')
  return `${c.name} [${Buffer.from(c.code).toString('hex')}] ${c.mode} at ${hex(c.offset)} flags=${hex(c.rflags)} fs=${hex(c.fs)} gs=${hex(c.gs)}\n      ${registers}`
}
