/**
 * A guest that writes nonsense to every device: random accesses, random time steps, random RAM. Nothing throws, timers that are due
 * fire, the saved state does not grow, and a board restored from a save answers as the first.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StateError, type Saved } from '../devices/state.js'
import { boardUnderTest, type BoardUnderTest } from './board-under-test.js'
import type { BlockBackend, MmioSize, PortSize } from './index.js'

type Step =
  | { readonly kind: 'in' | 'out'; readonly port: number; readonly size: PortSize; readonly value: number }
  | { readonly kind: 'load' | 'store'; readonly gpa: number; readonly size: MmioSize; readonly value: number; readonly vcpu: number }
  | { readonly kind: 'rdmsr' | 'wrmsr'; readonly msr: number; readonly value: number; readonly vcpu: number }
  | { readonly kind: 'time'; readonly ns: number }
  | { readonly kind: 'ram'; readonly at: number; readonly value: number }
  | { readonly kind: 'take'; readonly vcpu: number }
  | { readonly kind: 'type'; readonly count: number }

const ports = fc.oneof(
  fc.integer({ min: 0, max: 0xffff }),
  fc.constantFrom(
    ...[0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xb2, 0xf4, 0x402],
    ...[0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x510, 0x511, 0x514, 0x518],
    ...[0x600, 0x602, 0x604, 0x608, 0x620, 0x628, 0xcf8, 0xcf9, 0xcfc, 0xcfe],
  ),
)

/** The places where something stands, with a bias to registers that do something. */
const apicRegisters = [
  0x20, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x200, 0x280, 0x300, 0x310, 0x320, 0x350, 0x370, 0x380, 0x390, 0x3e0,
]
const gpas = fc.oneof(
  fc.constantFrom(...apicRegisters.map((offset) => 0xfee0_0000 + offset)),
  fc.constantFrom(0xfec0_0000, 0xfec0_0010, 0xfec0_0040),
  fc
    .tuple(
      fc.constantFrom(0xe000_0000, 0xe000_8000, 0xe001_0000, 0xe001_8000, 0xc000_0000, 0xc000_4000, 0xc000_8000, 0xc000_c000, 0xfff0_0000),
      fc.constantFrom(0, 0x1000, 0x2000, 0x3000),
      fc.integer({ min: 0, max: 0x3f }),
      fc.boolean(),
    )
    .map(([base, region, offset, aligned]) => base + region + (aligned ? offset & ~3 : offset)),
)

const values = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 2, 3, 11, 15, 0xff, 0x1ff, 0x100, 0xffff, 0xffff_ffff),
  fc.constantFrom(0xfee0_0000, 0xfee0_0800, 0xfee0_0c00, 0x2_0040, 0x4_0041, 0x8051, 0x0052, 0x0700),
  // Interrupt commands and redirection entries: any vector, mode and shorthand; I/O APIC register numbers.
  fc.integer({ min: 0, max: 0xf_ffff }),
  fc.integer({ min: 0x10, max: 0x3f }),
)
const vcpu = fc.integer({ min: 0, max: 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('in' as const, 'out' as const),
    port: ports,
    size: fc.constantFrom(1 as const, 2 as const, 4 as const),
    value: values,
  }),
  fc.record({
    kind: fc.constantFrom('load' as const, 'store' as const),
    gpa: gpas,
    size: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    value: values,
    vcpu,
  }),
  fc.record({
    kind: fc.constantFrom('rdmsr' as const, 'wrmsr' as const),
    msr: fc.oneof(fc.constantFrom(0x1b, 0x6e0, 0x830, 0x832, 0x838), fc.integer({ min: 0x800, max: 0x8ff })),
    value: values,
    vcpu,
  }),
  fc.record({
    kind: fc.constant('time' as const),
    ns: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 2 ** 47 })),
  }),
  fc.record({ kind: fc.constant('ram' as const), at: fc.integer({ min: 0, max: 0xffc }), value: values }),
  fc.record({ kind: fc.constant('take' as const), vcpu }),
  fc.record({ kind: fc.constant('type' as const), count: fc.integer({ min: 0, max: 5000 }) }),
)

const disk: BlockBackend = {
  sectors: 64,
  readOnly: false,
  id: 'fuzz',
  read: (_, count) => new Uint8Array(count * 512),
  write: () => true,
  flush: () => true,
}

function newBoard(): BoardUnderTest {
  return boardUnderTest({
    debugOutput: () => undefined,
    fwCfgFiles: new Map([['etc/fuzz', new Uint8Array(1000)]]),
    virtio: { entropy: { fill: (target) => void target.fill(1) }, console: { output: () => undefined }, blocks: [disk] },
  })
}

