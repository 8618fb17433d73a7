// The archive format of an initramfs: cpio "newc" (Linux Documentation/driver-api/early-userspace/buffer-format.rst).
// The writer is deterministic: entries are sorted by path, times and owners are zero, inode numbers count up.

export type ArchiveEntry =
  | { readonly path: string; readonly kind: 'file'; readonly mode: number; readonly data: Uint8Array }
  | { readonly path: string; readonly kind: 'directory'; readonly mode: number }
  | { readonly path: string; readonly kind: 'symlink'; readonly target: string }
  | { readonly path: string; readonly kind: 'character-device'; readonly mode: number; readonly major: number; readonly minor: number }

const MAGIC = '070701'
const TRAILER = 'TRAILER!!!'

/** File type bits of a mode (POSIX sys/stat.h, as the cpio format fixes them). */
const typeBits = { directory: 0o040000, file: 0o100000, symlink: 0o120000, 'character-device': 0o020000 } as const

/** A kernel path is at most PATH_MAX bytes, its end included; the unpacker refuses longer names. */
const pathBytesMax = 4095

/** Writes `entries` as one newc archive. Missing parent directories are added with mode 0755. */
export function writeCpio(entries: readonly ArchiveEntry[]): Uint8Array {
  const sorted = [...withParents(entries).values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const parts: Uint8Array[] = []
  sorted.forEach((entry, index) => parts.push(...entryParts(entry, index + 1)))
  parts.push(header({ inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }, TRAILER))
  return concatenate(parts)
}

function withParents(entries: readonly ArchiveEntry[]): Map<string, ArchiveEntry> {
  const all = new Map<string, ArchiveEntry>()
  for (const entry of entries) {
    checkPath(entry.path)
    if (all.has(entry.path)) throw new Error(`cpio: '${entry.path}' appears twice`)
    all.set(entry.path, entry)
  }
  for (const path of [...all.keys()]) {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash)
      const present = all.get(parent)
      if (present && present.kind !== 'directory') throw new Error(`cpio: '${path}' lies under '${parent}', which is a ${present.kind}`)
      if (!present) all.set(parent, { path: parent, kind: 'directory', mode: 0o755 })
    }
  }
  return all
}

function checkPath(path: string): void {
  if (path === '' || path.startsWith('/') || path.endsWith('/')) throw new Error(`cpio: bad path '${path}'`)
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) throw new Error(`cpio: bad path '${path}'`)
  if (path.includes('\0') || utf8(path).length > pathBytesMax) throw new Error(`cpio: bad path '${path.slice(0, 40)}…'`)
}

function entryParts(entry: ArchiveEntry, inode: number): Uint8Array[] {
  const data = entry.kind === 'file' ? entry.data : entry.kind === 'symlink' ? utf8(entry.target) : new Uint8Array(0)
  const permissions = entry.kind === 'symlink' ? 0o777 : entry.mode
  const device = entry.kind === 'character-device' ? entry : { major: 0, minor: 0 }
  const fields = {
    inode,
    mode: typeBits[entry.kind] | (permissions & 0o7777),
    links: entry.kind === 'directory' ? 2 : 1,
    size: data.length,
    major: device.major,
    minor: device.minor,
  }
  return [header(fields, entry.path), data, new Uint8Array(-data.length & 3)]
}

interface HeaderFields {
  readonly inode: number
  readonly mode: number
  readonly links: number
  readonly size: number
  readonly major: number
  readonly minor: number
}

/** 110 bytes of ASCII hex fields, then the name with its NUL, padded to four bytes. */
function header(fields: HeaderFields, name: string): Uint8Array {
  const nameBytes = utf8(name)
  const { inode, mode, links, size, major, minor } = fields
  const numbers = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, nameBytes.length + 1, 0]
  const text = MAGIC + numbers.map((number) => number.toString(16).padStart(8, '0')).join('')
  const bytes = new Uint8Array((text.length + nameBytes.length + 1 + 3) & ~3)
  bytes.set(utf8(text), 0)
  bytes.set(nameBytes, text.length)
  return bytes
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}

function utf8(text: string): Uint8Array {
  const escaped = encodeURIComponent(text)
  const bytes: number[] = []
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] === '%') {
      bytes.push(parseInt(escaped.slice(i + 1, i + 3), 16))
      i += 2
    } else {
      bytes.push(escaped.charCodeAt(i))
    }
  }
  return Uint8Array.from(bytes)
}
