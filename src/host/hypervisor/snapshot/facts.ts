import { StateError } from '../../devices/state.js'
import { SEV_CERTIFICATE_BYTES } from '../../../spec/sev/certificates.js'
import { SessionLayout } from '../../../spec/sev/command-buffers.js'
import type { TransferSession } from '../vm-options.js'
import { decodePlain, encodePlain } from '../state/plain-data.js'

/** What a snapshot says of itself before anything of the machine. */
export interface SnapshotFacts {
  /** When, in milliseconds since 1970. */
  readonly createdMs: number
  /** For people: what runs in it. */
  readonly description: string
  readonly memoryBytes: number
  /** Of an encrypted guest: what RECEIVE_START needs, and SHA-256 of the PDH certificate that it was made for. */
  readonly sealed?: TransferSession & { readonly receiverDigest: Uint8Array }
  /** A repeatable run: its seed, and how often chance had been asked. */
  readonly repeatable?: { readonly seed: number; readonly drawn: number }
}

/** Certificates and numbers: more would be an attack on the reader's memory. */
export const FACTS_BYTES_MAX = 0x4000
const DIGEST_BYTES = 32
const DESCRIPTION_MAX = 200

export function encodeFacts({ createdMs, description, memoryBytes, sealed, repeatable }: SnapshotFacts): Uint8Array {
  const text = description.replace(/[^\x20-\x7e]/g, '?').slice(0, DESCRIPTION_MAX)
  return encodePlain({ createdMs, description: text, memoryBytes, ...(sealed && { sealed }), ...(repeatable && { repeatable }) })
}

/** Throws StateError. */
export function parseFacts(bytes: Uint8Array): SnapshotFacts {
  const value = record(decodePlain(bytes, "the snapshot's header"))
  const { description, sealed, repeatable } = value
  if (typeof description !== 'string' || description.length > DESCRIPTION_MAX) return wrong()
  return {
    createdMs: count(value['createdMs'], 2 ** 53),
    description,
    memoryBytes: count(value['memoryBytes'], 2 ** 32),
    ...(sealed !== undefined && { sealed: parseSealed(record(sealed)) }),
    ...(repeatable !== undefined && { repeatable: parseRepeatable(record(repeatable)) }),
  }
}

function parseSealed(value: Record<string, unknown>): NonNullable<SnapshotFacts['sealed']> {
  return {
    policy: count(value['policy'], 0xffff_ffff),
    senderPdh: bytesOf(value['senderPdh'], SEV_CERTIFICATE_BYTES),
    session: bytesOf(value['session'], SessionLayout.bytes),
    receiverDigest: bytesOf(value['receiverDigest'], DIGEST_BYTES),
  }
}

function parseRepeatable(value: Record<string, unknown>): NonNullable<SnapshotFacts['repeatable']> {
  return { seed: count(value['seed'], 0xffff_ffff), drawn: count(value['drawn'], 0xffff_ffff) }
}

function wrong(): never {
  throw new StateError("the snapshot's header is not sound")
}

function record(value: unknown): Record<string, unknown> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
  return isRecord ? (value as Record<string, unknown>) : wrong()
}

function count(value: unknown, max: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : wrong()
}

function bytesOf(value: unknown, length: number): Uint8Array {
  return value instanceof Uint8Array && value.length === length ? value : wrong()
}
