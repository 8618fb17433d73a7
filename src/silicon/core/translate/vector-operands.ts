/** What the fields of a VEC record name, as the rows of the opcode table say: XMM, MMX or general registers. */

import { opcodeRows } from '../decode/opcodes.js'
import * as V from '../ir/vector-ids.js'
import * as S from '../state/layout.js'
import type { IrRecord } from './record.js'

/** Field a of a record whose source or destination is in memory. */
export const IN_MEMORY = 0xff

type Kind = 'xmm' | 'mmx' | 'general' | 'none'

export interface VectorShape {
  /** Operand by ModRM.reg. */
  readonly d: Kind
  /** Operand by ModRM.rm where that is a register. */
  readonly a: Kind
  /** Which of them is the destination. */
  readonly writesA: boolean
}

const kinds: Readonly<Record<string, Kind>> = { V: 'xmm', W: 'xmm', U: 'xmm', P: 'mmx', Q: 'mmx', N: 'mmx', G: 'general', E: 'general' }
const byRm = 'WUQNEM'

/** Instructions that read or write XMM0 without naming it. */
const implicitXmm0 = new Set([V.V_PBLENDVB, V.V_BLENDVPS, V.V_BLENDVPD, V.V_SHA256RNDS2, V.V_PCMPESTRM, V.V_PCMPISTRM])

export const usesXmm0 = (id: number): boolean => implicitXmm0.has(id)

/** Compares of strings work on RAX, RDX and RCX besides what they name. */
export const comparesStrings = (id: number): boolean => id >= V.V_PCMPESTRM && id <= V.V_PCMPISTRI

/** Stores at an address that ModRM does not give; like that of any memory operand it stands in T0. */
const masked = new Set([V.V_MASKMOVQ, V.V_MASKMOVDQU])

export const worksOnMemory = (record: IrRecord): boolean => record.a === IN_MEMORY || masked.has(vectorId(record))

/** VEX forms as the kernel knows them; they name a third register in imm2. */
export const isVexForm = (id: number): boolean => id >= V.V_VEX

const setsFlags = new Set([V.V_PTEST, V.V_UCOMISS, V.V_UCOMISD, V.V_COMISS, V.V_COMISD, V.V_VTESTPS, V.V_VTESTPD])

export const writesFlags = (id: number): boolean => setsFlags.has(id) || comparesStrings(id)

/** Neither faults nor leaves a trace besides its result, as long as no operand is in memory. */
export function isQuiet(id: number): boolean {
  return id < V.V_MOVE_END || (id >= V.V_PSLLW_IMM && id < V.V_LANE_END)
}

const shapes = readShapes()
const firsts: ReadonlySet<number> = new Set(
  opcodeRows.flatMap(({ semantics, operands }) => (semantics.kind === 'vector' && operands.includes('H') ? [semantics.id] : [])),
)

/** Whether some row of VEX form `id` has an operand in VEX.vvvv. */
export const namesFirst = (id: number): boolean => firsts.has(id)

function readShapes(): ReadonlyMap<number, VectorShape> {
  const found = new Map<number, VectorShape>()
  for (const { semantics, operands } of opcodeRows) {
    if (semantics.kind !== 'vector') continue
    const classes = operands.split(',').map((operand) => operand[0] ?? '')
    const rm = classes.find((letter) => byRm.includes(letter))
    const reg = classes.find((letter) => letter !== rm && 'VPG'.includes(letter))
    const before = found.get(semantics.id)
    const a = kinds[rm ?? ''] ?? before?.a ?? 'none'
    found.set(semantics.id, { d: kinds[reg ?? ''] ?? 'none', a, writesA: classes[0] === rm })
  }
  return found
}

export const vectorId = (record: IrRecord): number => record.imm & 0xffff

export function shapeOf(record: IrRecord): VectorShape {
  const shape = shapes.get(vectorId(record))
  if (!shape) throw new Error(`translator: no instruction has vector id ${vectorId(record)}`)
  return shape
}

export interface NamedRegisters {
  readonly reads: readonly number[]
  readonly writes: readonly number[]
}

/** Registers of `kind` that the record names: numbers of XMM registers, slots of general ones. What it writes counts as read too. */
function named(record: IrRecord, kind: Kind): NamedRegisters {
  const shape = shapeOf(record)
  const d = shape.d === kind ? [record.d] : []
  const a = shape.a === kind && record.a !== IN_MEMORY ? [record.a] : []
  return { reads: [...d, ...a], writes: shape.writesA ? a : d }
}

/** Lengths stand in RAX and RDX, an index goes to RCX. */
function comparedGeneral(id: number): NamedRegisters {
  const lengths = id === V.V_PCMPESTRM || id === V.V_PCMPESTRI ? [S.RAX, S.RDX] : []
  const index = id === V.V_PCMPESTRI || id === V.V_PCMPISTRI ? [S.RCX] : []
  return { reads: [...lengths, ...index], writes: index }
}

export function generalOperands(record: IrRecord): NamedRegisters {
  if (comparesStrings(vectorId(record))) return comparedGeneral(vectorId(record))
  const { reads, writes } = named(record, 'general')
  const whole = (slot: number): number => slot & ~7
  return { reads: reads.map(whole), writes: writes.map(whole) }
}

export function xmmOperands(record: IrRecord): NamedRegisters {
  const id = vectorId(record)
  const operands = named(record, 'xmm')
  if (record.vex) {
    const { first } = record.vex
    // The mask of a blend stands in the immediate.
    if (id >= V.V_VPBLENDVB && id <= V.V_VBLENDVPD) return { reads: [...operands.reads, first, record.imm2 >> 4], writes: operands.writes }
    // Shifts by an immediate write what VEX.vvvv names.
    if (id >= V.V_PSLLW_IMM && id < V.V_SHIFT_END) return { reads: [record.a, first], writes: [first] }
    const writes = setsFlags.has(id) ? [] : operands.writes
    return { reads: first < 0 ? operands.reads : [...operands.reads, first], writes }
  }
  if (!usesXmm0(vectorId(record))) return operands
  return { reads: [...operands.reads, 0], writes: comparesStrings(vectorId(record)) ? [...operands.writes, 0] : operands.writes }
}

/** A VEX form that the kernel executes and of which nothing more is known. */
export const isForeign = (record: IrRecord): boolean => record.vex === undefined && isVexForm(vectorId(record))
