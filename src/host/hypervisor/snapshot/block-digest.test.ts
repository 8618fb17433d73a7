import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../lib/bytes.js'
import { sha256 } from '../../../lib/crypto.js'
import { BlockDigest, DIGEST_BLOCK_BYTES, digestOfBlocks } from './block-digest.js'
import { openSnapshot, SnapshotWriter } from './container.js'

test('the digest does not depend on how the bytes come', () => {
  for (const length of [0, 1, DIGEST_BLOCK_BYTES - 1, DIGEST_BLOCK_BYTES, DIGEST_BLOCK_BYTES + 1, 2 * DIGEST_BLOCK_BYTES, 2_500_000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7)
    const blocks: Uint8Array[] = []
    for (let at = 0; at < length; at += DIGEST_BLOCK_BYTES) blocks.push(sha256(bytes.subarray(at, at + DIGEST_BLOCK_BYTES)))
    for (const piece of [length || 1, 4096, 333_333]) {
      const digest = new BlockDigest()
      for (let at = 0; at < length; at += piece) digest.update(bytes.subarray(at, at + piece))
      assert.deepEqual(digest.digest(), digestOfBlocks(blocks), `${length} bytes, ${piece} at a time`)
    }
  }
})

test('wherever a file ends within a block, what was written is read', async () => {
  // Its last record, of 56 bytes, lies before, on and behind the end of the first block.
  const ends = new Set<number>()
  for (let more = 0; more < 120; more++) {
    const written: Uint8Array[] = []
    const writer = new SnapshotWriter((block) => Promise.resolve(void written.push(block.slice())))
    await writer.begin({ createdMs: 1, description: 'x'.repeat(more), memoryBytes: 2 << 20 }, new Uint8Array(3640))
    for (let page = 0; page < 15; page++) await writer.pages({ gpa: page << 16, data: new Uint8Array(1 << 16).fill(page + 1) })
    await writer.pages({ gpa: 15 << 16, data: new Uint8Array(15 << 12).fill(9) })
    const counts = await writer.end()
    const file = concatBytes(...written)
    ends.add(file.length - DIGEST_BLOCK_BYTES)
    let at = 0
    const { pages } = openSnapshot((n) => (at + n > file.length ? undefined : file.subarray(at, (at += n))))
    const all = pages()
    let next = all.next()
    while (next.done !== true) next = all.next()
    assert.deepEqual(next.value, counts)
  }
  for (let end = -50; end < 50; end++) assert.ok(ends.has(end), `a file that ends ${end} bytes behind a block`)
})
