import { FLAGS_ARITHMETIC, FLAG_CF, FLAG_DF, FLAG_ZF } from '../../../spec/x86/flags.js'
import { RAX, RCX, RDI, RSI } from '../guest-registers.js'
import { alu, type AluResult } from './alu.js'
import type { MmioInstruction, MmioOperation, Source } from './decode.js'

export interface Value {
  readonly lo: number
  readonly hi: number
}

/** What an emulated instruction may touch. */
export interface MmioEnvironment {
  readonly registers: {
    lo(register: number): number
    hi(register: number): number
    number(register: number): number
    big(register: number): bigint
    set(register: number, lo: number, hi: number): void
    setSized(register: number, size: number, lo: number, hi: number): void
  }
  flags(): number
  setFlags(value: number): void
  read(gpa: number, size: number): Value
  write(gpa: number, size: number, value: Value): void
  /** Guest physical address of a linear one, or undefined when that failed and a fault (or a refusal) has been queued. */
  translate(segment: number, offset: bigint, write: boolean): number | undefined
}

/** `done` = go to the next instruction; `again` = the same instruction once more (a long REP); `faulted` = an exception has been queued. */
export type MmioOutcome = 'done' | 'again' | 'faulted'

/** One exit handles at most this much of a REP, so that a guest cannot keep the hypervisor busy with one instruction. */
const REPEATS_MAX = 512
const PAGE_BYTES = 0x1000
const SEGMENT_ES = 0
const SEGMENT_DS = 3

export function executeMmio(env: MmioEnvironment, instruction: MmioInstruction, gpa: number, faultWasWrite: boolean): MmioOutcome {
  const { operation, size } = instruction
  switch (operation.kind) {
    case 'store':
      env.write(gpa, size, operation.swap ? swapped(sourceValue(env, operation.from), size) : sourceValue(env, operation.from))
      return 'done'
    case 'load':
      loadRegister(env, operation, operation.swap ? swapped(env.read(gpa, size), size) : env.read(gpa, size), size)
      return 'done'
    case 'alu':
      executeAlu(env, operation, gpa, size)
      return 'done'
    case 'unary':
      executeUnary(env, operation.operation, gpa, size)
      return 'done'
    case 'bit':
      executeBit(env, operation, gpa, size)
      return 'done'
    case 'exchange':
    case 'exchange-add':
    case 'compare-exchange':
      executeExchange(env, operation, gpa, size)
      return 'done'
    case 'move-string':
    case 'store-string':
    case 'load-string':
      return executeString(env, instruction, operation, gpa, faultWasWrite)
    case 'compare-string':
    case 'scan-string':
      return executeCompareString(env, instruction, operation)
  }
}

function sourceValue(env: MmioEnvironment, source: Source): Value {
  if (source.kind === 'immediate') return source
  const lo = env.registers.lo(source.index)
  return source.high ? { lo: (lo >>> 8) & 0xff, hi: 0 } : { lo, hi: env.registers.hi(source.index) }
}

function setRegister(env: MmioEnvironment, index: number, high: boolean, size: number, value: Value): void {
  if (high) env.registers.setSized(index, 2, (env.registers.lo(index) & 0xff) | ((value.lo & 0xff) << 8), 0)
  else env.registers.setSized(index, size, value.lo >>> 0, value.hi >>> 0)
}

function loadRegister(env: MmioEnvironment, operation: Extract<MmioOperation, { kind: 'load' }>, value: Value, size: number): void {
  setRegister(env, operation.to, operation.high, operation.resultSize, extended(value, size, operation.signed))
}

function extended(value: Value, size: number, signed: boolean): Value {
  if (size === 8) return value
  const shift = 32 - 8 * size
  const lo = signed ? (value.lo << shift) >> shift : (value.lo << shift) >>> shift
  return { lo: lo >>> 0, hi: signed && lo < 0 ? 0xffffffff : 0 }
}

