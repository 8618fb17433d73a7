import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { test } from 'node:test'
import { PNG } from 'pngjs'
import { countLooks, lookOf, mapMemory, PAGE_BYTES } from './classify.js'
import { hexDump } from './hex.js'
import { memoryPng, memoryText } from './picture.js'

/** Reproducible bytes that look random: AES-CTR of zeros. */
function stream(length: number, name: string): Uint8Array {
  const key = createHash('sha256').update(name).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}

test('ciphertext looks random, text and tables do not', () => {
  const random = stream(200 * PAGE_BYTES, 'looks')
  for (let page = 0; page < 200; page++) assert.equal(lookOf(random.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)), 'random')
  assert.equal(lookOf(new Uint8Array(PAGE_BYTES)), 'zero')
  assert.equal(lookOf(Buffer.alloc(PAGE_BYTES, 'the quick brown fox jumps over the lazy dog 0123456789 ')), 'readable')
  const halfFull = stream(PAGE_BYTES, 'half').fill(0, 0, PAGE_BYTES / 2)
  assert.equal(lookOf(halfFull), 'readable')
  const one = new Uint8Array(PAGE_BYTES)
  one[4095] = 1
  assert.equal(lookOf(one), 'readable')
})

test('a map of memory has a look for each page, and pictures of the right size', async () => {
  const memory = new Uint8Array(2 * 1024 * PAGE_BYTES)
  memory.set(stream(512 * PAGE_BYTES, 'map'), 0)
  memory.fill(7, 1024 * PAGE_BYTES, 1025 * PAGE_BYTES)
  const map = mapMemory((address, length) => memory.subarray(address, address + length), 0, memory.length)
  assert.deepEqual(countLooks(map), { random: 512, readable: 1, zero: 2048 - 513 })
  const png = PNG.sync.read(Buffer.from(await memoryPng(map)))
  assert.deepEqual([png.width, png.height], [1024, 8])
  assert.notDeepEqual(png.data.subarray(0, 3), png.data.subarray(4 * 1024 * 2, 4 * 1024 * 2 + 3))
  assert.equal(memoryText(map, 16, 4, false), `|${'#'.repeat(16)}|\n|${' '.repeat(16)}|\n|o${' '.repeat(15)}|\n|${' '.repeat(16)}|`)
})

test('hex dump', () => {
  const bytes = Buffer.concat([Buffer.from('hello, world\n\x00\xff~', 'latin1'), Buffer.alloc(48), Buffer.from('end')])
  assert.equal(
    hexDump(bytes, 0x1000),
    [
      '000001000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 00 ff 7e  |hello, world...~|',
      '000001010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|',
      '*',
      '000001040  65 6e 64                                          |end|',
    ].join('\n'),
  )
})
