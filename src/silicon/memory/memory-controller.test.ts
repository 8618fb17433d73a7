import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { ascii, indexOfBytes, toHex } from '../../lib/bytes.js'
import { aes128Pure, hmacSha256 } from '../../lib/crypto.js'
import type { Entropy } from '../doors/board.js'
import {
  DRAM_BASE,
  FABRIC_BASE,
  FABRIC_CHANGED,
  FABRIC_CHANGED_COUNT,
  FABRIC_CHANGED_MAX,
  FABRIC_EPOCH,
  FRAME_BYTES,
  WATCH_BASE,
} from '../fabric-layout.js'
import { FRAME_EPOCH_MASK, KEY_SLOTS } from './engine-layout.js'
import { createLinearMemory } from './linear-memory.js'
import { MemoryController } from './memory-controller.js'

const kernelFile = new URL('../../../build/kernel/memory.wasm', import.meta.url)
const options = { skip: existsSync(kernelFile) ? false : 'build/kernel/memory.wasm is missing: npm run build:kernel' }
const kernel = existsSync(kernelFile) ? readFileSync(kernelFile) : new Uint8Array()

const fixedEntropy: Entropy = { fill: (target) => target.fill(0x5a) }

/** Stands for a list that has overflowed. */
const EVERY_FRAME = -1

function machine({ frames = 1024, aes = 'platform' as 'platform' | 'pure' } = {}) {
  const linear = createLinearMemory(frames * FRAME_BYTES)
  const controller = new MemoryController({ kernel, linear, entropy: fixedEntropy, aes })
  const words = new Uint32Array(linear.memory.buffer, FABRIC_BASE, 0x500)
  return {
    controller,
    memory: new Uint8Array(linear.memory.buffer),
    frame: (frame: number, key: number) => controller.kernelImports().frame(frame, key) >>> 0,
    epoch: () => words[FABRIC_EPOCH / 4]!,
    setEpoch: (epoch: number) => void (words[FABRIC_EPOCH / 4] = epoch),
    watch: (frame: number) => void (new Uint8Array(linear.memory.buffer)[WATCH_BASE + frame] = 1),
    drainChanged: (): number[] => {
      const n = words[FABRIC_CHANGED_COUNT / 4]!
      words[FABRIC_CHANGED_COUNT / 4] = 0
      return n > FABRIC_CHANGED_MAX ? [EVERY_FRAME] : [...words.subarray(FABRIC_CHANGED / 4, FABRIC_CHANGED / 4 + n)]
    },
    dump: (spa: number, length: number) => controller.read(spa, length),
    alter: (spa: number, bytes: Uint8Array) => controller.write(spa, bytes),
  }
}

const testKey = (n: number) => new Uint8Array(16).fill(n * 17 + 1)

// An independent description of the engine: K2 · (block number) in GF(2^128) with plain integers.
const POLYNOMIAL = (1n << 128n) | 0x87n

function tweak(key: Uint8Array, spa: number): Uint8Array {
  const k2 = hmacSha256(key, ascii('cbit memory tweak')).slice(0, 16)
  let [a, product] = [BigInt('0x' + toHex(k2.reverse())), 0n]
  for (let b = BigInt(spa) / 16n; b > 0n; b >>= 1n) {
    if (b & 1n) product ^= a
    a <<= 1n
    if (a >> 128n) a ^= POLYNOMIAL
  }
  return Uint8Array.from({ length: 16 }, (_, i) => Number((product >> BigInt(8 * i)) & 0xffn))
}

function cryptBlock(key: Uint8Array, spa: number, block: Uint8Array, direction: 'encrypt' | 'decrypt'): Uint8Array {
  const t = tweak(key, spa)
  const inner = aes128Pure(key)[direction](block.map((byte, i) => byte ^ t[i]!))
  return inner.map((byte, i) => byte ^ t[i]!)
}

