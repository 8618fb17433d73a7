/**
 * What the CPUs of other vendors define otherwise than those of AMD, or leave open. On a host of AMD none of this applies: every case is compared whole, but for what AMD's own CPUs do in one way or another.
 * An entry either takes a case out, or says in which detail the outcomes may differ and only if they differ as it says.
 * SDM: Intel 64 and IA-32 Architectures Software Developer's Manual (325462). APM: AMD64 Architecture Programmer's Manual (40332).
 */

import { Decoder } from '../../src/silicon/core/decode/decoder.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { hostFeatures, hostIsAmd } from './host-cpu.js'
import { DATA, FX_CONTROL, FX_MXCSR, FX_ST, FX_STATUS, FX_XMM, isSegmented, WINDOW, type Case, type Outcome } from './state.js'

const INT3 = 3
const DB = 1
const BR = 5
const UD = 6
const SS = 12
const GP = 13
const PF = 14
const XF = 19
const RCX = 1
const RSP = 4
const RSI = 6
const RDI = 7
const ARITHMETIC = 0x8d5
const RF = 0x10000
const TOP = 0x3800
const MXCSR_FLAGS = 0x3f

interface Met {
  readonly row: CompiledRow
  readonly one: Case
  readonly instruction: Instruction
}

interface Difference {
  /** Of `mnemonic operands`. */
  readonly rows: RegExp
  readonly why: string
  /** The case is not compared. */
  readonly leaveOut?: (met: Met) => boolean
  /** Changes our outcome to what the other vendor's CPU may show, where that is what it shows. */
  readonly settle?: (met: Met, ours: Outcome, theirs: Outcome) => void
}

/** Features that only AMD's CPUs have, by the flag of /proc/cpuinfo (APM vol. 3, CLZERO; vol. 4, EXTRQ, INSERTQ, MOVNTSS, MOVNTSD). */
const featureFlags: Readonly<Record<string, string>> = { CLZERO: 'clzero', SSE4A: 'sse4a' }

/** The feature of `row` that the host's CPU, being no AMD's, lacks. */
export function lackingOnHost(row: CompiledRow): string | undefined {
  const { feature } = row.row.options
  const flag = featureFlags[feature ?? '']
  return !hostIsAmd && flag !== undefined && !hostFeatures.has(flag) ? feature : undefined
}

const faulted = ({ vector }: Outcome): boolean => vector !== INT3 && vector !== DB
const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)
const take = (into: Uint8Array, from: Uint8Array, at: number, length: number): void => into.set(from.subarray(at, at + length), at)

/** MXCSR_MASK has no bit 17 where MXCSR has no MM bit. */
function settleMask(_: Met, ours: Outcome, theirs: Outcome): void {
  const [a, b] = [ours.window, theirs.window].map((w) => new DataView(w.buffer, w.byteOffset, w.length)) as [DataView, DataView]
  for (let at = 28 - (WINDOW % 16); at + 4 <= a.byteLength; at += 16) {
    if (a.getUint32(at, true) === 0x2ffff && b.getUint32(at, true) === 0xffff) a.setUint32(at, 0xffff, true)
  }
}

/** The linear address that `rsp` means; in 64-bit mode those of the cases fit into 32 bits. */
const stackPointer = ({ mode }: Case, rsp: bigint): number =>
  Number(rsp & (mode === 'segmented16' ? 0xffffn : 0xffffffffn)) + (isSegmented(mode) ? DATA : 0)

function settlePushedSegment({ one, instruction }: Met, ours: Outcome, theirs: Outcome): void {
  if (instruction.operandSize !== 4 || faulted(theirs)) return
  // Only the lower half of the slot lies within the limit.
  if (isSegmented(one.mode) && (ours.vector === SS || ours.vector === GP)) Object.assign(ours, theirs)
  const upper = stackPointer(one, ours.gpr[RSP]!) + 2 - WINDOW
  for (const at of [upper, upper + 1]) {
    if (at >= 0 && at < ours.window.length && theirs.window[at] === one.window[at]) ours.window[at] = one.window[at]!
  }
}