/** As an operating system leaves it: interrupt controllers open, timers and UART running. */
function bootedBoard(): BoardUnderTest {
  const board = newBoard()
  const { pc } = board
  for (const vcpu of [0, 1]) {
    pc.mmio.write(0xfee0_00f0, 4, 0x1ff, 0, vcpu)
    pc.mmio.write(0xfee0_00d0, 4, 0x0100_0000 << vcpu, 0, vcpu)
    pc.mmio.write(0xfee0_0320, 4, 0x2_0040, 0, vcpu)
    pc.mmio.write(0xfee0_0380, 4, 12_345, 0, vcpu)
  }
  for (let pin = 0; pin < 24; pin++) {
    for (const [select, value] of [
      [0x11 + 2 * pin, (pin & 1) << 24],
      [0x10 + 2 * pin, 0x50 + pin + (pin % 3 === 0 ? 0x100 : 0) + (pin === 9 || pin > 15 ? 0x8000 : 0)],
    ]) {
      pc.mmio.write(0xfec0_0000, 4, select, 0, 0)
      pc.mmio.write(0xfec0_0010, 4, value, 0, 0)
    }
  }
  for (const [port, value] of [
    ...[
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0],
      [0xa0, 0x11],
      [0xa1, 0x28],
      [0xa1, 2],
      [0xa1, 1],
      [0xa1, 0],
    ],
    ...[
      [0x43, 0x34],
      [0x40, 0],
      [0x40, 16],
      [0x70, 11],
      [0x71, 0x72],
      [0x3fa, 1],
      [0x3fc, 11],
      [0x3f9, 15],
      [0x64, 0x60],
      [0x60, 3],
      [0xb2, 2],
    ],
  ]) {
    pc.ports.write(port, 1, value)
  }
  return board
}

/** What the step lets the guest see. */
function perform(board: BoardUnderTest, action: Step): unknown {
  const { pc } = board
  switch (action.kind) {
    case 'in':
      return pc.ports.read(action.port, action.size)
    case 'out':
      return pc.ports.write(action.port, action.size, action.value)
    case 'load':
      return pc.mmio.read(action.gpa, action.size, action.vcpu)
    case 'store':
      return pc.mmio.write(action.gpa, action.size, action.value, action.value, action.vcpu)
    case 'rdmsr':
      return pc.apics[action.vcpu].readMsr(action.msr)
    case 'wrmsr':
      return pc.apics[action.vcpu].writeMsr(action.msr, action.value, action.msr === 0x1b ? 0 : action.value & 1)
    case 'time':
      board.setTimeNs(board.timeNs() + action.ns)
      return undefined
    case 'ram':
      new DataView(board.ram.buffer).setUint32(action.at, action.value, true)
      return undefined
    case 'take':
      return [
        pc.apics[action.vcpu].acknowledge(),
        pc.apics[action.vcpu].takeNmi(),
        pc.apics[action.vcpu].takeInit(),
        pc.apics[action.vcpu].takeSipi(),
      ]
    case 'type':
      return [pc.serial.input(new Uint8Array(action.count)), pc.virtioConsole?.input(new Uint8Array(action.count))]
  }
}

function stateBytes(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (typeof value === 'object' && value !== null) return Object.values(value).reduce((sum: number, item) => sum + stateBytes(item), 0)
  return 8
}

function isValue(value: unknown, size: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size)
}

test('nothing a guest does throws, and every answer is a value of its size', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 300, size: 'max' }), (booted, steps) => {
      const board = booted ? bootedBoard() : newBoard()
      const before = stateBytes(board.pc.save())
      for (const action of steps) {
        const result = perform(board, action)
        if (action.kind === 'in') assert.ok(isValue(result, action.size), `port ${action.port} gave ${String(result)}`)
        if (action.kind === 'load') {
          const { lo, hi } = result as { lo: number; hi: number }
          assert.ok(isValue(lo, Math.min(4, action.size)) && isValue(hi, 4), `${action.gpa.toString(16)} gave ${lo} ${hi}`)
        }
        board.pc.advance()
        assert.ok(board.pc.nextDeadlineNs() > board.timeNs(), 'what is due has fired')
        for (const apic of board.pc.apics) assert.ok(apic.pendingVector() >= -1 && apic.pendingVector() <= 255)
      }
      // The saved timers are a record of those that run: a few numbers.
      assert.ok(stateBytes(board.pc.save()) <= before + 200)
    }),
    { numRuns: 300 },
  )
})

test('a board restored from a save goes on as the first', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), fc.array(step, { maxLength: 60, size: 'max' }), (first, then) => {
      const one = bootedBoard()
      for (const action of first) perform(one, action)
      const two = newBoard()
      two.setTimeNs(one.timeNs())
      two.ram.set(one.ram)
      two.pc.restore(structuredClone(one.pc.save()))
      for (const action of then) assert.deepEqual(perform(two, action), perform(one, action))
      assert.deepEqual(two.pc.save(), one.pc.save())
    }),
    { numRuns: 150 },
  )
})

/** Numbers that no device ever saves. */
const strange = fc.constantFrom(-1, 0.5, -0.5, 1e300, -1e300, 2 ** 32, 2 ** 53, -(2 ** 31), 1e-300, 7, 64, 255, 4096, 0xffff_ffff)

