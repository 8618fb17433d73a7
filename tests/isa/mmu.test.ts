// The soft MMU without nesting: every paging mode, every permission and error code, contexts and their invalidation.

import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { CR0, CR3, CR4, CTX, DR7, EPOCH_SEEN, PKRU, SPACE } from '../../src/silicon/core/state/layout.js'
import { FABRIC_BASE, FABRIC_CHANGED, FABRIC_CHANGED_COUNT, WATCH_BASE } from '../../src/silicon/fabric-layout.js'
import { Machine, S, Tables, type Mode } from './mmu-kernel.js'

const READ = 0
const WRITE = 1
const FETCH = 2
const IMPLICIT = 4
const PROBE = 8
const STACK = 16

const PG = 0x80000001
const WP = 0x10000
const PSE = 0x10
const PAE = 0x20
const LA57 = 0x1000
const PGE = 0x80
const PCIDE = 0x20000
const SMEP = 0x100000
const SMAP = 0x200000
const PKE = 0x400000
const LMA = 0x500
const NXE = 0x800
const NX = 1n << 63n

/** Long mode with a page of `flags` at 0x400000 -> 0x300000. */
async function longMode(flags = 7n, { cr0 = WP, cr4 = 0, efer = NXE } = {}): Promise<{ m: Machine; t: Tables; pte: number }> {
  const m = await Machine.make()
  const t = new Tables(m, 0x100000)
  const pte = t.map(0x400000n, 0x300000n | flags)
  m.paging(PG | cr0, 0x100000n, PAE | cr4, LMA | efer)
  return { m, t, pte }
}

test('without paging an address is physical, and 32 bits wide', async () => {
  const m = await Machine.make()
  equal(m.touch(0x123456n), 0x123456)
  equal(m.hit(0x123ff8n, 'read'), 0x123ff8)
  equal(m.hit(0x123ff8n, 'write'), undefined)
  equal(m.touch(0x1_0000_2000n), 0x2000)
  equal(m.touch(0xf0000000n), 'none')
})

test('a fill enters the table of its kind; what may be written may be read', async () => {
  const { m } = await longMode()
  equal(m.touch(0x400123n, FETCH), 0x300123)
  equal(m.hit(0x400000n, 'exec'), 0x300000)
  equal(m.hit(0x400000n, 'read'), undefined)
  equal(m.touch(0x400008n), 0x300008)
  equal(m.hit(0x400000n, 'write'), undefined)
  equal(m.touch(0x400008n, WRITE), 0x300008)
  equal(m.hit(0x400ff0n, 'write'), 0x300ff0)
})

test('a probe enters nothing', async () => {
  const { m } = await longMode()
  equal(m.touch(0x400008n, WRITE | PROBE), 0x300008)
  equal(m.hit(0x400000n, 'write'), undefined)
  equal(m.hit(0x400000n, 'read'), undefined)
})

test('accessed and dirty bits, and none in the leaf when refused', async () => {
  const { m, pte } = await longMode(5n)
  m.mode(1)
  equal(m.touch(0x400000n, WRITE), '#PF 7 400000')
  equal(m.peek(pte), 0x300005n)
  m.touch(0x400000n)
  equal(m.peek(pte), 0x300025n)
  equal(m.peek(0x100000) & 0x20n, 0x20n)
  m.mode(0)
  m.set64(CR0, BigInt(PG >>> 0))
  equal(m.touch(0x400000n, WRITE), 0x300000)
  equal(m.peek(pte), 0x300065n)
})

interface Case {
  readonly name: string
  readonly flags: bigint
  readonly mode: Mode
  readonly access: number
  readonly want: string | number
  readonly cr0?: number
  readonly cr4?: number
  readonly efer?: number
  readonly pkru?: number
  readonly upper?: bigint
}