function settlePushedReturn({ one, instruction }: Met, ours: Outcome, theirs: Outcome): void {
  if (!faulted(theirs) || ours.vector !== theirs.vector) return
  const bytes = one.mode === 'long' ? 8 : instruction.operandSize
  for (let at = stackPointer(one, one.gpr[RSP]!) - bytes - WINDOW, n = 0; n < bytes; n++, at++) {
    if (at >= 0 && at < ours.window.length) ours.window[at] = theirs.window[at]!
  }
}

function settleSteps({ instruction }: Met, ours: Outcome, theirs: Outcome): void {
  if (!instruction.repeat || theirs.vector !== DB || ours.vector !== DB) return
  ours.rflags |= theirs.rflags & RF
}

/** Flags of a comparison that a fault or a single step has stopped. */
function settleComparison({ one, instruction }: Met, ours: Outcome, theirs: Outcome): void {
  const stopped = faulted(theirs) || (theirs.vector === DB && (theirs.rflags & RF) !== 0)
  const kept = (theirs.rflags & ARITHMETIC) === (one.rflags & ARITHMETIC)
  if (instruction.repeat && stopped && kept && ours.rip === theirs.rip)
    ours.rflags = (ours.rflags & ~ARITHMETIC) | (one.rflags & ARITHMETIC)
}

function settleNarrowCounters({ one, instruction }: Met, ours: Outcome, theirs: Outcome): void {
  if (one.mode !== 'long' || instruction.addressSize !== 4) return
  for (const r of [RCX, RSI, RDI]) {
    if (ours.gpr[r] === one.gpr[r] && theirs.gpr[r] === (one.gpr[r]! & 0xffffffffn)) ours.gpr[r] = theirs.gpr[r]!
  }
}

/** The physical registers stay what they are; with TOP 0 they have other numbers. */
function settleTop(_: Met, ours: Outcome, theirs: Outcome): void {
  if (!faulted(theirs) || (u16(theirs.fx, FX_STATUS) & TOP) !== 0) return
  const status = u16(ours.fx, FX_STATUS)
  const before = ours.fx.slice(FX_ST, FX_XMM)
  for (let n = 0; n < 8; n++) ours.fx.set(before.subarray(n * 16, n * 16 + 16), FX_ST + ((n + (status >> 11)) & 7) * 16)
  ours.fx[FX_STATUS + 1] = (status & ~TOP) >> 8
}

/** ST(0) and ST(1) within the last byte of the significand, also across a power of two. */
function settleLastPlaces(_: Met, ours: Outcome, theirs: Outcome): void {
  const position = (fx: Uint8Array, at: number): bigint => {
    const view = new DataView(fx.buffer, fx.byteOffset, fx.length)
    return (BigInt(view.getUint16(at + 8, true)) << 63n) + (view.getBigUint64(at, true) & ((1n << 63n) - 1n))
  }
  for (const at of [FX_ST, FX_ST + 16]) {
    const distance = position(ours.fx, at) - position(theirs.fx, at)
    if (distance < 256n && distance > -256n) take(ours.fx, theirs.fx, at, 10)
  }
}

const isNan = (view: DataView, at: number, bytes: number): boolean =>
  Number.isNaN(bytes === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true))

/** Elements that are NaNs on both sides become those of the host. */
export function settleNans(ours: Uint8Array, theirs: Uint8Array, from: number, to: number, bytes: number): void {
  const [a, b] = [ours, theirs].map((v) => new DataView(v.buffer, v.byteOffset, v.length)) as [DataView, DataView]
  for (let at = from; at < to; at += bytes) if (isNan(a, at, bytes) && isNan(b, at, bytes)) take(ours, theirs, at, bytes)
}

function settleDotProduct({ row }: Met, ours: Outcome, theirs: Outcome): void {
  const bytes = /PD$/.test(row.row.mnemonic) ? 8 : 4
  settleNans(ours.fx, theirs.fx, FX_XMM, FX_XMM + 256, bytes)
  settleNans(ours.upper, theirs.upper, 0, theirs.upper.length, bytes)
}

