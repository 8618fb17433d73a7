import { ascii, equalBytes } from '../../../lib/bytes.js'
import { StateError } from '../../devices/state.js'
import { decodePlain, encodePlain, PlainReader } from './plain-data.js'

/*
 * The state of a stopped machine without its memory, as bytes.
 *
 *   magic "CBITVMST" | u16 version | u16 parts | u32 bytes in all | parts
 *   part: u8 length, name | u16 version | u32 length | plain data (plain-data.ts)
 *
 * It carries no checksum: who stores it or sends it authenticates it. Nothing of it is secret from the host that wrote it, and it is the host's word:
 * of an encrypted guest with plain SEV it holds the registers, as the host holds them anyway.
 */
const MAGIC = ascii('CBITVMST')
export const MACHINE_STATE_VERSION = 1
const HEADER_BYTES = MAGIC.length + 8
/** A machine saves about 100 KiB, and what has been typed ahead. More would be an attack on the reader's memory. */
export const MACHINE_STATE_BYTES_MAX = 16 << 20
const PARTS_MAX = 256

/** Part versions of this program. A part that changes its shape gets a new number, and a reader for the old one where that is worth it. */
const PART_VERSION = 1

export type MachineState = ReadonlyMap<string, unknown>

export function encodeMachineState(parts: MachineState): Uint8Array {
  const encoded = [...parts].map(([name, value]) => ({ name: ascii(name), bytes: encodePlain(value) }))
  const total = encoded.reduce((sum, { name, bytes }) => sum + 1 + name.length + 6 + bytes.length, HEADER_BYTES)
  if (total > MACHINE_STATE_BYTES_MAX) throw new StateError(`the machine's state has ${total} bytes: more input waits than can be saved`)
  const state = new Uint8Array(total)
  const view = new DataView(state.buffer)
  state.set(MAGIC)
  view.setUint16(8, MACHINE_STATE_VERSION, true)
  view.setUint16(10, encoded.length, true)
  view.setUint32(12, total, true)
  let at = HEADER_BYTES
  for (const { name, bytes } of encoded) {
    view.setUint8(at, name.length)
    state.set(name, at + 1)
    at += 1 + name.length
    view.setUint16(at, PART_VERSION, true)
    view.setUint32(at + 2, bytes.length, true)
    state.set(bytes, at + 6)
    at += 6 + bytes.length
  }
  return state
}

/** Throws StateError where `bytes` are not a state that this version of the program understands. */
export function decodeMachineState(bytes: Uint8Array): MachineState {
  if (bytes.length > MACHINE_STATE_BYTES_MAX) throw new StateError(`the machine's state is larger than any machine has`)
  const reader = new PlainReader(bytes, "the machine's state")
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) reader.fail('it is none')
  const version = reader.u16()
  if (version !== MACHINE_STATE_VERSION) reader.fail(`it has version ${version}; this program knows version ${MACHINE_STATE_VERSION}`)
  const count = reader.u16()
  if (count > PARTS_MAX) reader.fail('it has more parts than any machine')
  if (reader.u32() !== bytes.length) reader.fail('its length is not the length that it states')
  const parts = new Map<string, unknown>()
  for (let i = 0; i < count; i++) {
    const name = reader.name()
    const partVersion = reader.u16()
    if (parts.has(name)) reader.fail(`it has '${name}' twice`)
    if (partVersion !== PART_VERSION) reader.fail(`'${name}' has version ${partVersion}, which this program does not know`)
    parts.set(name, decodePlain(reader.bytes(reader.u32()), `the state of '${name}'`))
  }
  if (reader.left > 0) reader.fail('something follows its end')
  return parts
}
