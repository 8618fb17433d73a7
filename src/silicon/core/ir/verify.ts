/**
 * Verifier of the IR that the lowering makes, before any executor sees it. Invariants:
 *
 *  1. Every operation is one of ops.ts that a lowering may emit; fields that it does not have are zero (fields.ts).
 *  2. Slot fields name a register, a temporary, a segment base, ZERO or PC; only bytes may name AH, CH, DH and BH; segment bases, ZERO and PC are not written.
 *  3. Numbers are in range: scales, segments, conditions, vectors, size codes, XMM registers, sizes of calls; kernel functions exist.
 *  4. The block ends with an operation that ends it, and none stands before; where a helper ends it, it is one that never goes on to the next record.
 *  5. Conditional branches, and they alone, are followed by an extension record, whose way past the branch leads to the end of the block.
 *  6. Field c of what ends a block is its number of instructions; NEXT, CALL and CALLI lead to, or return to, its end; links are initial values.
 *  7. x: the index never falls, the offset rises with it and only with it, the first instruction is at 0, none lies at or beyond the block's length.
 *  8. The length in a call is the distance to the next instruction.
 *  9. A temporary byte is read only after the same instruction has written it.
 * 10. Precise state: no record that may fault follows one of the same instruction that writes a register, the flags or memory. A store to an address that the
 *     instruction has loaded by LDW (which checks for the write) does not count as one that may fault.
 * 11. Outside 64-bit mode every address of an access has passed its segment: OP_SEGMENT, or a cut to 32 bits where segments are flat, for at
 *     least its bytes and for writing where it writes; JMPI checks the limit of CS where there may be one.
 * 12. Limits: BLOCK_INSTRUCTIONS_MAX, offsets of 10 bits; blocks of MODE_SINGLE hold one instruction and link to nothing.
 *
 * Not checked: that the records mean what the instruction means (the ISA suite's part); what a helper reads besides T0, T1 and T2; that a helper itself checks
 * before it writes; that an address in 64-bit mode is linear; for how many bytes the segment of a call's operand
 * has been asked; that LINK_16 stands where RIP is 16 bits.
 */

import * as S from '../state/layout.js'
import { accessOf, type Field, fieldsAt, type IrFields, shapes, slotBytes } from './fields.js'
import { H_BIT_MEMORY, H_CALL_FAR, H_JMP_FAR, H_NEAR_CALL, H_NEAR_RET, H_PUSH } from './helper-ids.js'
import * as op from './ops.js'
import { helperName, slotName } from './text.js'
import { V_GATHER_END, V_MASKMOVDQU, V_MASKMOVQ, V_VEX, V_VTEST_END } from './vector-ids.js'

export interface UnverifiedBlock {
  readonly words: Int32Array
  /** Records. */
  readonly count: number
  readonly instructions: number
  /** Bytes of code. */
  readonly length: number
  /** MODE_* bits. */
  readonly mode: number
}

const IN_MEMORY = 0xff
const XMM_REGISTERS = 16
const VECTORS = 32
const FLAG_KINDS = 7
const HEAD = [op.OP_PROFILE, op.OP_REGION]
/** Helpers that never return R_NEXT. */
const leaving = [H_NEAR_CALL, H_NEAR_RET]

const isCall = (code: number): boolean => code >= op.OP_HLP && code <= op.OP_X87
const isTemporary = (slot: number): boolean => (slot >= S.T0 && slot < S.SEG_BASE) || slot === S.T6 || slot === S.T7
const isGeneral = (slot: number): boolean => slot < S.T0
const isStore = (code: number): boolean => code >= op.OP_ST8_BD && code <= op.OP_STI64
const isWriteBackLoad = (code: number): boolean => code >= op.OP_LDW8 && code <= op.OP_LDW64

interface Passed {
  readonly bytes: number
  readonly write: boolean
}

const everything: Passed = { bytes: Infinity, write: true }

class Verifier {
  readonly problems: string[] = []
  private n = 0
  private record!: IrFields
  /** Bytes written by the present instruction, one bit each, by slot. */
  private readonly written = new Map<number, number>()
  /** Temporaries that hold an address that has passed its segment, and for what. */
  private readonly passed = new Map<number, Passed>()
  /** Address slot of the present instruction's LDW, and its bytes. */
  private writeBack = { slot: -1, bytes: 0 }
  private committed = ''
  private readonly long: boolean