/** Destination and mask of a gather that a fault has stopped, or a single step before the fault. */
function settleGather({ instruction }: Met, ours: Outcome, theirs: Outcome): void {
  if (theirs.vector === DB && theirs.rip === ours.rip && faulted(ours)) Object.assign(ours, theirs)
  if (!faulted(theirs) || ours.vector !== theirs.vector) return
  for (const register of [instruction.reg, instruction.vvvv]) {
    take(ours.fx, theirs.fx, FX_XMM + register * 16, 16)
    take(ours.upper, theirs.upper, register * 16, 16)
  }
}

function settleStore(_: Met, ours: Outcome, theirs: Outcome): void {
  if (theirs.vector === XF && (ours.vector === PF || ours.vector === SS || ours.vector === GP)) Object.assign(ours, theirs)
  if (theirs.vector === PF || theirs.vector === GP)
    ours.fx[FX_MXCSR] = (ours.fx[FX_MXCSR]! & ~MXCSR_FLAGS) | (theirs.fx[FX_MXCSR]! & MXCSR_FLAGS)
}

function settleMaskedMove({ one, instruction }: Met, ours: Outcome, theirs: Outcome): void {
  const distance = ours.cr2 - theirs.cr2
  const inOperand = (distance < 32n && distance > -32n) || instruction.addressSize === 2
  if (theirs.vector === PF && ours.vector === PF && inOperand) ours.cr2 = theirs.cr2
  if (isSegmented(one.mode) && theirs.vector === GP && !faulted(ours)) Object.assign(ours, theirs)
}

/** Both operands of CMPS cannot be read: the fault is that of the source in place of the destination's. */
function settleFirstOperand({ instruction }: Met, ours: Outcome, theirs: Outcome): void {
  const mask = (1n << BigInt(8 * instruction.addressSize)) - 1n
  // Bases of segments are whole pages, and an operand across two pages may fault in the second.
  const lies = (address: bigint, register: number): boolean => ((address - (ours.gpr[register]! & mask)) & 0xfffn) < 8n
  if (ours.vector === PF && theirs.vector === PF && lies(ours.cr2, RDI) && lies(theirs.cr2, RSI)) ours.cr2 = theirs.cr2
}

const countOf = ({ row, one, instruction }: Met): number =>
  /CL$/.test(row.row.operands) ? Number(one.gpr[RCX]! & 31n) : instruction.immediate & 31
const unmaskedX87 = ({ one }: Met): boolean => (u16(one.fx, FX_CONTROL) & 0x3f) !== 0x3f

