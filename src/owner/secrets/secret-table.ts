import { concatBytes, u32le } from '../../lib/bytes.js'
import { guidBytes } from '../../spec/sev/guid.js'

/**
 * The table of secrets that OVMF publishes and Linux shows as /sys/kernel/security/secrets/coco/GUID (Linux Documentation/security/secrets/coco.rst):
 * header GUID and length, then entries of GUID, length and data; lengths are 32-bit and include GUID and length themselves.
 */
const TABLE_GUID = '1e74f542-71dd-4d66-963e-ef4287ff173b'
/** Names that tools give to well-known entries. */
export const secretAliases: Readonly<Record<string, string>> = { 'luks-key': '736869e5-84f0-4973-92ec-06879ce3da0b' }

export interface SecretEntry {
  readonly guid: string
  readonly data: Uint8Array
}

const BLOCK_BYTES = 16

function entry(guid: string, data: Uint8Array): Uint8Array {
  return concatBytes(guidBytes(guid), u32le(data.length + 20), data)
}

/** Padded with zeros to whole blocks, as LAUNCH_SECRET takes it. */
export function secretTable(entries: readonly SecretEntry[]): Uint8Array {
  const seen = new Set<string>()
  for (const { guid } of entries) {
    if (seen.has(guid.toLowerCase())) throw new RangeError(`two secrets have the GUID ${guid}`)
    seen.add(guid.toLowerCase())
  }
  return wholeBlocks(entry(TABLE_GUID, concatBytes(...entries.map(({ guid, data }) => entry(guid, data)))))
}

export function wholeBlocks(data: Uint8Array): Uint8Array {
  return concatBytes(data, new Uint8Array((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES))
}
