import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeCpio, type ArchiveEntry } from './cpio.js'

interface Read {
  readonly name: string
  readonly mode: number
  readonly inode: number
  readonly device: readonly [number, number]
  readonly data: Uint8Array
}

/** A second reading of the format, field by field. */
function readCpio(bytes: Uint8Array): Read[] {
  const text = (from: number, length: number): string => Buffer.from(bytes.subarray(from, from + length)).toString('utf8')
  const entries: Read[] = []
  for (let at = 0; ;) {
    assert.equal(at % 4, 0)
    assert.equal(text(at, 6), '070701')
    const field = (index: number): number => parseInt(text(at + 6 + 8 * index, 8), 16)
    const nameLength = field(11)
    const name = text(at + 110, nameLength - 1)
    assert.equal(bytes[at + 110 + nameLength - 1], 0)
    const dataAt = (at + 110 + nameLength + 3) & ~3
    const next = (dataAt + field(6) + 3) & ~3
    if (name === 'TRAILER!!!') {
      assert.equal(next, bytes.length)
      return entries
    }
    const data = bytes.slice(dataAt, dataAt + field(6))
    entries.push({ name, mode: field(1), inode: field(0), device: [field(9), field(10)], data })
    at = next
  }
}

const file = (path: string, content = ''): ArchiveEntry => ({ path, kind: 'file', mode: 0o644, data: new TextEncoder().encode(content) })

test('each kind of entry is written with its type, mode and content', () => {
  const read = readCpio(
    writeCpio([
      file('init', '#!/bin/sh\n'),
      { path: 'bin/sh', kind: 'symlink', target: 'busybox' },
      { path: 'dev/console', kind: 'character-device', mode: 0o600, major: 5, minor: 1 },
      { path: 'tmp', kind: 'directory', mode: 0o1777 },
    ]),
  )
  assert.deepEqual(
    read.map(({ name, mode }) => [name, mode.toString(8)]),
    [
      ['bin', '40755'],
      ['bin/sh', '120777'],
      ['dev', '40755'],
      ['dev/console', '20600'],
      ['init', '100644'],
      ['tmp', '41777'],
    ],
  )
  assert.equal(Buffer.from(read[1]!.data).toString(), 'busybox')
  assert.deepEqual(read[3]!.device, [5, 1])
  assert.equal(new Set(read.map(({ inode }) => inode)).size, read.length)
})

test('any set of files is read back as it was, whatever the order it was given in', () => {
  const paths = fc.uniqueArray(
    fc.stringMatching(/^[a-zé0-9._-]{1,12}$/).filter((name) => name !== '.' && name !== '..'),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(paths, fc.infiniteStream(fc.uint8Array({ maxLength: 20 })), (names, contents) => {
      const entries = names.map((path): ArchiveEntry => ({ path, kind: 'file', mode: 0o600, data: contents.next().value }))
      const archive = writeCpio(entries)
      assert.deepEqual(writeCpio([...entries].reverse()), archive)
      const read = new Map(readCpio(archive).map((entry) => [entry.name, entry.data]))
      assert.equal(read.size, entries.length)
      for (const entry of entries) assert.deepEqual(read.get(entry.path), entry.kind === 'file' ? Uint8Array.from(entry.data) : undefined)
    }),
  )
})

test('paths that the kernel would misread are refused', () => {
  for (const path of ['', '/init', 'a/', 'a//b', '../a', 'a/./b', 'a\0b', 'x'.repeat(5000)])
    assert.throws(() => writeCpio([file(path)]), /cpio: bad path/)
  assert.throws(() => writeCpio([file('a'), file('a')]), /twice/)
  assert.throws(() => writeCpio([file('a'), file('a/b')]), /lies under 'a', which is a file/)
})