const differences: readonly Difference[] = [
  {
    rows: /^(J[A-Z]+|CALL|LOOP[A-Z]*) (J[bz]|Ev)$|^RET /,
    why: 'near branches in 64-bit mode: Intel ignores an operand-size prefix (SDM vol. 2, appendix A, f64), AMD takes it (APM vol. 3, Jcc, JMP, CALL, RET)',
    leaveOut: ({ one, instruction }) => one.mode === 'long' && instruction.operandSizePrefix,
  },
  {
    rows: /^CALL Ev$/,
    why: 'Intel may write the return address before it finds fault with the target (SDM vol. 2, CALL: the order is not given)',
    settle: settlePushedReturn,
  },
  {
    rows: /^SH[LR]D /,
    why: 'a count above the operand size: result and flags are undefined (SDM vol. 2, SHLD; APM vol. 3, SHLD)',
    leaveOut: (met) => met.instruction.operandSize === 2 && countOf(met) > 16,
  },
  {
    rows: /^(L[FGS]S|CALL|JMP) (Gv,)?M$/,
    why: 'far pointers under REX.W: 64-bit offset at Intel (SDM vol. 2, LFS, JMP: m16:64), REX.W ignored by AMD (APM vol. 3, LFS, JMP far)',
    leaveOut: ({ instruction }) => instruction.wide,
  },
  {
    rows: /^(PUSH|POP) [C-GS]S$/,
    why: 'segment registers with 32-bit operand: Intel may leave the upper half of the stack slot alone (SDM vol. 2, PUSH)',
    settle: settlePushedSegment,
  },
  {
    rows: /^SYSRET /,
    why: 'outside 64-bit mode #UD at Intel (SDM vol. 2, SYSRET), #GP at CPL 3 at AMD (APM vol. 3, SYSRET)',
    settle: ({ one }, ours, theirs) => {
      if (one.mode !== 'long' && ours.vector === GP && theirs.vector === UD) ours.vector = UD
    },
  },
  {
    rows: /^F?X(SAVE|RSTOR)/,
    why: 'which of the pages of an image faults first (SDM vol. 2, XSAVE, does not give the order)',
    settle: (_, ours, theirs) => {
      const pages = (ours.cr2 >> 12n) - (theirs.cr2 >> 12n)
      if (ours.vector === PF && theirs.vector === PF && (pages === 1n || pages === -1n)) ours.cr2 = theirs.cr2
    },
  },
  {
    rows: /^IRET /,
    why: 'a bad SS and an offset beyond the limit of CS: Intel finds SS first (SDM vol. 2, IRET), AMD the offset (APM vol. 3, IRET)',
    settle: (_, ours, theirs) => {
      if (ours.vector === GP && theirs.vector === GP && ours.error === 0) ours.error = theirs.error
    },
  },
  {
    rows: /^BOUND /,
    why: 'a lower bound that is violated and an upper one that cannot be read: which is reported (SDM vol. 2, BOUND, does not give the order)',
    settle: (_, ours, theirs) => {
      if (theirs.vector === BR && ours.vector === PF) Object.assign(ours, theirs)
    },
  },
  { rows: /^(FXSAVE|XSAVE\w*) /, why: 'MXCSR_MASK (SDM vol. 1, section 11.6.6; APM vol. 1, section 4.2.2)', settle: settleMask },
  {
    rows: /^(MOVS|STOS|LODS|CMPS|SCAS)B? /,
    why: 'single steps inside a repeated instruction: Intel pushes RF = 1 (SDM vol. 3, “Instruction-Breakpoint Exception Condition”)',
    settle: settleSteps,
  },
  {
    rows: /^(CMPS|SCAS)B? /,
    why: 'Intel keeps the flags until a repeated comparison ends (SDM vol. 2, REP: state before the instruction)',
    settle: settleComparison,
  },
  {
    rows: /^(MOVS|STOS|LODS|CMPS|SCAS)B? /,
    why: 'a repeated instruction with 32-bit addresses that has not run once: Intel has cleared upper halves (SDM vol. 2, REP, leaves it open)',
    settle: settleNarrowCounters,
  },
  {
    rows: /^(MOVD|MOVQ|MOVNTQ) (Ey|Qq|Mq),Pq$/,
    why: 'a store of an MMX register that faults: Intel has set TOP to 0 before (SDM vol. 3, “The MMX State and MMX Register Aliasing”; the order is not given)',
    settle: settleTop,
  },
  {
    rows: /^(FIST|FISTP|FISTTP|FST|FSTP|FBSTP) M/,
    why: 'with an unmasked exception Intel does not touch the memory operand, AMD checks it first (SDM vol. 1, section 8.5; the order is not given)',
    leaveOut: unmaskedX87,
  },
  {
    rows: /^(F2XM1|FYL2XP1|FYL2X|FPATAN|FPTAN|FSINCOS|FSIN|FCOS) /,
    why: 'transcendental functions are exact to one unit in the last place (SDM vol. 1, section 8.3.10; APM vol. 5)',
    settle: settleLastPlaces,
  },
  {
    rows: /^SHA/,
    why: 'misaligned memory operands: #GP at Intel (SDM vol. 2, section 2.4, type 4), none at AMD (APM vol. 4, SHA1MSG1)',
    settle: ({ instruction }, ours, theirs) => {
      if (instruction.isMemory && theirs.vector === GP && ours.vector !== GP) Object.assign(ours, theirs)
    },
  },
  {
    rows: /^V?DPP[SD] /,
    why: 'which NaN of several goes where depends on the implementation (SDM vol. 2, DPPS: horizontal propagation)',
    settle: settleDotProduct,
  },
  {
    rows: /^VP?MASKMOV(PS|PD|D|Q) /,
    why: 'the address that a masked move reports, and limits at elements that are masked off (SDM vol. 2, VMASKMOV, leaves it to the implementation)',
    settle: settleMaskedMove,
  },
  { rows: /^VP?GATHER/, why: 'which elements are there when one faults is not defined (SDM vol. 2, VPGATHERDD)', settle: settleGather },
  {
    rows: /^VCVTPS2PH /,
    why: 'Intel computes, and raises #XF, before it touches the memory operand; AMD after (SDM vol. 2, VCVTPS2PH, does not give the order)',
    settle: settleStore,
  },
]