const OK = 0x300010
const pf = (error: string): string => `#PF ${error} 400010`
const cases: readonly Case[] = [
  { name: 'not present, read', flags: 0n, mode: 0, access: READ, want: pf('0') },
  { name: 'not present, user write', flags: 0n, mode: 1, access: WRITE, want: pf('6') },
  { name: 'not present, fetch with NX on', flags: 0n, mode: 1, access: FETCH, want: pf('14') },
  { name: 'not present, fetch with NX off', flags: 0n, mode: 1, access: FETCH, efer: 0, want: pf('4') },
  { name: 'not present, fetch with NX off and SMEP', flags: 0n, mode: 0, access: FETCH, efer: 0, cr4: SMEP, want: pf('10') },
  { name: 'user on supervisor page', flags: 3n, mode: 1, access: READ, want: pf('5') },
  { name: 'user on page with supervisor table', flags: 7n, upper: 3n, mode: 1, access: READ, want: pf('5') },
  { name: 'implicit access in user mode', flags: 3n, mode: 1, access: READ | IMPLICIT, want: OK },
  { name: 'user write to read-only', flags: 5n, mode: 1, access: WRITE, want: pf('7') },
  { name: 'user write below read-only table', flags: 7n, upper: 5n, mode: 1, access: WRITE, want: pf('7') },
  { name: 'supervisor write to read-only with WP', flags: 1n, mode: 0, access: WRITE, want: pf('3') },
  { name: 'supervisor write to read-only without WP', flags: 1n, mode: 0, access: WRITE, cr0: 0, want: OK },
  { name: 'user write to read-only without WP', flags: 5n, mode: 1, access: WRITE, cr0: 0, want: pf('7') },
  { name: 'no-execute', flags: 7n | NX, mode: 1, access: FETCH, want: pf('15') },
  { name: 'no-execute in an upper table', flags: 7n, upper: 7n | NX, mode: 0, access: FETCH, want: pf('11') },
  { name: 'bit 63 reserved without NXE', flags: 7n | NX, mode: 0, access: READ, efer: 0, want: pf('9') },
  { name: 'address bit 48 reserved', flags: 7n | (1n << 48n), mode: 1, access: WRITE, want: pf('f') },
  { name: 'address bit 51 reserved without SEV', flags: 7n | (1n << 51n), mode: 0, access: READ, want: pf('9') },
  { name: 'bits 62:52 are software', flags: 7n | (0x7ffn << 52n), mode: 0, access: READ, want: OK },
  { name: 'SMEP: fetch from user page', flags: 7n, mode: 0, access: FETCH, cr4: SMEP, want: pf('11') },
  { name: 'no SMEP: fetch from user page', flags: 7n, mode: 0, access: FETCH, want: OK },
  { name: 'SMAP: read of user page', flags: 7n, mode: 0, access: READ, cr4: SMAP, want: pf('1') },
  { name: 'SMAP: write of user page', flags: 7n, mode: 0, access: WRITE, cr4: SMAP, want: pf('3') },
  { name: 'SMAP open by AC', flags: 7n, mode: 2, access: WRITE, cr4: SMAP, want: OK },
  { name: 'SMAP: implicit access in spite of AC', flags: 7n, mode: 2, access: READ | IMPLICIT, cr4: SMAP, want: pf('1') },
  { name: 'SMAP: implicit access of user code', flags: 7n, mode: 1, access: READ | IMPLICIT, cr4: SMAP, want: pf('1') },
  { name: 'SMAP does not stop fetches', flags: 7n, mode: 0, access: FETCH, cr4: SMAP, want: OK },
  { name: 'protection key forbids access', flags: 7n | (5n << 59n), mode: 1, access: READ, cr4: PKE, pkru: 1 << 10, want: pf('25') },
  { name: 'protection key forbids writing', flags: 7n | (5n << 59n), mode: 1, access: WRITE, cr4: PKE, pkru: 2 << 10, want: pf('27') },
  { name: 'protection key and read-only page', flags: 5n | (5n << 59n), mode: 1, access: WRITE, cr4: PKE, pkru: 1 << 10, want: pf('27') },
  { name: 'protection key allows reading', flags: 7n | (5n << 59n), mode: 1, access: READ, cr4: PKE, pkru: 2 << 10, want: OK },
  {
    name: 'protection key, supervisor write without WP',
    flags: 7n | (5n << 59n),
    mode: 0,
    access: WRITE,
    cr0: 0,
    cr4: PKE,
    pkru: 2 << 10,
    want: OK,
  },
  {
    name: 'protection key, supervisor write with WP',
    flags: 7n | (5n << 59n),
    mode: 0,
    access: WRITE,
    cr4: PKE,
    pkru: 2 << 10,
    want: pf('23'),
  },
  { name: 'protection key of a supervisor page', flags: 3n | (5n << 59n), mode: 0, access: READ, cr4: PKE, pkru: 1 << 10, want: OK },
  { name: 'protection key does not stop fetches', flags: 7n | (5n << 59n), mode: 1, access: FETCH, cr4: PKE, pkru: 3 << 10, want: OK },
]

