import { ascii, concatBytes, isZero, u32le } from '../../lib/bytes.js'
import { bytes, layout, readU32, u32, u8 } from '../../lib/layout.js'
import { PlatformCertificatesLayout, SEV_CERTIFICATE_BYTES } from '../../spec/sev/certificates.js'
import { PACKET_BYTES_MAX, PacketHeader, SessionLayout } from '../../spec/sev/command-buffers.js'
import type { PlatformCertificates, VendorCertificates } from '../sev-driver/index.js'
import { ProtocolError } from './pipe.js'

/*
 * What the frames of a migration say. docs/migration.md has the order in which they come. Every parser takes what anybody may have sent: it
 * throws ProtocolError, allocates no more than it was given, and returns values in range.
 */
export const MessageType = {
  // source to target
  HELLO: 0x01,
  START: 0x02,
  PRIVATE_PAGES: 0x03,
  PLAIN_PAGES: 0x04,
  ROUND_END: 0x05,
  STATE: 0x06,
  PREPARE: 0x07,
  COMMIT: 0x08,
  ABORT: 0x09,
  /** The first frame of a connection that asks after a migration. */
  ASK: 0x0a,
  // target to source
  PLATFORM: 0x81,
  STARTED: 0x82,
  ROUND_DONE: 0x83,
  READY: 0x84,
  RUNNING: 0x85,
  DISCARDED: 0x86,
  REFUSED: 0x87,
  STANDING: 0x88,
} as const
export type MessageTypeName = keyof typeof MessageType

export const PROTOCOL_VERSION = 1
export const MIGRATION_ID_BYTES = 16
const PAGE_BYTES = 0x1000
/** Bytes of the longest text that a peer may make us show. */
const TEXT_BYTES_MAX = 1024
const CA_CERTIFICATE_BYTES_MAX = 0x640

export function messageName(type: number): string {
  return Object.entries(MessageType).find(([, value]) => value === type)?.[0] ?? `message 0x${type.toString(16)}`
}

// ---- HELLO, ASK and what answers them ------------------------------------------------------------------------------

const HelloLayout = layout('HELLO', 0x20, {
  magic: bytes(0x00, 8),
  version: u32(0x08),
  id: bytes(0x0c, MIGRATION_ID_BYTES),
  encrypted: u8(0x1c),
  reserved_1d: bytes(0x1d, 3),
})
const MAGIC = ascii('CBITMIGR')

export interface Hello {
  readonly id: Uint8Array
  readonly encrypted: boolean
  /** The machine's state as it stands now: the target builds a machine of the same kind from it. Its content is old by the time of STATE. */
  readonly machine: Uint8Array
}

export function encodeHello({ id, encrypted, machine }: Hello): Uint8Array {
  return concatBytes(HelloLayout.encode({ magic: MAGIC, version: PROTOCOL_VERSION, id, encrypted: encrypted ? 1 : 0 }), machine)
}

export function parseHello(payload: Uint8Array): Hello {
  if (payload.length < HelloLayout.bytes) throw new ProtocolError('the peer does not speak this protocol')
  const { magic, version, id, encrypted } = HelloLayout.decode(payload)
  if (!magic.every((byte, i) => byte === MAGIC[i])) throw new ProtocolError('the peer does not speak this protocol')
  if (version !== PROTOCOL_VERSION)
    throw new ProtocolError(`the peer speaks version ${version} of the protocol, this program version ${PROTOCOL_VERSION}`)
  if (encrypted > 1 || HelloLayout.reservedViolation(payload.subarray(0, HelloLayout.bytes)) !== undefined)
    throw new ProtocolError('a HELLO that no peer sends')
  return { id, encrypted: encrypted === 1, machine: payload.slice(HelloLayout.bytes) }
}

/** ASK, COMMIT, ABORT, PREPARE and their answers name the migration. */
export function parseId(payload: Uint8Array): Uint8Array {
  if (payload.length !== MIGRATION_ID_BYTES) throw new ProtocolError('this names no migration')
  return payload
}

/** REFUSED: a reason for people. Only printable ASCII is shown, whatever was sent. */
export function encodeText(text: string): Uint8Array {
  return ascii(text.replace(/[^\x20-\x7e]/g, '?').slice(0, TEXT_BYTES_MAX))
}

export function parseText(payload: Uint8Array): string {
  return String.fromCharCode(...payload.subarray(0, TEXT_BYTES_MAX)).replace(/[^\x20-\x7e]/g, '?')
}

/** How a migration stands at the target (STANDING). */
export const standings = ['unknown', 'receiving', 'ready', 'running', 'discarded'] as const
export type Standing = (typeof standings)[number]

export function encodeStanding(standing: Standing): Uint8Array {
  return Uint8Array.of(standings.indexOf(standing))
}

export function parseStanding(payload: Uint8Array): Standing {
  const standing = standings[payload[0] ?? standings.length]
  if (payload.length !== 1 || standing === undefined) throw new ProtocolError('a STANDING that no peer sends')
  return standing
}

// ---- the platforms and the session ---------------------------------------------------------------------------------