/** What differs among AMD's own CPUs. */
const generations: readonly Difference[] = [
  {
    rows: /^CMPSB? /,
    why: 'of two operands that cannot be read the destination is reported, and by CPUs of family 1Ah the source in some cases',
    settle: settleFirstOperand,
  },
]

const decoder = new Decoder(opcodeTable())

function meet(row: CompiledRow, one: Case): Met {
  const instruction = new Instruction()
  decoder.decode(one.code, 0, one.code.length, one.mode === 'long' ? 8 : one.mode === 'segmented16' ? 2 : 4, instruction)
  return { row, one, instruction }
}

const nameOf = ({ row }: CompiledRow): string => `${row.mnemonic} ${row.operands}`
const applicable = (row: CompiledRow): readonly Difference[] => (hostIsAmd ? [] : differences.filter(({ rows }) => rows.test(nameOf(row))))

/** Why the CPU of this vendor cannot judge the case; undefined where it can. */
export function leftOut(row: CompiledRow, one: Case): string | undefined {
  const some = applicable(row)
  if (some.length === 0) return undefined
  const met = meet(row, one)
  return some.find(({ leaveOut }) => leaveOut?.(met))?.why
}

/** Our outcome with what the host's vendor may define otherwise taken from `theirs`. */
export function settled(row: CompiledRow, one: Case, ours: Outcome, theirs: Outcome): Outcome {
  const some = [...applicable(row), ...generations.filter(({ rows }) => rows.test(nameOf(row)))].filter(
    ({ settle }) => settle !== undefined,
  )
  if (some.length === 0) return ours
  const met = meet(row, one)
  const copy = { ...ours, gpr: ours.gpr.slice(), fx: ours.fx.slice(), upper: ours.upper.slice(), window: ours.window.slice() }
  for (const { settle } of some) settle!(met, copy, theirs)
  return copy
}

/** Rows whose result in the middle of a program may differ: what the table excepts, and what the host lacks. */
export const sameOnAllVendors = (row: CompiledRow): boolean => applicable(row).length === 0 && lackingOnHost(row) === undefined

interface Encodings {
  /** Of the bytes from the opcode on, in hexadecimal. */
  readonly opcode: RegExp
  readonly why: string
  readonly when: (views: Views) => boolean
}

/** What the decoder test has found. */
export interface Views {
  readonly code: Uint8Array
  readonly mode: string
  readonly undefinedHere: boolean
  readonly undefinedThere: boolean
  /** Lengths in bytes. */
  readonly here: number
  readonly there: number
}

const onlyThere = ({ undefinedHere, undefinedThere }: Views): boolean => undefinedHere && !undefinedThere
const onlyHere = ({ undefinedHere, undefinedThere }: Views): boolean => !undefinedHere && undefinedThere

/** VEX with map 1, 2 or 3; then the byte of vvvv, L and pp. */
const vex = (map: number): string => (map === 1 ? '(?:c5..|c4[02468ace]1..)' : `c4[02468ace]${map}..`)