function swapped(value: Value, size: number): Value {
  const swap32 = (v: number) => ((v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24)) >>> 0
  if (size === 8) return { lo: swap32(value.hi), hi: swap32(value.lo) }
  return { lo: swap32(value.lo) >>> (32 - 8 * size), hi: 0 }
}

function big(value: Value): bigint {
  return (BigInt(value.hi >>> 0) << 32n) | BigInt(value.lo >>> 0)
}

function halves(value: bigint): Value {
  return { lo: Number(value & 0xffffffffn), hi: Number((value >> 32n) & 0xffffffffn) }
}

function commitFlags(env: MmioEnvironment, flags: number, mask = FLAGS_ARITHMETIC): void {
  env.setFlags((env.flags() & ~mask) | (flags & mask))
}

function executeAlu(env: MmioEnvironment, operation: Extract<MmioOperation, { kind: 'alu' }>, gpa: number, size: number): void {
  const memory = big(env.read(gpa, size))
  const operand = big(sourceValue(env, operation.operand))
  const carry = (env.flags() & FLAG_CF) !== 0
  const result: AluResult = operation.toRegister
    ? alu(operation.operation, operand, memory, size, carry)
    : alu(operation.operation, memory, operand, size, carry)
  if (operation.operation !== 'cmp' && operation.operation !== 'test') {
    if (operation.toRegister && operation.operand.kind === 'register')
      setRegister(env, operation.operand.index, operation.operand.high, size, halves(result.value))
    else env.write(gpa, size, halves(result.value))
  }
  commitFlags(env, result.flags)
}

function executeUnary(env: MmioEnvironment, operation: 'not' | 'neg' | 'inc' | 'dec', gpa: number, size: number): void {
  const memory = big(env.read(gpa, size))
  if (operation === 'not') {
    env.write(gpa, size, halves(~memory))
    return
  }
  const result =
    operation === 'neg' ? alu('sub', 0n, memory, size, false) : alu(operation === 'inc' ? 'add' : 'sub', memory, 1n, size, false)
  env.write(gpa, size, halves(result.value))
  // INC and DEC leave CF alone.
  commitFlags(env, result.flags, operation === 'neg' ? FLAGS_ARITHMETIC : FLAGS_ARITHMETIC & ~FLAG_CF)
}

/** The fault names the address of the very word, so only the bit's place within it is left of the offset. */
function executeBit(env: MmioEnvironment, operation: Extract<MmioOperation, { kind: 'bit' }>, gpa: number, size: number): void {
  const memory = big(env.read(gpa, size))
  const bit = 1n << BigInt(sourceValue(env, operation.operand).lo & (size * 8 - 1))
  const changed = { bt: memory, bts: memory | bit, btr: memory & ~bit, btc: memory ^ bit }[operation.operation]
  if (operation.operation !== 'bt') env.write(gpa, size, halves(changed))
  commitFlags(env, (memory & bit) !== 0n ? FLAG_CF : 0, FLAG_CF)
}

type Exchange = Extract<MmioOperation, { kind: 'exchange' | 'exchange-add' | 'compare-exchange' }>

function executeExchange(env: MmioEnvironment, operation: Exchange, gpa: number, size: number): void {
  const memory = env.read(gpa, size)
  const register = operation.register
  const held = sourceValue(env, register)
  if (operation.kind === 'exchange') {
    env.write(gpa, size, held)
    setRegister(env, register.index, register.high, size, memory)
    return
  }
  if (operation.kind === 'exchange-add') {
    const sum = alu('add', big(memory), big(held), size, false)
    env.write(gpa, size, halves(sum.value))
    setRegister(env, register.index, register.high, size, memory)
    commitFlags(env, sum.flags)
    return
  }
  const compared = alu('cmp', env.registers.big(RAX), big(memory), size, false)
  const equal = (compared.flags & FLAG_ZF) !== 0
  // A failed comparison still writes: the old value goes back (CMPXCHG always makes a write cycle).
  env.write(gpa, size, equal ? held : memory)
  if (!equal) setRegister(env, RAX, false, size, memory)
  commitFlags(env, compared.flags)
}

