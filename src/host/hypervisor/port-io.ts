import {
  IOIO_ADDRESS16,
  IOIO_ADDRESS32,
  IOIO_IN,
  IOIO_REP,
  IOIO_SEGMENT_SHIFT,
  IOIO_SIZE16,
  IOIO_SIZE8,
  IOIO_STRING,
} from '../../spec/svm/exit-codes.js'
import { FLAG_DF } from '../../spec/x86/flags.js'
import { RAX, RCX, RDI, RSI, type GuestRegisters } from './guest-registers.js'

export interface Ports {
  read(port: number, size: 1 | 2 | 4): number
  write(port: number, size: 1 | 2 | 4, value: number): void
}

export interface PortEnvironment {
  readonly registers: GuestRegisters
  readonly ports: Ports
  flags(): number
  translate(segment: number, offset: bigint, write: boolean): number | undefined
  readMemory(gpa: number, bytes: number): Uint8Array | undefined
  writeMemory(gpa: number, bytes: Uint8Array): boolean
}

export type PortOutcome = 'done' | 'again' | 'faulted'

/** One exit handles at most this much of a REP. */
const REPEATS_MAX = 512
const SEGMENT_ES = 0

/** IN, OUT, INS and OUTS by what EXITINFO1 says of them (APM vol. 2, section 15.10.2). */
export function executePortIo(env: PortEnvironment, info: number): PortOutcome {
  const port = info >>> 16
  const size = (info & IOIO_SIZE8) !== 0 ? 1 : (info & IOIO_SIZE16) !== 0 ? 2 : 4
  if ((info & IOIO_STRING) !== 0) return executeString(env, info, port, size)
  if ((info & IOIO_IN) === 0) {
    const value = env.registers.lo(RAX)
    env.ports.write(port, size, size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value)
  } else env.registers.setSized(RAX, size, env.ports.read(port, size) >>> 0, 0)
  return 'done'
}

function executeString(env: PortEnvironment, info: number, port: number, size: 1 | 2 | 4): PortOutcome {
  const input = (info & IOIO_IN) !== 0
  const repeat = (info & IOIO_REP) !== 0
  const addressBits = (info & IOIO_ADDRESS16) !== 0 ? 16 : (info & IOIO_ADDRESS32) !== 0 ? 32 : 64
  const step = (env.flags() & FLAG_DF) !== 0 ? -size : size
  const pointer = input ? RDI : RSI
  const segment = input ? SEGMENT_ES : (info >> IOIO_SEGMENT_SHIFT) & 7
  for (let n = 0; n < REPEATS_MAX; n++) {
    if (repeat && part(env, RCX, addressBits) === 0n) return 'done'
    const gpa = env.translate(segment, part(env, pointer, addressBits), input)
    if (gpa === undefined) return 'faulted'
    if (input) env.writeMemory(gpa, littleEndian(env.ports.read(port, size), size))
    else env.ports.write(port, size, fromLittleEndian(env.readMemory(gpa, size), size))
    advance(env, pointer, step, addressBits)
    if (!repeat) return 'done'
    advance(env, RCX, -1, addressBits)
  }
  return 'again'
}

function part(env: PortEnvironment, register: number, bits: number): bigint {
  return BigInt.asUintN(bits, env.registers.big(register))
}

function advance(env: PortEnvironment, register: number, by: number, bits: number): void {
  const value = BigInt.asUintN(bits, env.registers.big(register) + BigInt(by))
  env.registers.setSized(register, bits / 8, Number(value & 0xffffffffn), Number(value >> 32n))
}

function littleEndian(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff)
}

/** Memory that is no RAM reads as ones. */
function fromLittleEndian(bytes: Uint8Array | undefined, size: number): number {
  let value = 0
  for (let i = 0; i < size; i++) value |= (bytes ? bytes[i]! : 0xff) << (8 * i)
  return value >>> 0
}