for (const c of cases) {
  test(`long mode: ${c.name}`, async () => {
    const m = await Machine.make()
    new Tables(m, 0x100000).map(0x400000n, c.flags ? 0x300000n | c.flags : 0n, 1, c.upper ?? 7n)
    m.set32(PKRU, c.pkru ?? 0)
    m.paging(PG | (c.cr0 ?? WP), 0x100000n, PAE | (c.cr4 ?? 0), LMA | (c.efer ?? NXE))
    m.mode(c.mode)
    equal(m.touch(0x400010n, c.access), c.want)
  })
}

test('canonical addresses', async () => {
  const { m, t } = await longMode()
  equal(m.touch(0x8000_0000_0000n), '#13(0)')
  equal(m.touch(0x8000_0000_0000n, READ | STACK), '#12(0)')
  equal(m.touch(0x00ff_8000_0000_0000n, FETCH), '#13(0)')
  t.map(0xffff_8000_0000_0000n, 0x301003n)
  equal(m.touch(0xffff_8000_0000_0000n), 0x301000)
  equal(m.touch(0xffff_ffff_ffff_f000n), '#PF 0 fffffffffffff000')
})

test('pages of 2 MiB and 1 GiB, and their reserved bits', async () => {
  const { m, t } = await longMode()
  t.map(0x4000_0000n, 0x200083n, 2)
  t.map(0x80_4000_0000n, 0x83n, 3)
  equal(m.touch(0x4012_3456n), 0x323456)
  equal(m.touch(0x80_4012_3456n), 0x123456)
  equal(m.touch(0x80_6000_0000n), 'none')
  t.map(0x4020_0000n, 0x202083n, 2)
  equal(m.touch(0x4020_0000n), '#PF 9 40200000')
  t.map(0x80_8000_0000n, 0x20_0083n, 3)
  equal(m.touch(0x80_8000_0000n), '#PF 9 8080000000')
  t.map(0x100_0000_0000n, 0x300083n, 4)
  equal(m.touch(0x100_0000_0000n), '#PF 9 10000000000')
})

test('five levels', async () => {
  const m = await Machine.make()
  const t = new Tables(m, 0x100000, 5)
  t.map(0x00ab_cdef_1234_5000n, 0x305007n)
  m.paging(PG | WP, 0x100000n, PAE | LA57, LMA | NXE)
  equal(m.touch(0x00ab_cdef_1234_5678n), 0x305678)
  equal(m.touch(0x0100_0000_0000_0000n), '#13(0)')
})