/** DRAM with an engine and no cache: what every observer must see. */
class Model {
  readonly dram: Uint8Array
  readonly keys = new Map<number, Uint8Array>()
  constructor(bytes: number) {
    this.dram = new Uint8Array(bytes)
  }
  read(spa: number, length: number, key: number): Uint8Array {
    if (key === 0) return this.dram.slice(spa, spa + length)
    const first = spa - (spa % 16)
    const view = new Uint8Array(Math.ceil((spa + length - first) / 16) * 16)
    for (let at = 0; at < view.length; at += 16) {
      view.set(cryptBlock(this.keys.get(key)!, first + at, this.dram.slice(first + at, first + at + 16), 'decrypt'), at)
    }
    return view.slice(spa - first, spa - first + length)
  }
  write(spa: number, bytes: Uint8Array, key: number): void {
    if (key === 0) return this.dram.set(bytes, spa)
    const first = spa - (spa % 16)
    const view = this.read(first, Math.ceil((spa + bytes.length - first) / 16) * 16, key)
    view.set(bytes, spa - first)
    for (let at = 0; at < view.length; at += 16) {
      this.dram.set(cryptBlock(this.keys.get(key)!, first + at, view.slice(at, at + 16), 'encrypt'), first + at)
    }
  }
}

test('encryption follows the documented formula', options, () => {
  const m = machine()
  const model = new Model(8 * FRAME_BYTES)
  m.controller.installKey(3, testKey(3))
  model.keys.set(3, testKey(3))
  const text = Uint8Array.from({ length: FRAME_BYTES + 100 }, (_, i) => i * 7)
  m.controller.write(FRAME_BYTES * 5 - 50, text, 3)
  model.write(FRAME_BYTES * 5 - 50, text, 3)
  assert.deepEqual(
    m.dump(FRAME_BYTES * 5 - 64, text.length + 12),
    model.dram.slice(FRAME_BYTES * 5 - 64, FRAME_BYTES * 5 - 64 + text.length + 12),
  )
  assert.deepEqual(m.controller.read(FRAME_BYTES * 5 - 50, text.length, 3), text)
})

test('the same plaintext at two addresses and under two keys differs', options, () => {
  const m = machine()
  const text = new Uint8Array(64).fill(0x11)
  m.controller.installKey(1, testKey(1))
  m.controller.installKey(2, testKey(2))
  m.controller.write(0x1000, text, 1)
  m.controller.write(0x2000, text, 1)
  m.controller.write(0x3000, text, 2)
  const blocks = new Set<string>()
  for (const spa of [0x1000, 0x2000, 0x3000]) for (let at = 0; at < 64; at += 16) blocks.add(toHex(m.dump(spa + at, 16)))
  assert.equal(blocks.size, 12)
})

test('a slot without a key encrypts under a key of its own, never as plaintext', options, () => {
  const m = machine()
  const text = new Uint8Array(16).fill(0x22)
  m.controller.write(0x1000, text, 77)
  assert.notDeepEqual(m.dump(0x1000, 16), text)
  assert.deepEqual(m.controller.read(0x1000, 16, 77), text)
  m.controller.installKey(77, testKey(1))
  assert.notDeepEqual(m.controller.read(0x1000, 16, 77), text)
  m.controller.removeKey(77)
  assert.deepEqual(m.controller.read(0x1000, 16, 77), text)
})

test('tampering garbles exactly the 16-byte block it hits', options, () => {
  const m = machine()
  const text = Uint8Array.from({ length: FRAME_BYTES }, (_, i) => i)
  m.controller.installKey(1, testKey(1))
  m.controller.write(0x4000, text, 1)
  for (const how of ['board', 'host'] as const) {
    const before = m.controller.read(0x4000, FRAME_BYTES, 1)
    const flipped = m.dump(0x4000 + 333, 1).map((byte) => byte ^ 0x40)
    if (how === 'board') m.alter(0x4000 + 333, flipped)
    else m.controller.write(0x4000 + 333, flipped)
    const after = m.controller.read(0x4000, FRAME_BYTES, 1)
    const wrong = [...after.keys()].filter((i) => after[i] !== before[i])
    assert.ok(wrong.length >= 8, 'a garbled block differs in about all of its bytes')
    assert.ok(wrong.every((i) => i >> 4 === 333 >> 4))
  }
})