  constructor(private readonly block: UnverifiedBlock) {
    this.long = (block.mode & S.MODE_CODE_MASK) === S.MODE_CODE64
  }

  private say(problem: string): void {
    this.problems.push(`record ${this.n} (@${this.record.offset}#${this.record.index}): ${problem}`)
  }

  private check(holds: boolean, problem: string): void {
    if (!holds) this.say(problem)
  }

  verify(): string[] {
    const { words, count, instructions, mode } = this.block
    let last: IrFields | undefined
    let ended = false
    for (this.n = 0; this.n < count; this.n++) {
      this.record = fieldsAt(words, this.n * 4)
      const shape = shapes[this.record.op]
      if (!shape || this.record.op === op.OP_LEAVE) {
        this.say(`operation ${this.record.op} is not for a new block`)
        return this.problems
      }
      this.check(!ended, 'follows the end of the block')
      ended = shape.ends || this.leaves()
      this.order(last)
      this.one()
      last = this.record
      if (shape.extension) this.extension()
    }
    if (count === 0 || !ended) this.problems.push('the block does not end')
    if (instructions < 1 || instructions > op.BLOCK_INSTRUCTIONS_MAX) this.problems.push(`${instructions} instructions`)
    if (mode & S.MODE_SINGLE && instructions !== 1) this.problems.push('more than one instruction under MODE_SINGLE')
    return this.problems
  }

  private leaves(): boolean {
    const { record } = this
    return record.op === op.OP_HLP && leaving.includes(record.imm & 0xffff) && this.n === this.block.count - 1
  }

  /** Invariant 7; a new instruction begins with nothing in its temporaries. */
  private order(last: IrFields | undefined): void {
    const { record, block } = this
    if (HEAD.includes(record.op)) this.check(this.n === 0, 'stands at the head of a block only')
    this.check(record.index < block.instructions, 'index beyond the instructions')
    this.check(record.offset < Math.max(block.length, 1), 'offset beyond the code')
    this.check((record.index === 0) === (record.offset === 0), 'only the first instruction is at 0')
    if (last) {
      this.check(record.index >= last.index, 'index falls')
      this.check(
        record.index > last.index ? record.offset > last.offset : record.offset === last.offset,
        'offset and index do not rise together',
      )
    }
    if (last && record.index === last.index && !HEAD.includes(last.op)) return
    this.written.clear()
    this.passed.clear()
    this.writeBack = { slot: -1, bytes: 0 }
    this.committed = ''
  }

  private one(): void {
    const { record } = this
    const shape = shapes[record.op]!
    for (const name of ['d', 'a', 'b', 'c', 'imm', 'imm2'] as const) this.field(name, shape[name])
    if (record.c > shape.cMax) this.say(`c is ${record.c}`)
    this.particular()
    if (isCall(record.op)) this.call()
    if (shape.faults && !this.storesBack()) this.check(this.committed === '', `may fault after ${this.committed} has been written`)
    if (!this.long) this.access()
    this.effects()
  }

  private field(name: 'd' | 'a' | 'b' | 'c' | 'imm' | 'imm2', field: Field): void {
    const value = this.record[name]
    switch (field.kind) {
      case 'none':
        // A size or condition in c is a number (cMax).
        this.check(value === 0, `has no field ${name}, but it is ${value}`)
        return
      case 'slot':
        this.slot(name, value, slotBytes(this.record, field), field.reads, field.writes)
        return
      case 'segment':
        this.check(value <= S.GS, `no segment ${value}`)
        return
      case 'xmm':
        this.check(value < XMM_REGISTERS, `no XMM register ${value}`)
        return
      case 'scale':
        this.check(value <= 3, `no scale ${value}`)
        return
      case 'count':
        this.check(value === this.block.instructions, `c counts ${value} instructions`)
        return
      case 'link':
        this.link(value)
        return
      case 'number':
      case 'delta':
      case 'helper':
        return
    }
  }

