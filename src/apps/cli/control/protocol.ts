// What `cbit dram`, `cbit secret` and `cbit snapshot` ask a running VM over its control socket: one JSON line, answered by one JSON line and `length` bytes.

import { isAbsolute } from 'node:path'
import type { SnapshotResult } from '../snapshot/take.js'

import type { MigrationStatus } from '../migration/desk.js'

export type ControlRequest =
  | { readonly op: 'status' }
  | { readonly op: 'read'; readonly view: MemoryView; readonly address: number; readonly length: number }
  | { readonly op: 'map' }
  | { readonly op: 'find'; readonly hex: string }
  | { readonly op: 'stop' }
  | { readonly op: 'launch-report' }
  /** Lets a measured guest run; with the owner's packet (base64) in its memory first. */
  | { readonly op: 'admit'; readonly header?: string; readonly data?: string }
  /** Answered by lines with `progress` until the one with `snapshot` or `error`; closing the connection gives it up. */
  | { readonly op: 'snapshot'; readonly file: string; readonly stop: boolean; readonly receiver?: ReceiverCertificates }
  | MigrateRequest
  | { readonly op: 'migrate-status' }
  | { readonly op: 'migrate-cancel' }

export const receiverNames = ['pdh', 'pek', 'oca', 'cek', 'ask', 'ark'] as const
/** Base64. */
export type ReceiverCertificates = Readonly<Record<(typeof receiverNames)[number], string>>

/** The VM goes to a machine that waits at `to`. */
export interface MigrateRequest {
  readonly op: 'migrate'
  readonly to: string
  /** 64 hexadecimal digits. */
  readonly key: string
  readonly bandwidth: number
  readonly downtimeMaxMs: number
  readonly roundsMax: number
}

/** `bus`: system physical memory as DRAM holds it. `guest`: guest physical memory, decrypted by the secure processor where the policy allows. */
export type MemoryView = 'bus' | 'guest'

export interface VmStatus {
  readonly name: string
  readonly pid: number
  readonly description: string
  readonly sev: string
  readonly memoryBytes: number
  readonly dramBytes: number
  readonly ramBase: number
  readonly instructions: number
}

/** What LAUNCH_MEASURE has said, with all that the owner needs to judge it. */
export interface LaunchReport {
  /** 48 bytes in base64: measurement and nonce. */
  readonly measurement: string
  readonly apiMajor: number
  readonly apiMinor: number
  readonly build: number
  readonly policy: number
}

export interface ControlReply {
  readonly error?: string
  readonly advice?: string
  readonly status?: VmStatus
  readonly launch?: LaunchReport
  readonly migration?: MigrationStatus
  readonly address?: number
  readonly addresses?: readonly number[]
  readonly snapshot?: SnapshotResult
  /** 0 to 1; the answer follows. */
  readonly progress?: number
  /** Bytes that follow the line. */
  readonly length: number
}

/** The longest request line, a secret of 16 KiB in base64 and its header: whoever may open the socket could otherwise fill our memory with one that never ends. */
export const requestBytesMax = 32768
/** The longest read: it is one copy in memory on both sides. */
export const readBytesMax = 16 << 20
/** The longest text to look for. */
export const findBytesMax = 1024
/** After this many places a search stops. */
export const findResultsMax = 1000

const isAddress = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isBase64 = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(value)

/** Judges a request line. Returns undefined for what is no request. */
export function parseRequest(line: string): ControlRequest | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const request = value as Record<string, unknown>
  switch (request['op']) {
    case 'status':
    case 'map':
    case 'stop':
    case 'launch-report':
    case 'migrate-status':
    case 'migrate-cancel':
      return { op: request['op'] }
    case 'admit': {
      const { header, data } = request
      if (header === undefined && data === undefined) return { op: 'admit' }
      return isBase64(header) && isBase64(data) ? { op: 'admit', header, data } : undefined
    }
    case 'migrate': {
      const { to, key, bandwidth, downtimeMaxMs, roundsMax } = request
      if (typeof to !== 'string' || typeof key !== 'string' || !isAddress(bandwidth) || !isAddress(downtimeMaxMs) || !isAddress(roundsMax))
        return undefined
      return { op: 'migrate', to, key, bandwidth, downtimeMaxMs, roundsMax }
    }
    case 'read': {
      const { view, address, length } = request
      if ((view !== 'bus' && view !== 'guest') || !isAddress(address) || !isAddress(length) || length > readBytesMax) return undefined
      return { op: 'read', view, address, length }
    }
    case 'find': {
      const { hex } = request
      return typeof hex === 'string' && /^([0-9a-f]{2})+$/.test(hex) && hex.length <= 2 * findBytesMax ? { op: 'find', hex } : undefined
    }
    case 'snapshot':
      return parseSnapshot(request)
    default:
      return undefined
  }
}

function parseSnapshot({ file, stop, receiver }: Record<string, unknown>): ControlRequest | undefined {
  if (typeof file !== 'string' || !isAbsolute(file) || file.includes('\0') || typeof stop !== 'boolean') return undefined
  if (receiver === undefined) return { op: 'snapshot', file, stop }
  if (typeof receiver !== 'object' || receiver === null) return undefined
  const given = receiver as Record<string, unknown>
  if (!receiverNames.every((name) => isBase64(given[name]))) return undefined
  return {
    op: 'snapshot',
    file,
    stop,
    receiver: Object.fromEntries(receiverNames.map((name) => [name, given[name]])) as ReceiverCertificates,
  }
}