type StringOperation = Extract<MmioOperation, { kind: 'move-string' | 'store-string' | 'load-string' }>

function executeString(
  env: MmioEnvironment,
  instruction: MmioInstruction,
  operation: StringOperation,
  gpa: number,
  faultWasWrite: boolean,
): MmioOutcome {
  const { size, addressSize } = instruction
  const step = (env.flags() & FLAG_DF) !== 0 ? -size : size
  const source = instruction.segment ?? SEGMENT_DS
  let at = gpa
  for (let n = 0; n < REPEATS_MAX; n++) {
    if (operation.repeat && address(env, RCX, addressSize) === 0n) return 'done'
    if (operation.kind === 'move-string') {
      // One end lies at the address that faulted, the other must be found through the guest's page tables.
      const other = faultWasWrite
        ? env.translate(source, address(env, RSI, addressSize), false)
        : env.translate(SEGMENT_ES, address(env, RDI, addressSize), true)
      if (other === undefined) return 'faulted'
      env.write(faultWasWrite ? at : other, size, env.read(faultWasWrite ? other : at, size))
    } else if (operation.kind === 'store-string') env.write(at, size, { lo: env.registers.lo(RAX), hi: env.registers.hi(RAX) })
    else setRegister(env, RAX, false, size, env.read(at, size))

    if (operation.kind !== 'store-string') advance(env, RSI, step, addressSize)
    if (operation.kind !== 'load-string') advance(env, RDI, step, addressSize)
    if (!operation.repeat) return 'done'
    advance(env, RCX, -1, addressSize)
    if (address(env, RCX, addressSize) === 0n) return 'done'
    const next = at + step
    // The next page may lie elsewhere: let the instruction fault again there.
    if (next < 0 || Math.floor(next / PAGE_BYTES) !== Math.floor(at / PAGE_BYTES)) return 'again'
    at = next
  }
  return 'again'
}

type CompareString = Extract<MmioOperation, { kind: 'compare-string' | 'scan-string' }>

/** Either end may be the device, so both are found through the guest's page tables. */
function executeCompareString(env: MmioEnvironment, instruction: MmioInstruction, operation: CompareString): MmioOutcome {
  const { size, addressSize } = instruction
  const step = (env.flags() & FLAG_DF) !== 0 ? -size : size
  const compare = operation.kind === 'compare-string'
  for (let n = 0; n < REPEATS_MAX; n++) {
    if (operation.repeat && address(env, RCX, addressSize) === 0n) return 'done'
    const source = compare ? env.translate(instruction.segment ?? SEGMENT_DS, address(env, RSI, addressSize), false) : 0
    if (source === undefined) return 'faulted'
    const target = env.translate(SEGMENT_ES, address(env, RDI, addressSize), false)
    if (target === undefined) return 'faulted'
    const left = compare ? big(env.read(source, size)) : env.registers.big(RAX)
    const { flags } = alu('cmp', left, big(env.read(target, size)), size, false)

    commitFlags(env, flags)
    if (compare) advance(env, RSI, step, addressSize)
    advance(env, RDI, step, addressSize)
    if (!operation.repeat) return 'done'
    advance(env, RCX, -1, addressSize)
    if (((flags & FLAG_ZF) !== 0) !== operation.whileEqual) return 'done'
  }
  return 'again'
}

function address(env: MmioEnvironment, register: number, addressSize: number): bigint {
  return BigInt.asUintN(addressSize * 8, env.registers.big(register))
}

function advance(env: MmioEnvironment, register: number, by: number, addressSize: number): void {
  const { lo, hi } = halves(BigInt.asUintN(addressSize * 8, env.registers.big(register) + BigInt(by)))
  env.registers.setSized(register, addressSize, lo, hi)
}