  private slot(name: string, at: number, bytes: number, reads: boolean, writes: boolean): void {
    const high = at % 8 !== 0
    this.check(!high || (at % 8 === 1 && at < S.RSP && bytes === 1), `${name} names ${slotName(at)} with ${bytes} bytes`)
    const guest = isGeneral(at)
    if (writes) this.check(guest || isTemporary(at), `${name} writes ${slotName(at)}`)
    if (reads && isTemporary(at)) this.readTemporary(at, bytes)
  }

  private readTemporary(at: number, bytes: number): void {
    const wanted = (1 << bytes) - 1
    this.check(((this.written.get(at) ?? 0) & wanted) === wanted, `reads ${bytes} bytes of ${slotName(at)} before they are written`)
  }

  private link(value: number): void {
    const single = (this.block.mode & S.MODE_SINGLE) !== 0
    const allowed = single ? [op.LINK_NEVER, op.LINK_16] : [op.LINK_UNRESOLVED, op.LINK_NEVER, op.LINK_16]
    this.check(allowed.includes(value), `link ${value}`)
  }

  private leavesSingly(): void {
    const { record, block } = this
    this.check(record.b === (block.mode & S.MODE_SINGLE ? 1 : 0), `an indirect transfer with b = ${record.b}`)
  }

  /** What single operations demand. */
  private particular(): void {
    const { record, block } = this
    switch (record.op) {
      case op.OP_NEXT:
        this.check(record.imm === block.length, `NEXT to ${record.imm}, the block has ${block.length} bytes`)
        return
      case op.OP_CALL:
        this.check((record.a | (record.b << 8)) === block.length, 'CALL returns elsewhere than behind the block')
        return
      case op.OP_RET:
        this.leavesSingly()
        return
      case op.OP_CALLI:
        this.leavesSingly()
        this.check(record.imm === block.length, 'CALLI returns elsewhere than behind the block')
        return
      case op.OP_JMPI:
        this.leavesSingly()
        this.check(record.d === (this.long || block.mode & S.MODE_FLAT ? 0 : 1), `limit of CS ${record.d ? '' : 'not '}checked`)
        return
      case op.OP_RAISE:
        this.check(record.d < VECTORS && record.a <= 1, `raises ${record.d}, error code ${record.a}`)
        return
      case op.OP_FLAG:
        this.check(record.imm >= 0 && record.imm < FLAG_KINDS, `no flag operation ${record.imm}`)
        return
      case op.OP_SHIFT_DOUBLE:
        this.readTemporary(S.T1, 1)
        return
      case op.OP_JZ_SLOT:
      case op.OP_JNZ_SLOT:
        this.check([2, 4, 8].includes(record.d), `counts in ${record.d} bytes`)
        return
      case op.OP_SEGMENT:
        this.check((record.c & 0x7f) > 0 && (record.imm === -1 || record.imm === 0xffff), 'segment check of no bytes or under an odd mask')
        return
    }
    if (record.op >= op.OP_SHLI8 && record.op <= op.OP_SARI64) this.check(record.imm > 0 && record.imm < 64, `shift by ${record.imm}`)
  }

  private extension(): void {
    const { words, count, length } = this.block
    if (this.n + 1 >= count) {
      this.say('has no extension record')
      return
    }
    const at = ++this.n * 4
    this.link(words[at + 1]!)
    this.link(words[at + 3]!)
    this.check(words[at + 2] === length, `falls through to ${words[at + 2]}, the block has ${length} bytes`)
  }

  /** HLP, VEC and X87: docs/core.md. */
  private call(): void {
    const { record } = this
    const id = record.imm & 0xffff
    this.check(helperName(record.op, id) !== undefined, `no kernel function ${id}`)
    this.callLength(record.imm >>> 16)
    this.check([1, 2, 4, 8].includes(record.b), `call with size ${record.b}`)
    this.check(isGeneral(record.d), `call with d ${record.d}`)
    if (record.a !== IN_MEMORY && isTemporary(record.a)) this.readTemporary(record.a, record.b)
    const memory = record.a === IN_MEMORY && !(record.op === op.OP_HLP && id === H_PUSH)
    const masked = record.op === op.OP_VEC && (id === V_MASKMOVQ || id === V_MASKMOVDQU || id === V_VEX + V_MASKMOVDQU)
    // Masked moves and gathers check the segment of each element themselves.
    const elements = record.op === op.OP_VEC && id >= V_VTEST_END && id < V_GATHER_END
    if (elements) for (const slot of [S.T1, S.T2]) this.readTemporary(slot, 8)
    else if (memory || masked) this.readAddress(record.op === op.OP_HLP && id === H_BIT_MEMORY)
    if (record.op === op.OP_HLP && (id === H_JMP_FAR || id === H_CALL_FAR)) this.readTemporary(S.T1, 2)
    if (record.op === op.OP_X87 && memory) for (const slot of [S.T1, S.T2]) this.readTemporary(slot, 8)
  }