test('the pure engine gives the same DRAM as the platform', options, () => {
  const [fast, pure] = [machine({ aes: 'platform' }), machine({ aes: 'pure' })]
  for (const m of [fast, pure]) {
    m.controller.installKey(5, testKey(5))
    for (let i = 0; i < 40; i++) m.controller.write(i * 5000 + 3, ascii(`record ${i}`), i % 2 ? 5 : 9)
  }
  assert.deepEqual(fast.dump(0, 50 * FRAME_BYTES), pure.dump(0, 50 * FRAME_BYTES))
})

test('ranges outside DRAM are refused', options, () => {
  const m = machine({ frames: 16 })
  for (const [spa, length] of [
    [16 * FRAME_BYTES, 1],
    [16 * FRAME_BYTES - 1, 2],
    [-1, 1],
    [0.5, 1],
    [NaN, 1],
    [0x1_0000_0000, 1],
    [2 ** 52, 2 ** 52],
  ] as const) {
    assert.throws(() => m.controller.read(spa, length), RangeError)
    assert.throws(() => m.controller.write(spa, new Uint8Array(Math.min(length, 4))), RangeError)
  }
  assert.equal(m.frame(16, 0), 0)
  assert.equal(m.frame(0xffffffff, 1), 0)
  assert.equal(m.frame(1, KEY_SLOTS), 0)
  assert.throws(() => createLinearMemory(FRAME_BYTES + 1), RangeError)
  assert.throws(() => createLinearMemory(0), RangeError)
})

test('the epoch counts up when a pointer handed out in it becomes wrong, and only then', options, () => {
  const m = machine()
  const step = (act: () => void): number => {
    const before = m.epoch()
    act()
    return m.epoch() - before
  }
  assert.equal(
    step(() => m.frame(1, 0)),
    0,
  )
  assert.equal(
    step(() => m.frame(1, 1)),
    1,
    'the pointer to raw DRAM is wrong',
  )
  assert.equal(
    step(() => m.frame(1, 1)),
    0,
  )
  assert.equal(
    step(() => m.controller.read(FRAME_BYTES, 1, 0)),
    0,
    'who reads moves nothing',
  )
  assert.equal(
    step(() => m.frame(1, 0)),
    1,
    'the pointer to plaintext is wrong',
  )
  assert.equal(
    step(() => m.frame(2, 1)),
    0,
    'nobody held frame 2',
  )
  assert.equal(
    step(() => m.dump(0, 16 * FRAME_BYTES)),
    0,
  )
  assert.equal(
    step(() => m.alter(2 * FRAME_BYTES, ascii('x'))),
    1,
  )
  assert.equal(
    step(() => m.alter(2 * FRAME_BYTES, ascii('x'))),
    0,
  )
  m.frame(3, 1)
  assert.equal(
    step(() => m.controller.removeKey(1)),
    1,
  )
})

