import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImageError } from '../image-error.js'
import { elfSymbols } from './elf-symbols.js'
import { kallsyms } from './kallsyms.js'
import { SymbolTable, type Symbol } from './symbol-table.js'
import { parseSystemMap } from './system-map.js'

const base = 0xffffffff81000000n

/** Tables as scripts/kallsyms.c of Linux 6.1 (offsets first) or 6.6 (offsets last) writes them, after `head` bytes of something else. */
function vmlinux(
  symbols: readonly { readonly type: string; readonly name: string; readonly offset: number }[],
  order: '6.1' | '6.6',
): Uint8Array {
  const pair = 'do'
  // Characters stand for themselves; one token stands for two of them.
  const tokens = Array.from({ length: 256 }, (_, i) => (i >= 0x20 && i < 0x7f ? String.fromCharCode(i) : i === 1 ? pair : ''))
  const names: number[] = []
  const markers: number[] = []
  symbols.forEach(({ type, name }, i) => {
    if (i % 256 === 0) markers.push(names.length)
    const text = [...(type + name).replaceAll(pair, '\x01')].map((character) => character.charCodeAt(0))
    names.push(...(text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7]), ...text)
  })
  const starts: number[] = []
  const strings: number[] = []
  for (const token of tokens) {
    starts.push(strings.length)
    strings.push(...Buffer.from(token, 'latin1'), 0)
  }
  const out: number[] = Array.from({ length: 0x40 }, (_, i) => (i * 7 + 1) & 0xff)
  const align = (): void => void out.push(...new Array<number>((8 - (out.length % 8)) % 8).fill(0))
  const put = (bytes: ArrayBufferView): void => {
    align()
    out.push(...Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }
  // Beyond the base, and negative: base - 1 - value.
  const offsets = (): void => {
    put(Int32Array.from(symbols, ({ offset }) => -1 - offset))
    put(BigUint64Array.of(base))
  }
  if (order === '6.1') offsets()
  put(Uint32Array.of(symbols.length))
  put(Uint8Array.from(names))
  put(Uint32Array.from(markers))
  put(Uint8Array.from(strings))
  put(Uint16Array.from(starts))
  if (order === '6.6') offsets()
  align()
  return Uint8Array.from(out)
}

const many = Array.from({ length: 700 }, (_, i) => ({
  type: i % 5 === 4 ? 'd' : 'T',
  name: i === 300 ? `do_${'x'.repeat(200)}` : `do_something_${i}`,
  offset: i * 64,
}))

for (const order of ['6.1', '6.6'] as const) {
  test(`a kernel's own list of symbols, as Linux ${order} lays it out`, () => {
    const symbols = kallsyms(vmlinux(many, order))
    assert.equal(symbols.length, 560)
    assert.deepEqual(symbols[0], { name: 'do_something_0', address: base })
    assert.deepEqual(symbols.at(-1), { name: 'do_something_698', address: base + 698n * 64n })
    assert.equal(new SymbolTable(symbols).find(base + 300n * 64n + 5n)?.name, many[300]!.name)
  })
}

test('bytes without such a list, or with half of one, are refused', () => {
  const whole = vmlinux(many, '6.6')
  assert.throws(() => kallsyms(new Uint8Array(1000)), ImageError)
  for (const part of [0.2, 0.5, 0.7, 0.8]) assert.throws(() => kallsyms(whole.subarray(0, whole.length * part)), ImageError)
  // One marker that is not where its name begins.
  const wrong = whole.slice()
  const at = Buffer.from(wrong).indexOf(Buffer.from('do_something_256'.replace('do', '\x01')))
  wrong[at - 2] = 3
  assert.throws(() => kallsyms(wrong), ImageError)
})

test('System.map and kallsyms of a running kernel', () => {
  const text = 'ffffffff81000000 T _text\nffffffff81000040 t helper\nffffffff82000000 D data\nffffffffc0001000 t init\t[virtio]\n'
  assert.deepEqual(
    parseSystemMap(text).map(({ name }) => name),
    ['_text', 'helper', 'init [virtio]'],
  )
  assert.throws(() => parseSystemMap('no symbols here'), /no System.map/)
  assert.throws(() => parseSystemMap('0000000000000000 T a\n0000000000000000 T b\n'), /without root/)
})

test('an address lies in the symbol before it', () => {
  const list: Symbol[] = [
    { name: 'b', address: 0x2000n },
    { name: 'a', address: 0x1000n },
    { name: 'alias', address: 0x1000n },
  ]
  const table = new SymbolTable(list, 0x100)
  assert.deepEqual(table.find(0x1fffn), { name: 'a', offset: 0xfff })
  assert.deepEqual(table.find(0x2000n), { name: 'b', offset: 0 })
  assert.equal(table.find(0xfffn), undefined)
  assert.equal(table.find(0x2100n), undefined)
  assert.equal(table.addressOf('b'), 0x2000n)
})

/** A 64-bit ELF file of three sections: none, symbols, strings. */
function elf(stringsAt: number): Uint8Array {
  const bytes = new Uint8Array(0x200)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1])
  view.setUint32(40, 0x40, true)
  view.setUint16(60, 3, true)
  const section = (i: number, type: number, offset: number, size: number, link: number): void => {
    const at = 0x40 + i * 64
    view.setUint32(at + 4, type, true)
    view.setUint32(at + 24, offset, true)
    view.setUint32(at + 32, size, true)
    view.setUint32(at + 40, link, true)
  }
  section(1, 2, 0x140, 48, 2)
  section(2, 3, stringsAt, 16, 0)
  bytes.set(Buffer.from('\0main\0data\0'), 0x180)
  const symbol = (i: number, name: number, type: number, value: number): void => {
    const at = 0x140 + i * 24
    view.setUint32(at, name, true)
    view.setUint8(at + 4, type)
    view.setUint16(at + 6, 1, true)
    view.setUint32(at + 8, value, true)
  }
  symbol(0, 1, 0x12, 0x401000)
  symbol(1, 6, 0x11, 0x402000)
  return bytes
}

test('functions of an ELF file', () => {
  assert.deepEqual(elfSymbols(elf(0x180)), [{ name: 'main', address: 0x401000n }])
  assert.throws(() => elfSymbols(elf(0x1f8)), ImageError)
  assert.throws(() => elfSymbols(elf(0x180).subarray(0, 0x100)), ImageError)
  assert.throws(() => elfSymbols(new Uint8Array(100)), ImageError)
})