/** Puts `value` at the `n`th place for a number or truth value in a state, counted through arrays as well. */
function disturb(state: unknown, place: { n: number }, value: number): unknown {
  if (typeof state === 'number') return place.n-- === 0 ? value : state
  if (typeof state === 'boolean') return place.n-- === 0 ? !state : state
  if (ArrayBuffer.isView(state)) {
    const array = state as Uint8Array
    if (place.n >= 0 && place.n < Math.min(array.length, 8)) array[place.n] = value
    place.n -= Math.min(array.length, 8)
  } else if (Array.isArray(state)) return state.map((item: unknown) => disturb(item, place, value))
  else if (typeof state === 'object' && state !== null)
    return Object.fromEntries(Object.entries(state).map(([key, item]) => [key, disturb(item, place, value)]))
  return state
}

test('a board survives any saved state: it is refused, or the board goes on', () => {
  let taken = 0
  const disturbances = fc.array(fc.tuple(fc.integer({ min: 0, max: 600 }), strange), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40, size: 'max' }),
      disturbances,
      fc.array(step, { maxLength: 80, size: 'max' }),
      (first, changes, then) => {
        const one = bootedBoard()
        for (const action of first) perform(one, action)
        let saved: unknown = structuredClone(one.pc.save())
        for (const [n, value] of changes) saved = disturb(saved, { n }, value)
        const two = newBoard()
        two.setTimeNs(one.timeNs())
        two.ram.set(one.ram)
        try {
          two.pc.restore(saved as Saved)
        } catch (error) {
          if (!(error instanceof StateError)) throw error
          return
        }
        taken++
        for (const action of then) {
          perform(two, action)
          two.pc.advance()
          assert.ok(two.pc.nextDeadlineNs() > two.timeNs(), 'what is due has fired')
          for (const apic of two.pc.apics) assert.ok(apic.pendingVector() >= -1 && apic.pendingVector() <= 255)
        }
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 400) },
  )
  assert.ok(taken > 20, `only ${taken} were taken`)
})

const descriptor = fc.record({
  gpa: fc.oneof(fc.integer({ min: 0, max: 0x10_1000 }), fc.constantFrom(0, 0x400, 0x2000)),
  high: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, 0xffff_ffff),
  length: fc.oneof(fc.integer({ min: 0, max: 0x2000 }), fc.constantFrom(0, 1, 16, 32, 512, 513, 0xffff_ffff)),
  flags: fc.constantFrom(0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 0xffff),
  next: fc.integer({ min: 0, max: 20 }),
})

test('a virtio driver gone mad: live queues over random rings', () => {
  let answered = 0
  let broken = 0
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 }),
      fc.array(descriptor, { minLength: 20, maxLength: 20 }),
      fc.array(fc.integer({ min: 0, max: 17 }), { minLength: 16, maxLength: 16 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), values), { maxLength: 20, size: 'max' }),
      (slot, descriptors, heads, rest) => {
        const board = newBoard()
        const at = 0xc000_0000 + slot * 0x8000
        const set = (offset: number, size: MmioSize, value: number): void => board.pc.mmio.write(at + offset, size, value, 0, 0)
        const view = new DataView(board.ram.buffer)
        descriptors.forEach(({ gpa, high, length, flags, next }, i) => {
          view.setUint32(16 * i, gpa, true)
          view.setUint32(16 * i + 4, high, true)
          view.setUint32(16 * i + 8, length, true)
          view.setUint16(16 * i + 12, flags, true)
          view.setUint16(16 * i + 14, next, true)
        })
        heads.forEach((head, i) => view.setUint16(0x804 + 2 * i, head, true))
        const setup = [
          ...[
            [0x14, 1, 3],
            [8, 4, 1],
            [0xc, 4, 1],
            [0x14, 1, 11],
            [0x16, 2, slot & 1],
            [0x18, 2, 16],
          ],
          ...[
            [0x20, 8, 0],
            [0x28, 8, 0x800],
            [0x30, 8, 0xa00],
            [0x1c, 2, 1],
            [0x14, 1, 15],
          ],
        ] as [number, MmioSize, number][]
        for (const [offset, size, value] of setup) set(offset, size, value)
        board.pc.virtioConsole?.input(new Uint8Array(100))
        for (const [more, value] of rest) {
          view.setUint16(0x802, view.getUint16(0x802, true) + more, true)
          set(0x3000 + 4 * (slot & 1), 2, 0)
          view.setUint32(0x2000 + (value & 0xff), value, true)
        }
        answered += view.getUint16(0xa02, true) > 0 ? 1 : 0
        broken += board.pc.mmio.read(at + 0x14, 1, 0).lo & 0x40 ? 1 : 0
      },
    ),
    { numRuns: 500 },
  )
  assert.ok(answered > 50 && broken > 50, `the cases are no use: ${answered} answered, ${broken} broken`)
})
