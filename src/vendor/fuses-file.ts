import { concatBytes, equalBytes } from '../lib/bytes.js'
import { sha256 } from '../lib/crypto.js'
import { bytes, layout, u32 } from '../lib/layout.js'
import { caCertificateBytes, SEV_CERTIFICATE_BYTES } from '../spec/sev/certificates.js'
import { CHIP_ID_BYTES, CHIP_SECRET_BYTES, type Fuses } from '../silicon/secure-processor/endorsement.js'

/**
 * A chip's fuses as a file, so that an emulated machine is the same machine when it is switched on again. The format is this project's own:
 * header, ARK, ASK, CEK, SHA-256 of all before. Whoever has the file has the chip.
 */
const Header = layout('FUSES', 0x70, {
  magic: bytes(0x00, 8),
  version: u32(0x08),
  reserved_c: u32(0x0c),
  chipId: bytes(0x10, CHIP_ID_BYTES),
  chipSecret: bytes(0x50, CHIP_SECRET_BYTES),
})
const MAGIC = Uint8Array.from('cbitfuse', (character) => character.charCodeAt(0))
const VERSION = 1
const CHECKSUM_BYTES = 32

export function encodeFuses({ chipId, chipSecret, certificates }: Fuses): Uint8Array {
  const { ark, ask, cek } = certificates
  if (!ark || !ask || !cek) throw new RangeError('a chip without certificates has no fuses file')
  const content = concatBytes(Header.encode({ magic: MAGIC, version: VERSION, chipId, chipSecret }), ark, ask, cek)
  return concatBytes(content, sha256(content))
}

/** The fuses, or undefined where the file is none or is damaged. */
export function parseFuses(file: Uint8Array): Fuses | undefined {
  const content = file.subarray(0, Math.max(0, file.length - CHECKSUM_BYTES))
  if (content.length < Header.bytes || !equalBytes(sha256(content), file.subarray(content.length))) return undefined
  const { magic, version, chipId, chipSecret } = Header.decode(content)
  if (!equalBytes(magic, MAGIC) || version !== VERSION) return undefined
  const arkBytes = caCertificateBytes(content.subarray(Header.bytes))
  if (arkBytes === undefined) return undefined
  const askBytes = caCertificateBytes(content.subarray(Header.bytes + arkBytes))
  if (askBytes === undefined) return undefined
  const askAt = Header.bytes + arkBytes
  const cekAt = askAt + askBytes
  if (content.length !== cekAt + SEV_CERTIFICATE_BYTES) return undefined
  return {
    chipId,
    chipSecret,
    certificates: { ark: content.slice(Header.bytes, askAt), ask: content.slice(askAt, cekAt), cek: content.slice(cekAt) },
  }
}
