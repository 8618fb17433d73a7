// What `cbit dram` asks a running VM over its control socket: one JSON line, answered by one JSON line and `length` bytes.

export type ControlRequest =
  | { readonly op: 'status' }
  | { readonly op: 'read'; readonly view: MemoryView; readonly address: number; readonly length: number }
  | { readonly op: 'map' }
  | { readonly op: 'find'; readonly hex: string }
  | { readonly op: 'stop' }

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

export interface ControlReply {
  readonly error?: string
  readonly status?: VmStatus
  readonly address?: number
  readonly addresses?: readonly number[]
  /** Bytes that follow the line. */
  readonly length: number
}

/** The longest request line: whoever may open the socket could otherwise fill our memory with one that never ends. */
export const requestBytesMax = 8192
/** The longest read: it is one copy in memory on both sides. */
export const readBytesMax = 16 << 20
/** The longest text to look for. */
export const findBytesMax = 1024
/** After this many places a search stops. */
export const findResultsMax = 1000

const isAddress = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

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
      return { op: request['op'] }
    case 'read': {
      const { view, address, length } = request
      if ((view !== 'bus' && view !== 'guest') || !isAddress(address) || !isAddress(length) || length > readBytesMax) return undefined
      return { op: 'read', view, address, length }
    }
    case 'find': {
      const { hex } = request
      return typeof hex === 'string' && /^([0-9a-f]{2})+$/.test(hex) && hex.length <= 2 * findBytesMax ? { op: 'find', hex } : undefined
    }
    default:
      return undefined
  }
}