test('work is done only where a frame is used otherwise than before', options, () => {
  const m = machine()
  const work = (act: () => void): [number, number] => {
    const before = m.controller.counters()
    act()
    const { decrypted, encrypted } = m.controller.counters()
    return [decrypted - before.decrypted, encrypted - before.encrypted]
  }
  const whole = new Uint8Array(4 * FRAME_BYTES)
  assert.deepEqual(
    work(() => m.controller.write(0, whole, 1)),
    [0, 0],
    'what is overwritten is not decrypted',
  )
  assert.deepEqual(
    work(() => m.controller.write(0, whole, 2)),
    [0, 0],
    'nor encrypted',
  )
  assert.deepEqual(
    work(() => m.controller.read(0, whole.length, 2)),
    [0, 0],
  )
  for (const time of [1, 2]) {
    assert.deepEqual(
      work(() => m.controller.read(0, whole.length)),
      [0, 4],
      `seen from outside for time ${time}`,
    )
  }
  assert.deepEqual(
    work(() => void m.frame(1, 2)),
    [0, 0],
  )
  assert.deepEqual(
    work(() => void m.frame(1, 1)),
    [1, 1],
  )
  assert.deepEqual(
    work(() => m.controller.removeKey(2)),
    [0, 3],
  )
  assert.deepEqual(
    work(() => void m.frame(0, 0)),
    [0, 0],
  )
})

test('a frame that was handed out is never taken for one that nobody has asked for', options, () => {
  const m = machine()
  // Frames keep so many bits of the epoch.
  m.setEpoch(FRAME_EPOCH_MASK)
  m.frame(1, 0)
  m.frame(1, 1)
  const text = new Uint8Array(FRAME_BYTES).fill(0x33)
  m.controller.write(2 * FRAME_BYTES, text)
  m.frame(2, 1)
  assert.deepEqual(m.controller.read(2 * FRAME_BYTES, FRAME_BYTES), text)
})

test('frames of the chip stand in clear, and no reader from outside sees that', options, () => {
  const m = machine({ frames: 64 })
  const text = Uint8Array.from({ length: 40 * FRAME_BYTES }, (_, i) => i % 251)
  m.controller.write(3 * FRAME_BYTES, text, 1)
  assert.deepEqual(m.memory.slice(DRAM_BASE + 3 * FRAME_BYTES, DRAM_BASE + 43 * FRAME_BYTES), text)
  const outside = m.dump(0, 64 * FRAME_BYTES)
  assert.equal(indexOfBytes(outside, text.subarray(0, 16)), -1)
  assert.deepEqual(m.controller.read(0, 64 * FRAME_BYTES), outside)
  assert.deepEqual(m.controller.read(3 * FRAME_BYTES, text.length, 1), text)
  m.controller.removeKey(1)
  assert.deepEqual(m.memory.slice(DRAM_BASE, DRAM_BASE + 64 * FRAME_BYTES), outside, 'what was seen is what stands there now')
})

test('a watched frame is reported when its content may change, and only then', options, () => {
  const m = machine()
  m.controller.installKey(1, testKey(1))
  m.frame(7, 1)
  m.drainChanged()
  m.watch(7)
  m.frame(7, 1)
  assert.deepEqual(m.drainChanged(), [])
  m.controller.write(7 * FRAME_BYTES + 9, ascii('x'))
  assert.ok(m.drainChanged().includes(7))
  m.frame(7, 1)
  assert.ok(m.drainChanged().includes(7), 'it is seen under another key again')
  m.alter(7 * FRAME_BYTES, ascii('y'))
  assert.ok(m.drainChanged().includes(7))
  m.dump(0, 16 * FRAME_BYTES)
  assert.deepEqual(m.drainChanged(), [])
  m.controller.write(8 * FRAME_BYTES, ascii('z'))
  assert.deepEqual(m.drainChanged(), [])
  m.controller.removeKey(1)
  assert.deepEqual(m.drainChanged(), [EVERY_FRAME])
  for (let i = 0; i <= FABRIC_CHANGED_MAX; i++) m.controller.write(7 * FRAME_BYTES, ascii('w'))
  assert.deepEqual(m.drainChanged(), [EVERY_FRAME])
})

