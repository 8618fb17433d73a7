/**
 * What of a core's state is compared: all that software can see, field by field. Left out are what only executors have (temporaries, the parts of lazy flags,
 * TLBs, the budget, numbers of address spaces) and what stands for an event under way (a pending fault, the exit that is being recorded).
 */

import * as S from '../../../src/silicon/core/state/layout.js'
import * as system from '../../../src/silicon/core/state/system-layout.js'
import { FLAGS_ARITHMETIC } from '../../../src/spec/x86/flags.js'

interface Field {
  readonly name: string
  readonly offset: number
  readonly bytes: number
  /** An exception, an interrupt or a call gate changes it. */
  readonly delivery: boolean
}

/** A copy of a state: its first STATE_END bytes, those of the system area, and last RFLAGS as software sees it. */
const STATE_END = S.VT0
const SYSTEM_BYTES = 0x100
const STATE_WORDS = STATE_END / 4
const FLAGS_WORD = STATE_WORDS + SYSTEM_BYTES / 4
export const COPY_WORDS = FLAGS_WORD + 1

const general = ['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI', 'R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15']
const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR', 'GDTR', 'IDTR']
const ofDelivery = new Set(['RSP', 'RIP', 'CPL', 'MODE', 'SHADOW', 'CS', 'SS', 'CR2', 'DR6', 'DR7', 'DELIVERING'])

const field = (name: string, offset: number, bytes: number): Field => ({
  name,
  offset,
  bytes,
  delivery: ofDelivery.has(name.split(' ')[0]!),
})
const named = (names: Readonly<Record<string, number>>, bytes: number): Field[] =>
  Object.entries(names).map(([name, offset]) => field(name, offset, bytes))
const row = (name: string, offset: number, bytes: number, count: number): Field[] =>
  Array.from({ length: count }, (_, n) => field(`${name}${n}`, offset + n * bytes, bytes))

function segmentFields(): Field[] {
  return segments.flatMap((name, n) => {
    const at = S.SEGMENTS + n * S.SEGMENT_STRIDE
    const base = n < S.LDTR ? S.SEG_BASE + 8 * n : at + S.SEG_TABLE_BASE
    return [
      field(`${name} selector and attributes`, at + S.SEG_SELECTOR, 4),
      field(`${name} limit`, at + S.SEG_LIMIT, 4),
      field(`${name} base`, base, 8),
    ]
  })
}

/** Every MSR that has a place of its own. */
function msrFields(layout: Readonly<Record<string, number>>): Field[] {
  return Object.entries(layout)
    .filter(([name]) => name.startsWith('MSR_') && !['MSR_AREA_END', 'MSR_MTRR_BASE', 'MSR_MTRR_VARIABLE'].includes(name))
    .map(([name, offset]) => field(name, offset, 8))
}

const { CR0, CR2, CR3, CR4, CR8, EFER, XCR0, XSS, DR0, DR1, DR2, DR3, DR6, DR7, CPL, SHADOW, HALTED, GIF, NMI_BLOCKED, MODE, PKRU } = S
const { TSC_BASE, TSC_OFFSET, GUEST_MODE, ASID, NESTED_PAGING, SEV_ACTIVE, VMCB_PA, MXCSR } = S
const { X87_CONTROL, X87_STATUS, X87_TAGS, X87_OPCODE, X87_IP, X87_DP, X87_CS, X87_DS } = S

const fields: readonly Field[] = [
  ...general.map((name, n) => field(name, S.RAX + 8 * n, 8)),
  field('RIP', S.PC, 8),
  ...named({ MODE, CPL, SHADOW, HALTED, GIF, NMI_BLOCKED, GUEST_MODE, ASID, NESTED_PAGING, SEV_ACTIVE, MXCSR, PKRU }, 4),
  ...segmentFields(),
  ...named({ CR0, CR2, CR3, CR4, CR8, EFER, XCR0, XSS, DR0, DR1, DR2, DR3, DR6, DR7, TSC_BASE, TSC_OFFSET, VMCB_PA }, 8),
  ...msrFields(S),
  ...msrFields(system),
  ...row('fixed-range MTRR ', S.MSR_MTRR_BASE, 8, 11),
  ...row('variable-range MTRR ', system.MSR_MTRR_VARIABLE, 8, 16),
  ...named({ DELIVERING: system.DELIVERING }, 4),
  ...row('x87 physical register ', S.X87_REGISTERS, 16, 8),
  ...named({ X87_CONTROL, X87_STATUS, X87_TAGS, X87_OPCODE, X87_CS, X87_DS }, 4),
  ...named({ X87_IP, X87_DP }, 8),
  ...row('YMM', S.XMM, S.XMM_STRIDE, 16),
]

