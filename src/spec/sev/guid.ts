import { fromHex, reversedBytes } from '../../lib/bytes.js'

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The 16 bytes of a GUID as UEFI stores them: the first three groups little-endian (UEFI specification, appendix A). */
export function guidBytes(text: string): Uint8Array {
  if (!form.test(text)) throw new RangeError(`'${text}' is no GUID`)
  const bytes = fromHex(text.replaceAll('-', ''))
  for (const [from, to] of [
    [0, 4],
    [4, 6],
    [6, 8],
  ] as const) {
    bytes.set(reversedBytes(bytes.subarray(from, to)), from)
  }
  return bytes
}
