/**
 * The guest's registers as WebAssembly locals, and the small pieces of code that read, write, spill and reload them.
 * A slot is a byte offset into the register file (state/layout.ts); AH, CH, DH and BH are the odd ones.
 */

import type { BranchHint, ByteWriter } from '../../../lib/wasm-encoder.js'
import * as S from '../state/layout.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

// ---- locals of a region function (entry: i32) → i32
export const L_ENTRY = 0
const GPRS = 16
/** General registers: 1..16, then T0..T7: 17..24. */
const L_GPR = 1
const L_TEMPORARY = 17
/** Linear address of the region's page. */
export const L_PAGE = 25
export const L_BUDGET = 26
/** Flags in parts: operands and sign-extended result (ir/flag-kinds.ts). */
export const L_FA = 27
export const L_FB = 28
export const L_FR = 29
/** Linear address of the access under way. */
export const L_LA = 30
export const L_V = 31
export const L_V2 = 32
/** RIP to leave with. */
export const L_PC = 33
/** CF and OF while they are kept apart (flags.ts): 0 or 1. */
export const L_CF = 34
export const L_OF = 35
export const L_FK = 36
export const L_P = 37
/** Set when a store has dropped cached code: leave after the instruction. */
export const L_STALE = 38
export const L_R = 39
/** Host address of the operand that this instruction writes back, or 0. */
export const L_WRITEBACK = 40
/** Pages of the region that are known to be those that it was made from: a bit each. */
export const L_PAGES = 41
/** Where groups of accesses lie in linear memory (access-groups.ts). */
export const L_HOSTS: readonly number[] = [42, 43, 44, 45]
export const LOCAL_DECLARATIONS: readonly (readonly [number, number])[] = [
  [35, 0x7e],
  [10, 0x7f],
]

/** Local of the register that slot `slot` lies in, or -1 where it is no local. */
export function localOf(slot: number): number {
  const register = slot >> 3
  if (register < 16) return L_GPR + register
  if (register < 22) return L_TEMPORARY + register - 16
  if (slot === S.T6 || slot === S.T7) return L_TEMPORARY + 6 + ((slot - S.T6) >> 3)
  return -1
}

export const isTemporary = (slot: number): boolean => (slot >= S.T0 && slot < S.SEG_BASE ? true : slot === S.T6 || slot === S.T7)

/** What code reads where it runs, as it differs from guest to guest. `block`: address of the block in question. */
export type CodeConstant =
  /** The address of a record, `offset` bytes into the block. */
  | { readonly kind: 'record'; readonly block: number; readonly offset: number }
  /** The frame behind page `offset` of the region, counted from its first. */
  | { readonly kind: 'frame'; readonly block: 0; readonly offset: number }
  /** An immediate or displacement of the instruction at `offset` of the block's code: `value`. */
  | { readonly kind: 'immediate'; readonly block: number; readonly offset: number; readonly value: number }

/** Linux chooses where its kernel lies between -2 GiB and -1 GiB at each boot, and writes that into instructions: addresses, and the distances of addresses near zero from them. */
const FAR = 0x40000000

/** May be such an address or distance. */
export const isFar = (immediate: number): boolean => immediate < -FAR || immediate > FAR

export class GuestCode {
  /** Branches whose way is known: code that is nearly never run costs the rest no registers then. */
  readonly hints: BranchHint[] = []
  /** Offset of the present block in its page. */
  blockOffset = 0
  /** Address of the present block. */
  blockAddress = 0
  /** What the code reads where it runs, since it differs from guest to guest, by place. */
  readonly constants: CodeConstant[] = []
  /** General registers whose local may be newer than the state area: bit n for register n. */
  private dirty = 0
  /** Those that have been written since the innermost open construct began. */
  private written = 0
  /** Of the open constructs, outermost first: `dirty` and `written` at their start. */
  private readonly dirtyBefore: number[] = []
  private readonly writtenBefore: number[] = []

  /**
   * `s`: the state area of the core that the code is for. It is a constant of the code, since a local for it costs two registers of the host wherever memory is
   * accessed.
   */
  /** `fuses`: the engine multiplies and adds with one rounding (fused-multiply-add.ts). `firstConstant`: place of the first of `constants` in those of the module. `inKernel`: the code lies in the upper half. */
  constructor(
    readonly out: ByteWriter,
    readonly s: number,
    readonly fuses = false,
    private readonly firstConstant = 0,
    readonly inKernel = false,
  ) {}

  op(first: number, ...rest: readonly number[]): void {
    this.out.byte(first)
    for (let n = 0; n < rest.length; n++) this.out.byte(rest[n]!)
  }

  get(local: number): void {
    this.out.byte(w.LOCAL_GET)
    this.out.u32(local)
  }