test('legacy PAE: entries kept from CR3, reserved bits raise #GP when loaded', async () => {
  const m = await Machine.make()
  m.poke(0x100028, 0x101001n)
  m.poke(0x101000, 0x102007n)
  m.poke(0x102000, 0x300007n)
  m.poke(0x101008, 0x400087n)
  m.paging(PG | WP, 0n, PAE, NXE)
  equal(m.k.mmu_set_cr3(S, 0x100020n), 0)
  equal(m.touch(0x4000_0123n), 0x300123)
  equal(m.touch(0x4020_1234n), 0x401234)
  equal(m.touch(0x8000_0000n), '#PF 0 80000000')
  m.poke(0x100028, 0n)
  equal(m.touch(0x4000_1123n), '#PF 0 40001123', 'the second page is not present')
  equal(m.touch(0x4000_0123n), 0x300123, 'the stored entry serves')
  m.poke(0x102008, 0x300007n | (1n << 52n))
  equal(m.touch(0x4000_1123n), '#PF 9 40001123')
  m.poke(0x100020, 0x101001n | (1n << 52n))
  equal(m.k.mmu_set_cr3(S, 0x100020n), 1)
  equal(m.get64(CR3), 0x100020n)
})

test('32-bit paging: 4 KiB, 4 MiB and addresses above 4 GiB', async () => {
  const m = await Machine.make()
  m.poke32(0x100004, 0x101007)
  m.poke32(0x101004, 0x300005)
  m.poke32(0x100008, 0x400087)
  m.poke32(0x10000c, 0x002087)
  m.poke32(0x100010, 0x600087)
  m.paging(PG | WP, 0x100000n, PSE, 0)
  m.mode(1)
  equal(m.touch(0x401abcn), 0x300abc)
  equal(m.touch(0x401abcn, WRITE), '#PF 7 401abc')
  equal(m.peek32(0x101004), 0x300025)
  equal(m.touch(0x812345n, WRITE), 0x412345)
  equal(m.peek32(0x100008), 0x4000e7)
  equal(m.touch(0xc00000n), 'none')
  equal(m.touch(0x1000000n), '#PF d 1000000', 'bit 21 of a 4 MiB entry')
  m.paging(PG | WP, 0x100000n, 0, 0)
  m.mode(0)
  m.poke32(0x400004, 0x300003)
  m.poke32(0x100008, 0x400087)
  equal(m.touch(0x801000n), 0x300000, 'PS counts only with CR4.PSE')
})

test('frames with cached code are never entered for writing', async () => {
  const { m } = await longMode()
  m.view.setUint8(WATCH_BASE + 0x300, 1)
  equal(m.touch(0x400010n, WRITE), 0x300010)
  equal(m.hit(0x400010n, 'write'), undefined)
  equal(m.hit(0x400010n, 'read'), 0x300010)
})

test('nothing is entered for alignment checks or data breakpoints', async () => {
  const { m } = await longMode()
  m.mode(3)
  equal(m.touch(0x400010n), 0x300010)
  equal(m.hit(0x400010n, 'read'), undefined)
  m.mode(0)
  m.set64(DR7, 0x30001n)
  m.k.mmu_select(S)
  equal(m.touch(0x400010n), 0x300010)
  equal(m.hit(0x400010n, 'read'), undefined)
  m.set64(DR7, 1n)
  m.k.mmu_select(S)
  equal(m.touch(0x400010n), 0x300010)
  equal(m.hit(0x400010n, 'read'), 0x300010)
})

test('STAC and CLAC retag supervisor pages without a walk, and never open user pages', async () => {
  const { m, t } = await longMode(3n, { cr4: SMAP })
  t.map(0x401000n, 0x301007n)
  m.touch(0x400010n, WRITE)
  m.calls = []
  m.mode(2)
  equal(m.touch(0x400010n, WRITE), 0x300010)
  equal(m.calls.length, 0)
  equal(m.hit(0x400010n, 'write'), 0x300010)
  equal(m.touch(0x401010n), 0x301010)
  m.mode(0)
  equal(m.touch(0x401010n), '#PF 1 401010')
})

