import { ImageReader } from '../image-reader.js'
import { parseBzImage } from './bzimage.js'

// Linux Documentation/arch/x86/boot.rst, "payload_offset" (protocol 2.08): counted from the start of the protected-mode part.
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c

export type Compression = 'gzip' | 'xz' | 'zstd' | 'lz4' | 'lzma' | 'bzip2' | 'lzop' | 'none'

/** First bytes of what the kernel's build can make of vmlinux. */
const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['lz4', [0x02, 0x21, 0x4c, 0x18]],
  ['lzma', [0x5d, 0x00, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['lzop', [0x89, 0x4c, 0x5a, 0x4f]],
  ['none', [0x7f, 0x45, 0x4c, 0x46]],
]

/** The compressed vmlinux in a bzImage; undefined where its kind is unknown. Four bytes with the uncompressed length may stand behind it. */
export function kernelPayload(bzImage: Uint8Array): { readonly compression: Compression; readonly bytes: Uint8Array } | undefined {
  const { kernel } = parseBzImage(bzImage)
  const header = new ImageReader(bzImage, 'Linux kernel')
  const bytes = new ImageReader(kernel, 'Linux kernel').slice(header.u32(PAYLOAD_OFFSET), header.u32(PAYLOAD_LENGTH))
  const found = magics.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))
  return found && { compression: found[0], bytes }
}