  set(local: number): void {
    this.out.byte(w.LOCAL_SET)
    this.out.u32(local)
  }

  tee(local: number): void {
    this.out.byte(w.LOCAL_TEE)
    this.out.u32(local)
  }

  i32(value: number): void {
    this.out.byte(w.I32_CONST)
    this.out.s32(value)
  }

  /** Sign-extended 64-bit constant. */
  i64(value: number): void {
    this.out.byte(w.I64_CONST)
    this.out.s32(value)
  }

  i64Wide(lo: number, hi: number): void {
    this.out.byte(w.I64_CONST)
    this.out.s64(lo, hi)
  }

  /** A load or store with natural alignment hint 0 and `offset`. */
  memory(code: number, offset: number): void {
    this.out.byte(code)
    this.out.u32(0)
    this.out.u32(offset)
  }

  /** Pushes the address of a load or store in the state area of the region's core, whose code is `stateMemory`. */
  state(): void {
    this.i32(0)
  }

  /** A load or store at `slot` of the state area. */
  stateMemory(code: number, slot: number): void {
    this.memory(code, this.s + slot)
  }

  /** Pushes what stands at `slot` of the state area. */
  loadState(code: number, slot: number): void {
    this.state()
    this.stateMemory(code, slot)
  }

  /** Pushes the region's core, as functions of the kernel ask for it. */
  core(): void {
    this.i32(this.s)
  }

  /** Pushes the address of a record of the present block. */
  recordAddress(address: number): void {
    this.constant({ kind: 'record', block: this.blockAddress, offset: address - this.blockAddress }, w.I32_LOAD)
  }

  /** Pushes the frame that page `page` of the region, counted from its first, was made from. */
  frameOf(page: number): void {
    this.constant({ kind: 'frame', block: 0, offset: page }, w.I32_LOAD)
  }

  /** Pushes a sign-extended immediate or displacement of `record`'s instruction. */
  immediate(record: IrRecord, value = record.imm): void {
    if (this.inKernel && isFar(value)) this.constant(this.immediateOf(record, value), w.I64_LOAD32_S)
    else this.i64(value)
  }

  /** The same, zero-extended. */
  immediateUnsigned(record: IrRecord, value = record.imm): void {
    if (this.inKernel && isFar(value)) this.constant(this.immediateOf(record, value), w.I64_LOAD32_U)
    else this.i64Wide(value, 0)
  }

  /** The same as i32. */
  immediateNarrow(record: IrRecord, value = record.imm): void {
    if (this.inKernel && isFar(value)) this.constant(this.immediateOf(record, value), w.I32_LOAD)
    else this.i32(value)
  }

  private immediateOf(record: IrRecord, value: number): CodeConstant {
    return { kind: 'immediate', block: this.blockAddress, offset: record.offset, value }
  }

  /** What differs from guest to guest stands in memory: code that does not name it serves others too (kept-code.ts). */
  private constant(wanted: CodeConstant, load: number): void {
    const { constants } = this
    let place = constants.findIndex((known) => sameConstant(known, wanted))
    if (place < 0) place = constants.push(wanted) - 1
    this.out.byte(w.GLOBAL_GET)
    this.out.u32(0)
    this.memory(load, (this.firstConstant + place) * 4)
  }

  /** Calls a function of the kernel (kernel-functions.ts), whose type has the same number. */
  call(index: number): void {
    this.i32(index)
    this.out.byte(w.CALL_INDIRECT)
    this.out.u32(index)
    this.out.byte(0)
  }

  /** Open `block` and `if` constructs inside the present block's code. */
  get depth(): number {
    return this.dirtyBefore.length
  }

  block(): void {
    this.construct(w.BLOCK, w.TYPE_EMPTY)
  }

  /** Calls a function of the region's own module. */
  callOwn(index: number): void {
    this.out.byte(w.CALL)
    this.out.u32(index)
  }

  if(type: number = w.TYPE_EMPTY): void {
    this.construct(w.IF, type)
  }

  private construct(code: number, type: number): void {
    this.out.byte(code)
    this.out.byte(type)
    this.dirtyBefore.push(this.dirty)
    this.writtenBefore.push(this.written)
    this.written = 0
  }

  /** An `if` that is nearly always true. */
  ifLikely(type: number = w.TYPE_EMPTY): void {
    this.hints.push({ offset: this.out.length, likely: true })
    this.if(type)
  }

  /** An `if` that is nearly never true. */
  ifUnlikely(type: number = w.TYPE_EMPTY): void {
    this.hints.push({ offset: this.out.length, likely: false })
    this.if(type)
  }

  else(): void {
    this.out.byte(w.ELSE)
    this.dirty = this.dirtyBefore[this.depth - 1]!
  }