const encodings: readonly Encodings[] = [
  {
    opcode: /^(0f8|e8|e9)/,
    why: 'near branches in 64-bit mode under an operand-size prefix: four bytes of displacement at Intel (SDM vol. 2, appendix A, f64), two at AMD (APM vol. 3, Jcc)',
    when: ({ code, mode, here, there, undefinedHere, undefinedThere }) =>
      mode === 'long' && code.includes(0x66) && there === here + 2 && !undefinedHere && !undefinedThere,
  },
  {
    opcode: /^0f0d[c-f]/,
    why: 'PREFETCHW with a register: no operation at Intel (SDM vol. 2, NOP), #UD at AMD (APM vol. 3, PREFETCH)',
    when: onlyThere,
  },
  { opcode: /^(c[67]f8|0f01d[56])/, why: 'TSX (SDM vol. 2, XABORT, XBEGIN, XEND, XTEST)', when: onlyThere },
  { opcode: /^0f01(c[0-f]|e[89a-f]|d7)/, why: 'VMX, SGX, SERIALIZE, TSXLDTRK, UINTR (SDM vol. 2 and 3)', when: onlyThere },
  { opcode: /^0fae([ef]|[26a][0-7])/, why: 'PTWRITE, CET, UMONITOR, UMWAIT, TPAUSE (SDM vol. 2)', when: onlyThere },
  { opcode: /^0fc7[3f]/, why: 'XRSTORS, SENDUIPI, RDPID (SDM vol. 2)', when: onlyThere },
  {
    opcode: new RegExp(`^${vex(1)}(4[1-7ab]|9[012389])`),
    why: 'instructions on mask registers, of AVX-512 (SDM vol. 2, KADDW to KXORD)',
    when: onlyThere,
  },
  {
    opcode: new RegExp(`^${vex(3)}3[0-3]`),
    why: 'instructions on mask registers, of AVX-512 (SDM vol. 2, KSHIFTL, KSHIFTR)',
    when: onlyThere,
  },
  { opcode: new RegExp(`^${vex(2)}(5[0-3]|b[01]|d[23])`), why: 'AVX-VNNI and its relatives (SDM vol. 2, VPDPBUSD)', when: onlyThere },
  { opcode: new RegExp(`^${vex(2)}(49|4b|5[ce]|6c)`), why: 'AMX (SDM vol. 2, LDTILECFG to TDPFP16PS)', when: onlyThere },
  {
    opcode: new RegExp(`^(${vex(2)}cf|${vex(3)}c[ef])`),
    why: 'GFNI, which our chip does not claim (SDM vol. 2, GF2P8MULB)',
    when: onlyThere,
  },
  {
    opcode: new RegExp(`^${vex(3)}(16|22)`),
    why: 'VPEXTRD and VPINSRD with VEX.W outside 64-bit mode: ignored at Intel (SDM vol. 2, VPEXTRQ), #UD at AMD',
    when: (views) => views.mode !== 'long' && onlyThere(views),
  },
  { opcode: /^0f(2b|78|79)/, why: 'SSE4A, only of AMD (APM vol. 4, EXTRQ, INSERTQ, MOVNTSS, MOVNTSD)', when: onlyHere },
  { opcode: /^0f01f[abcd]/, why: 'MONITORX, MWAITX, CLZERO, RDPRU, only of AMD (APM vol. 3)', when: onlyHere },
  {
    opcode: /^c4/,
    why: 'VEX.vvvv outside 64-bit mode: where it names no register Intel looks at its highest bit too (SDM vol. 2, section 2.3.5.6), AMD at the others (APM vol. 3, section 1.7.3)',
    when: (views) => views.mode !== 'long' && onlyHere(views),
  },
]

/** Why the host's CPU, being no AMD's, may take the bytes otherwise; undefined where it may not. `opcode`: from there on, in hexadecimal. */
export function encodingDiffers(opcode: string, views: Views): string | undefined {
  return hostIsAmd ? undefined : encodings.find((one) => one.opcode.test(opcode) && one.when(views))?.why
}