test('an implicit access of user code enters a supervisor tag', async () => {
  const { m } = await longMode(3n)
  m.mode(1)
  equal(m.touch(0x400010n, READ | IMPLICIT), 0x300010)
  equal(m.hit(0x400010n, 'read'), undefined)
  m.mode(0)
  equal(m.hit(0x400010n, 'read'), 0x300010)
})

test('loading CR3 flushes, except with PCIDs and bit 63', async () => {
  const { m } = await longMode()
  m.touch(0x400000n)
  equal(m.k.mmu_set_cr3(S, 0x100000n), 0)
  equal(m.hit(0x400000n, 'read'), undefined)

  m.set64(CR4, BigInt(PAE | PCIDE))
  m.k.mmu_set_cr3(S, 0x100001n)
  m.touch(0x400000n)
  const first = m.get32(SPACE)
  m.k.mmu_set_cr3(S, 0x100002n)
  equal(m.hit(0x400000n, 'read'), undefined)
  m.k.mmu_set_cr3(S, 0x100001n | NX)
  equal(m.get32(SPACE), first)
  equal(m.get64(CR3), 0x100001n)
  equal(m.hit(0x400000n, 'read'), 0x300000)
  m.k.mmu_flush_pcid(S, 1)
  equal(m.hit(0x400000n, 'read'), undefined)
})

test('INVLPG drops one page, and whole regions where large pages were seen', async () => {
  const { m, t } = await longMode()
  t.map(0x401000n, 0x301007n)
  t.map(0x4000_0000n, 0x200087n, 2)
  const others = [0x400000n, 0x4000_3000n]
  for (const la of [...others, 0x401000n]) m.touch(la, WRITE)
  m.k.mmu_flush_page(S, 0x401000n)
  equal(m.hit(0x401000n, 'write'), undefined)
  deepEqual(
    others.map((la) => m.hit(la, 'write')),
    [0x300000, 0x203000],
  )
  m.k.mmu_flush_page(S, 0x4001_0000n)
  equal(m.hit(0x4000_3000n, 'write'), undefined)

  t.map(0x80_4000_0000n, 0x83n, 3)
  m.touch(0x80_4000_0000n)
  m.k.mmu_flush_page(S, 0x80_5000_0000n)
  equal(m.hit(0x80_4000_0000n, 'read'), undefined)
})

test('partial walks end with INVLPG of any page, and no fault comes of an old one', async () => {
  const { m, t } = await longMode(7n)
  m.touch(0x400000n)
  const pde = t.entry(0x400000n, 2)
  m.poke(0x180010, 0x310007n)
  m.poke(pde, 0x180007n)
  m.k.mmu_flush_page(S, 0x7000_0000n)
  // The page that was touched may still be what it was; its neighbour is looked up.
  equal(m.touch(0x402000n), 0x310000)
  m.poke(0x180008, 0x311007n)
  m.poke(pde, 0x180005n)
  m.k.mmu_new_space(S)
  m.mode(1)
  equal(m.touch(0x401000n, WRITE), '#PF 7 401000')
  m.poke(pde, 0x180007n)
  equal(m.touch(0x401000n, WRITE), 0x311000)
})

/** Two address spaces that map 0x400000 to different frames with `flags`; the first is entered. */
async function twoSpaces(flags: bigint, cr4: number): Promise<Machine> {
  const { m } = await longMode(flags, { cr4 })
  new Tables(m, 0x200000).map(0x400000n, 0x310000n | flags)
  return m
}