export interface Platform {
  readonly certificates: PlatformCertificates
  readonly vendor: VendorCertificates
}

const CHAIN_BYTES = SEV_CERTIFICATE_BYTES + PlatformCertificatesLayout.bytes

/** PLATFORM. Nothing but lengths is judged here: the source's secure processor judges the chain. */
export function encodePlatform({ certificates: { pdh, ...chain }, vendor: { ask, ark } }: Platform): Uint8Array {
  return concatBytes(pdh, PlatformCertificatesLayout.encode(chain), u32le(ask.length), ask, ark)
}

export function parsePlatform(payload: Uint8Array): Platform {
  if (payload.length < CHAIN_BYTES + 4) throw new ProtocolError('a PLATFORM that no peer sends')
  const pdh = payload.slice(0, SEV_CERTIFICATE_BYTES)
  const chain = PlatformCertificatesLayout.decode(payload, SEV_CERTIFICATE_BYTES)
  const askLength = readU32(payload, CHAIN_BYTES)
  const rest = payload.slice(CHAIN_BYTES + 4)
  if (askLength > rest.length || rest.length > 2 * CA_CERTIFICATE_BYTES_MAX) throw new ProtocolError('a PLATFORM that no peer sends')
  return { certificates: { pdh, ...chain }, vendor: { ask: rest.slice(0, askLength), ark: rest.slice(askLength) } }
}

export interface Start {
  readonly policy: number
  /** The sender's Diffie-Hellman certificate. */
  readonly pdh: Uint8Array
  readonly session: Uint8Array
}

export function encodeStart({ policy, pdh, session }: Start): Uint8Array {
  return concatBytes(u32le(policy), pdh, session)
}

export function parseStart(payload: Uint8Array): Start {
  const at = 4 + SEV_CERTIFICATE_BYTES
  if (payload.length !== at + SessionLayout.bytes) throw new ProtocolError('a START that no peer sends')
  return { policy: readU32(payload, 0), pdh: payload.slice(4, at), session: payload.slice(at) }
}

// ---- pages ---------------------------------------------------------------------------------------------------------

/** Neighbouring pages as one packet of SEND_UPDATE_DATA. */
export interface PrivateRun {
  readonly first: number
  readonly pages: number
  readonly header: Uint8Array
  readonly data: Uint8Array
}

export const PRIVATE_RUN_PAGES_MAX = PACKET_BYTES_MAX / PAGE_BYTES
const PRIVATE_RECORD_BYTES = 8 + PacketHeader.bytes

export function encodePrivateRun({ first, pages, header, data }: PrivateRun): Uint8Array {
  return concatBytes(u32le(first), u32le(pages), header, data)
}

/** Visits the runs of a PRIVATE_PAGES frame in order. `pageCount`: pages that the VM has. */
export function eachPrivateRun(payload: Uint8Array, pageCount: number, visit: (run: PrivateRun) => void): void {
  for (let at = 0; at < payload.length;) {
    if (payload.length - at < PRIVATE_RECORD_BYTES) throw new ProtocolError('pages that are cut off')
    const [first, pages] = [readU32(payload, at), readU32(payload, at + 4)]
    checkRun(first, pages, PRIVATE_RUN_PAGES_MAX, pageCount)
    const from = at + PRIVATE_RECORD_BYTES
    const end = from + pages * PAGE_BYTES
    if (end > payload.length) throw new ProtocolError('pages that are cut off')
    visit({ first, pages, header: payload.subarray(at + 8, from), data: payload.subarray(from, end) })
    at = end
  }
}

/** Neighbouring pages in clear; `data` undefined: all zero. */
export interface PlainRun {
  readonly first: number
  readonly pages: number
  readonly data: Uint8Array | undefined
}

export const PLAIN_RUN_PAGES_MAX = 64
const ZERO_PAGES = 0x8000_0000

export function encodePlainRun(first: number, data: Uint8Array): Uint8Array {
  const pages = data.length / PAGE_BYTES
  return isZero(data) ? concatBytes(u32le(first), u32le((ZERO_PAGES | pages) >>> 0)) : concatBytes(u32le(first), u32le(pages), data)
}

export function eachPlainRun(payload: Uint8Array, pageCount: number, visit: (run: PlainRun) => void): void {
  for (let at = 0; at < payload.length;) {
    if (payload.length - at < 8) throw new ProtocolError('pages that are cut off')
    const [first, word] = [readU32(payload, at), readU32(payload, at + 4)]
    const zero = (word & ZERO_PAGES) !== 0
    const pages = (word & ~ZERO_PAGES) >>> 0
    checkRun(first, pages, PLAIN_RUN_PAGES_MAX, pageCount)
    const end = at + 8 + (zero ? 0 : pages * PAGE_BYTES)
    if (end > payload.length) throw new ProtocolError('pages that are cut off')
    visit({ first, pages, data: zero ? undefined : payload.subarray(at + 8, end) })
    at = end
  }
}

function checkRun(first: number, pages: number, pagesMax: number, pageCount: number): void {
  if (pages === 0 || pages > pagesMax || first + pages > pageCount) throw new ProtocolError('pages that the VM does not have')
}
