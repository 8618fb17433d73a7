import { equalBytes, toHex } from '../../lib/bytes.js'
import { readU32 } from '../../lib/layout.js'
import { guidBytes } from '../../spec/sev/guid.js'

/**
 * The table of GUIDs at the end of an OVMF image (OvmfPkg/ResetVector, Ia16/ResetVectorVtf0): its footer ends 32 bytes before the image does, and
 * entries lie before it, each data, length (16 bits, all included) and GUID.
 */
const FOOTER = guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d')
const SEV_HASH_TABLE = guidBytes('7255371f-3a3b-4b04-927b-1da6efa8d454')
const SEV_ES_RESET = guidBytes('00f771de-1a7e-4fcb-890e-68c77e2fb44e')
const SEV_SECRET = guidBytes('4c2eb361-7d9b-4cc3-8081-127c90d3d294')
const TAIL_BYTES = 32
const HEAD_BYTES = 18

export interface OvmfFacts {
  /** Where other vCPUs begin (SEV-ES). */
  readonly resetEip: number | undefined
  /** Where the hashes of kernel, initrd and command line are put, if the image checks them. */
  readonly hashTable: { readonly gpa: number; readonly bytes: number } | undefined
  /** Where the secret table is put, if the image publishes one. */
  readonly secretArea: { readonly gpa: number; readonly bytes: number } | undefined
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)

function tableEntries(image: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  const footerAt = image.length - TAIL_BYTES - 16
  if (footerAt < 2 || !equalBytes(image.subarray(footerAt, footerAt + 16), FOOTER)) return entries
  const start = image.length - TAIL_BYTES - u16(image, footerAt - 2)
  for (let end = footerAt - 2; start >= 0 && end - HEAD_BYTES >= start;) {
    const length = u16(image, end - HEAD_BYTES)
    if (length < HEAD_BYTES || end - length < start) break
    entries.set(toHex(image.subarray(end - 16, end)), image.subarray(end - length, end - HEAD_BYTES))
    end -= length
  }
  return entries
}

function area(data: Uint8Array | undefined): { gpa: number; bytes: number } | undefined {
  if (!data || data.length < 8 || readU32(data, 0) === 0) return undefined
  return { gpa: readU32(data, 0), bytes: readU32(data, 4) }
}

/** What the image says about itself; nothing where it has no table. */
export function ovmfFacts(image: Uint8Array): OvmfFacts {
  const entries = tableEntries(image)
  const reset = entries.get(toHex(SEV_ES_RESET))
  return {
    resetEip: reset && reset.length >= 4 ? readU32(reset, 0) : undefined,
    hashTable: area(entries.get(toHex(SEV_HASH_TABLE))),
    secretArea: area(entries.get(toHex(SEV_SECRET))),
  }
}