test('global pages outlive a load of CR3, for data and for fetches, until they are invalidated', async () => {
  const m = await twoSpaces(0x103n, PGE)
  equal(m.touch(0x400000n, WRITE), 0x300000)
  equal(m.touch(0x400000n, FETCH), 0x300000)
  equal(m.k.mmu_set_cr3(S, 0x200000n), 0)
  equal(m.hit(0x400000n, 'read'), undefined)
  equal(m.touch(0x400008n), 0x300008)
  equal(m.hit(0x400000n, 'read'), 0x300000)
  m.mode(2)
  equal(m.touch(0x400008n, WRITE), 0x300008)
  m.mode(0)
  m.k.mmu_flush_page(S, 0x400000n)
  equal(m.touch(0x400000n), 0x310000)
  equal(m.touch(0x400000n, WRITE), 0x310000)
  m.k.mmu_set_cr3(S, 0x100000n)
  equal(m.touch(0x400000n), 0x310000)
  m.k.mmu_flush_all(S)
  equal(m.touch(0x400000n), 0x300000)
  m.k.mmu_set_cr3(S, 0x200000n)
  m.bumpEpoch()
  equal(m.touch(0x400000n), 0x310000)
})

test('no page is global without CR4.PGE, and no user page is kept as one', async () => {
  for (const [flags, cr4] of [
    [0x103n, 0],
    [0x107n, PGE],
    [0x003n, PGE],
  ] as const) {
    const m = await twoSpaces(flags, cr4)
    equal(m.touch(0x400000n), 0x300000)
    m.k.mmu_set_cr3(S, 0x200000n)
    equal(m.touch(0x400000n), 0x310000)
  }
})

test('a global page is found again only under the same paging mode', async () => {
  const m = await twoSpaces(0x101n, PGE)
  m.set64(CR0, BigInt(PG >>> 0))
  m.k.mmu_select(S)
  equal(m.touch(0x400000n, WRITE), 0x300000)
  m.set64(CR0, BigInt((PG | WP) >>> 0))
  m.k.mmu_select(S)
  equal(m.touch(0x400000n, WRITE), '#PF 3 400000')
  m.mode(1)
  equal(m.touch(0x400000n), '#PF 5 400000')
})

test('address-space numbers are used up and start anew without mixing spaces', async () => {
  const { m } = await longMode()
  m.touch(0x400000n)
  const seen = new Set<number>()
  for (let n = 0; n < 2500; n++) {
    m.k.mmu_set_cr3(S, 0x100000n)
    equal(m.hit(0x400000n, 'read'), undefined)
    m.touch(0x400000n)
    seen.add(m.get32(SPACE))
    const space = m.get32(CTX) >> 2
    equal(space > 0 && space < 1023, true)
  }
  // One of the 1021 numbers that are given out is that of the global pages.
  equal(seen.size, 1020)
  for (let n = 0; n < 5000; n++) m.k.mmu_flush_asid(S, 0)
  equal(m.hit(0x400000n, 'read'), undefined)
})

test('protection keys: a change of PKRU changes the space, a change back finds the old one', async () => {
  const { m } = await longMode(7n | (1n << 59n), { cr4: PKE })
  m.mode(1)
  m.touch(0x400000n)
  m.set32(PKRU, 4)
  m.k.mmu_pkru_changed(S)
  equal(m.hit(0x400000n, 'read'), undefined)
  equal(m.touch(0x400000n), '#PF 25 400000')
})

test('the fabric moves a page: every translation is dropped and changed code reported', async () => {
  const { m } = await longMode()
  m.touch(0x400000n)
  const before = m.get32(SPACE)
  m.view.setUint8(WATCH_BASE + 0x300, 1)
  m.view.setUint32(FABRIC_BASE + FABRIC_CHANGED, 0x300, true)
  m.view.setUint32(FABRIC_BASE + FABRIC_CHANGED_COUNT, 1, true)
  m.bumpEpoch()
  m.k.mmu_sync(S)
  equal(m.hit(0x400000n, 'read'), undefined)
  notEqual(m.get32(SPACE), before)
  equal(m.get32(EPOCH_SEEN), 2)
  equal(m.view.getUint32(FABRIC_BASE + FABRIC_CHANGED_COUNT, true), 0)
  equal(m.view.getUint8(WATCH_BASE + 0x300), 0)
})