const wordOf = (offset: number): number => (offset < STATE_END ? offset / 4 : STATE_WORDS + (offset - S.SYSTEM_AREA) / 4)
const wordsOf = (chosen: readonly Field[]): Int32Array =>
  Int32Array.from(chosen.flatMap(({ offset, bytes }) => Array.from({ length: bytes / 4 }, (_, n) => wordOf(offset) + n)))

const allWords = wordsOf(fields)
const undisturbedWords = wordsOf(fields.filter(({ delivery }) => !delivery))

/** Copies the state at byte address `s` of `words` to `to[at …]`. */
export function copyState(words: Int32Array, s: number, to: Int32Array, at: number): void {
  const from = s / 4
  to.set(words.subarray(from, from + STATE_WORDS), at)
  to.set(words.subarray(from + S.SYSTEM_AREA / 4, from + (S.SYSTEM_AREA + SYSTEM_BYTES) / 4), at + STATE_WORDS)
  to[at + FLAGS_WORD] = flagsOf(words, from)
}

/** RFLAGS from its parts (state/layout.ts), which must not be those that a region leaves to the next one. */
function flagsOf(words: Int32Array, from: number): number {
  const result = words[from + S.FLAG_RES / 4]!
  const resultHigh = words[from + S.FLAG_RES / 4 + 1]!
  const aux = words[from + S.FLAG_AUX / 4]!
  const auxHigh = words[from + S.FLAG_AUX / 4 + 1]!
  const carry = auxHigh >>> 31
  const overflow = carry ^ ((auxHigh >>> 30) & 1)
  const sign = (resultHigh >>> 31) ^ (aux & 1)
  const zero = (result | resultHigh) === 0 ? 1 : 0
  let parity = (result ^ (aux >>> 8)) & 0xff
  parity ^= parity >>> 4
  parity ^= parity >>> 2
  parity ^= parity >>> 1
  const even = ~parity & 1
  return words[from + S.EFLAGS / 4]! | carry | (even << 2) | ((aux & 8) << 1) | (zero << 6) | (sign << 7) | (overflow << 11)
}

/** Whether the copies at a[i …] and b[j …] show the same state. `acrossDelivery`: but for what the delivery of an event changes. */
export function sameState(a: Int32Array, i: number, b: Int32Array, j: number, acrossDelivery: boolean): boolean {
  const flags = a[i + FLAGS_WORD]! ^ b[j + FLAGS_WORD]!
  if (acrossDelivery ? (flags & FLAGS_ARITHMETIC) !== 0 : flags !== 0) return false
  const chosen = acrossDelivery ? undisturbedWords : allWords
  for (let n = 0; n < chosen.length; n++) {
    const word = chosen[n]!
    if (a[i + word] !== b[j + word]) return false
  }
  return true
}

export function ripOf(copy: Int32Array, at: number): bigint {
  return valueOf(copy, at, field('RIP', S.PC, 8))
}

export interface FieldDifference {
  readonly name: string
  readonly interpreted: bigint
  readonly translated: bigint
  readonly bytes: number
}

export function stateDifferences(interpreted: Int32Array, i: number, translated: Int32Array, j: number): FieldDifference[] {
  const found = fields
    .map((one) => ({
      name: one.name,
      interpreted: valueOf(interpreted, i, one),
      translated: valueOf(translated, j, one),
      bytes: one.bytes,
    }))
    .filter((one) => one.interpreted !== one.translated)
  const flags = { interpreted: BigInt(interpreted[i + FLAGS_WORD]! >>> 0), translated: BigInt(translated[j + FLAGS_WORD]! >>> 0) }
  return flags.interpreted === flags.translated ? found : [{ name: 'RFLAGS', ...flags, bytes: 4 }, ...found]
}

function valueOf(copy: Int32Array, at: number, { offset, bytes }: Field): bigint {
  let value = 0n
  for (let n = bytes / 4 - 1; n >= 0; n--) value = (value << 32n) | BigInt(copy[at + wordOf(offset) + n]! >>> 0)
  return value
}