  /** Whichever way the construct was passed: what was dirty before it or has been written in it may be so still. */
  end(): void {
    this.out.byte(w.END)
    this.dirty = this.dirtyBefore.pop()! | this.written
    this.written |= this.writtenBefore.pop()!
  }

  /** Branches to label `depth` where the i32 on the stack is not zero, which is nearly never so. */
  branchUnlikely(depth: number): void {
    this.hints.push({ offset: this.out.length, likely: false })
    this.out.byte(w.BR_IF)
    this.out.u32(depth)
  }

  /** Linear address `offset` bytes into the region's page. */
  pageAddress(offset: number): void {
    this.get(L_PAGE)
    if (offset !== 0) {
      this.i64(offset)
      this.op(w.I64_ADD)
    }
  }

  /** Pushes the 64-bit value of the whole register `slot` lies in. */
  read64(slot: number): void {
    const local = localOf(slot)
    if (local >= 0) this.get(local)
    else if (slot === S.ZERO) this.i64(0)
    else if (slot === S.PC) this.pageAddress(this.blockOffset)
    else {
      this.loadState(w.I64_LOAD, slot)
    }
  }

  /** Pushes an operand of `size` (0..3) zero-extended to 64 bits. */
  read(slot: number, size: number): void {
    this.read64(slot & ~7)
    if (slot & 7) {
      this.i64(8)
      this.op(w.I64_SHR_U)
    }
    if (size === 3) return
    if (size === 2) this.op(w.I32_WRAP_I64, w.I64_EXTEND_I32_U)
    else {
      this.i64(size === 1 ? 0xffff : 0xff)
      this.op(w.I64_AND)
    }
  }

  /** Pushes an operand as i32: exact for 32 bits, zero-extended below. */
  readNarrow(slot: number, size: number): void {
    this.read64(slot & ~7)
    this.op(w.I32_WRAP_I64)
    if (slot & 7) {
      this.i32(8)
      this.op(w.I32_SHR_U)
    }
    if (size < 2) {
      this.i32(size === 1 ? 0xffff : 0xff)
      this.op(w.I32_AND)
    }
  }

  /** Pops a 64-bit value, whose bits beyond `size` do not matter, into operand `slot`. */
  write(slot: number, size: number): void {
    const local = localOf(slot & ~7)
    if (local < 0) throw new Error(`translator: slot ${slot} is not to be written`)
    this.soil(slot >> 3)
    if (size === 3) this.set(local)
    else if (size === 2) {
      this.op(w.I32_WRAP_I64, w.I64_EXTEND_I32_U)
      this.set(local)
    } else this.insert(local, slot & 7, size)
  }

  /** Pops an i32 into operand `slot` of 32 bits. */
  writeNarrow(slot: number): void {
    this.op(w.I64_EXTEND_I32_U)
    this.write(slot, 3)
  }

  /** Pops the low byte or word into its place in `local`. */
  private insert(local: number, high: number, size: number): void {
    const mask = size === 1 ? 0xffff : 0xff
    this.i64(mask)
    this.op(w.I64_AND)
    if (high) {
      this.i64(8)
      this.op(w.I64_SHL)
    }
    this.get(local)
    this.i64(~(high ? mask << 8 : mask))
    this.op(w.I64_AND, w.I64_OR)
    this.set(local)
  }

  private soil(register: number): void {
    if (register >= GPRS) return
    this.dirty |= 1 << register
    this.written |= 1 << register
  }

  /** At the start of a block: the state area has the general registers. */
  assumeClean(): void {
    this.dirty = 0
  }

  /** The state area gets all general registers that it does not have. Whoever leaves the region or this block has seen to that. */
  flush(): void {
    for (let n = 0; this.dirty !== 0; n++) this.spill(n << 3)
  }

  /** The state area gets the register of `slot`: a general one only where it does not have it. */
  spill(slot: number): void {
    const aligned = slot & ~7
    const local = localOf(aligned)
    if (local < 0) return
    if (aligned >> 3 < GPRS) {
      const bit = 1 << (aligned >> 3)
      if (!(this.dirty & bit)) return
      this.dirty &= ~bit
    }
    this.state()
    this.get(local)
    this.stateMemory(w.I64_STORE, aligned)
  }

  reload(slot: number): void {
    const aligned = slot & ~7
    const local = localOf(aligned)
    if (local < 0) return
    this.loadState(w.I64_LOAD, aligned)
    this.set(local)
    this.dirty &= ~(1 << (aligned >> 3))
  }

  /** Pushes CTX, zero-extended. */
  context(): void {
    this.loadState(w.I64_LOAD, S.CTX)
  }
}

const sameConstant = (a: CodeConstant, b: CodeConstant): boolean =>
  a.kind === b.kind &&
  a.block === b.block &&
  a.offset === b.offset &&
  (a.kind !== 'immediate' || b.kind !== 'immediate' || a.value === b.value)