const FRAMES = 400
const spa = fc.oneof(fc.nat({ max: FRAMES * FRAME_BYTES - 41 }), {
  weight: 4,
  arbitrary: fc.tuple(fc.constantFrom(0, 1, 350), fc.nat({ max: 200 })).map(([frame, at]) => frame * FRAME_BYTES + at),
})
const content = fc.uint8Array({ minLength: 1, maxLength: 40 })
const key = fc.integer({ min: 0, max: 3 })
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('write' as const), spa, content, key }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('read' as const), spa, length: fc.integer({ min: 1, max: 40 }), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('fill' as const),
      frame: fc.nat({ max: FRAMES - 4 }),
      frames: fc.integer({ min: 1, max: 3 }),
      key,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('look' as const),
      spa: fc.nat({ max: 100 * FRAME_BYTES }),
      frames: fc.integer({ min: 1, max: 40 }),
      key,
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('store' as const), spa, byte: fc.nat({ max: 255 }), key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('touch' as const), first: fc.nat({ max: FRAMES - 300 }), key }) },
  fc.record({ op: fc.constant('alter' as const), spa, content }),
  fc.record({ op: fc.constant('dump' as const), spa, length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ op: fc.constant('install' as const), key: fc.integer({ min: 1, max: 3 }), value: fc.integer({ min: 1, max: 14 }) }),
)

/** A core's store through a write pointer that it keeps until the epoch changes. */
function storeByte(
  m: ReturnType<typeof machine>,
  pointers: Map<string, { at: number; epoch: number }>,
  at: number,
  under: number,
  byte: number,
): void {
  const frame = Math.floor(at / FRAME_BYTES)
  const name = `${frame}/${under}`
  let pointer = pointers.get(name)
  if (!pointer || pointer.epoch !== m.epoch()) {
    pointer = { at: m.frame(frame, under), epoch: 0 }
    pointer.epoch = m.epoch()
    pointers.set(name, pointer)
  }
  m.memory[pointer.at + (at % FRAME_BYTES)] = byte
}

test('whatever is done to it, memory reads as DRAM behind an engine with no cache', { ...options, timeout: 120_000 }, () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 80, size: 'max' }), (operations) => {
      const m = machine({ frames: FRAMES })
      const model = new Model(FRAMES * FRAME_BYTES)
      const pointers = new Map<string, { at: number; epoch: number }>()
      const install = (slot: number, value: number) => {
        m.controller.installKey(slot, testKey(value))
        model.keys.set(slot, testKey(value))
      }
      for (const slot of [1, 2, 3]) install(slot, slot)
      for (const o of operations) {
        if (o.op === 'write') {
          m.controller.write(o.spa, o.content, o.key)
          model.write(o.spa, o.content, o.key)
        } else if (o.op === 'read') {
          assert.deepEqual(m.controller.read(o.spa, o.length, o.key), model.read(o.spa, o.length, o.key))
        } else if (o.op === 'fill') {
          const whole = Uint8Array.from({ length: o.frames * FRAME_BYTES }, (_, i) => i * 11 + o.frame)
          m.controller.write(o.frame * FRAME_BYTES, whole, o.key)
          model.write(o.frame * FRAME_BYTES, whole, o.key)
        } else if (o.op === 'look') {
          const length = o.frames * FRAME_BYTES - 1
          assert.deepEqual(Buffer.compare(m.controller.read(o.spa, length, o.key), model.read(o.spa, length, o.key)), 0)
        } else if (o.op === 'store') {
          storeByte(m, pointers, o.spa, o.key, o.byte)
          model.write(o.spa, Uint8Array.of(o.byte), o.key)
        } else if (o.op === 'touch') {
          for (let i = 0; i < 300; i++) m.frame(o.first + i, o.key)
        } else if (o.op === 'alter') {
          m.alter(o.spa, o.content)
          model.write(o.spa, o.content, 0)
        } else if (o.op === 'dump') {
          assert.deepEqual(m.dump(o.spa, o.length), model.read(o.spa, o.length, 0))
        } else {
          install(o.key, o.value)
        }
      }
      assert.deepEqual(Buffer.compare(m.dump(0, FRAMES * FRAME_BYTES), model.dram), 0)
    }),
    { numRuns: 60 },
  )
})
