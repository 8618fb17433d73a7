import { concatBytes } from '../../lib/bytes.js'
import { sha256 } from '../../lib/crypto.js'
import { guidBytes } from '../../spec/sev/guid.js'

/** The table of hashes by which a measured OVMF checks kernel, initrd and command line that come from the host (QEMU target/i386/sev.c). */
const TABLE = guidBytes('9438d606-4f22-4cc9-b479-a793d411fd21')
const KERNEL = guidBytes('4de79437-abd2-427f-b835-d5b172d2045b')
const INITRD = guidBytes('44baf731-3a2f-4bd7-9af1-41e29169781d')
const CMDLINE = guidBytes('97d02dd8-bd20-4c94-aa78-e7714d36ab2a')
const ENTRY_BYTES = 16 + 2 + 32

export interface DirectBoot {
  readonly kernel: Uint8Array
  readonly initrd: Uint8Array
  readonly append: string
}

const u16le = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >>> 8)

function entry(guid: Uint8Array, hash: Uint8Array): Uint8Array {
  return concatBytes(guid, u16le(ENTRY_BYTES), hash)
}

/** 176 bytes: the table, padded to whole blocks. The command line is hashed with its final zero. */
export function kernelHashTable({ kernel, initrd, append }: DirectBoot): Uint8Array {
  const line = Uint8Array.of(...utf8(append), 0)
  const entries = concatBytes(entry(CMDLINE, sha256(line)), entry(INITRD, sha256(initrd)), entry(KERNEL, sha256(kernel)))
  const table = concatBytes(TABLE, u16le(18 + entries.length), entries)
  return concatBytes(table, new Uint8Array((16 - (table.length % 16)) % 16))
}

/** UTF-8. Pure code has no TextEncoder. */
function utf8(text: string): number[] {
  return Array.from(encodeURIComponent(text).matchAll(/%(..)|(.)/g), ([, code, plain]) =>
    code ? parseInt(code, 16) : plain!.charCodeAt(0),
  )
}