  private readAddress(unchecked: boolean): void {
    this.readTemporary(S.T0, 8)
    if (!this.long && !unchecked) this.check(this.passed.has(S.T0), 'T0 has not passed its segment')
  }

  private callLength(length: number): void {
    const { words, count, instructions } = this.block
    const { record } = this
    let next: number | undefined = record.index === instructions - 1 ? this.block.length : undefined
    for (let n = this.n + 1; n < count && next === undefined; n++) {
      const later = fieldsAt(words, n * 4)
      if (later.index > record.index + 1) return
      if (later.index === record.index + 1) next = later.offset
    }
    if (next !== undefined)
      this.check(length === next - record.offset, `length ${length}, the next instruction is ${next - record.offset} bytes on`)
  }

  /** Invariant 11. */
  private access(): void {
    const { record } = this
    const access = accessOf(record.op)
    if (!access) return
    const passed = this.passed.get(record.a)
    const name = slotName(record.a)
    this.check(!access.indexed && record.imm === 0 && passed !== undefined, `address in ${name} has not passed its segment`)
    if (!passed) return
    this.check(access.bytes <= passed.bytes, `${access.bytes} bytes at ${name}, its segment was asked for ${passed.bytes}`)
    this.check(!access.write || passed.write, `writes at ${name}, its segment was asked for reading`)
  }

  private storesBack(): boolean {
    const { record, writeBack } = this
    return isStore(record.op) && record.a === writeBack.slot && record.imm === 0 && 1 << ((record.op - op.OP_ST8_BD) & 3) <= writeBack.bytes
  }

  /** Notes what the record has written. */
  private effects(): void {
    const { record } = this
    const shape = shapes[record.op]!
    for (const name of ['d', 'a'] as const) {
      const field = shape[name]
      if (field.kind === 'slot' && field.writes) this.wrote(record[name], slotBytes(record, field))
      if (field.kind === 'xmm' && name === 'd' && record.op !== op.OP_VST_BD) this.committed = `xmm${record.d}`
    }
    for (const slot of shape.alsoWrites) this.committed = slotName(slot)
    if (shape.writesFlags) this.committed = 'the flags'
    if (isCall(record.op)) this.committed = 'what a call writes'
    if (isStore(record.op)) this.committed = 'memory'
    if (isWriteBackLoad(record.op)) this.writeBack = { slot: record.a, bytes: 1 << (record.op - op.OP_LDW8) }
    this.addresses()
  }

  private wrote(at: number, bytes: number): void {
    if (isGeneral(at)) {
      this.committed = slotName(at)
      return
    }
    this.passed.delete(at)
    if (at === this.writeBack.slot) this.writeBack = { slot: -1, bytes: 0 }
    // 32-bit results clear the upper half.
    this.written.set(at, (this.written.get(at) ?? 0) | (bytes >= 4 ? 0xff : (1 << bytes) - 1))
  }

  private addresses(): void {
    const { record } = this
    const flat = (this.block.mode & S.MODE_FLAT) !== 0
    const cut = [op.OP_LEA32_BD, op.OP_LEA32_BIS, op.OP_ZX16, op.OP_MOVI32].includes(record.op)
    if (record.op === op.OP_SEGMENT) this.passed.set(record.d, { bytes: record.c & 0x7f, write: (record.c & 0x80) !== 0 })
    else if (flat && cut) this.passed.set(record.d, everything)
    else if (record.op === op.OP_LEA_BD && record.imm === 0) {
      const copied = this.passed.get(record.a)
      if (copied) this.passed.set(record.d, copied)
    }
  }
}

/** What is wrong with `block`; empty where it is in order. */
export function verifyBlock(block: UnverifiedBlock): string[] {
  return new Verifier(block).verify()
}
