// AMD-V: VMRUN and #VMEXIT round trips, consistency checks, intercepts and permission maps, events, nested paging and the choice of keys.

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import * as L from '../../src/silicon/core/state/layout.js'
import { H_CLGI, H_INVLPGA, H_SKINIT, H_STGI, H_VMGEXIT, H_VMLOAD, H_VMMCALL, H_VMRUN } from '../../src/silicon/core/ir/helper-ids.js'
import * as V from '../../src/spec/svm/vmcb.js'
import * as X from '../../src/spec/svm/exit-codes.js'
import { Machine, S, Tables } from './mmu-kernel.js'

const NEXT = 0
const FAULTED = 1
const JUMP = 2
const EXIT = 3
const VMCB = 0x10000
const IOPM = 0x20000
const MSRPM = 0x24000
const NESTED = 0x800000
const SVME = 0x1000n
const INVALID = (1n << 64n) - 1n
/** An IR record in the scratch of the tests: pc offset 5, length 3, address size 8. */
const RECORD = S + 0x70100

const LONG = { cr0: 0x80010001n, cr4: 0x20n, efer: 0x1d00n }

/** A VMCB of a 64-bit guest that identity maps nothing yet: CR3 0x100000, nested tables at 0x800000. */
async function guest({ nested = true, sev = false } = {}): Promise<Machine> {
  const m = await Machine.make()
  m.set64(L.EFER, SVME)
  m.set64(L.PC, 0x7000n)
  m.set64(L.RSP, 0x6000n)
  m.set64(L.RAX, 0x1234n)
  const code = 0x70100
  m.set32(code + 4, (5 << 16) >>> 0)
  m.view.setUint16(S + code + 6, 5, true)
  m.view.setUint16(S + code + 10, 3, true)
  m.view.setUint8(S + code + 5, 8 << 4)
  const save: readonly (readonly [number, bigint])[] = [
    [V.VMCB_INTERCEPT_MISC2, 1n],
    [V.VMCB_IOPM_BASE_PA, BigInt(IOPM)],
    [V.VMCB_MSRPM_BASE_PA, BigInt(MSRPM)],
    [V.VMCB_ASID, 7n],
    [V.VMCB_NP_ENABLE, (nested ? 1n : 0n) | (sev ? 2n : 0n)],
    [V.VMCB_N_CR3, BigInt(NESTED)],
    [V.VMCB_EFER, LONG.efer],
    [V.VMCB_CR0, LONG.cr0],
    [V.VMCB_CR4, LONG.cr4],
    [V.VMCB_CR3, 0x100000n],
    [V.VMCB_DR6, 0xffff0ff0n],
    [V.VMCB_DR7, 0x400n],
    [V.VMCB_RFLAGS, 0x202n],
    [V.VMCB_RIP, 0x400000n],
    [V.VMCB_RSP, 0x500000n],
    [V.VMCB_RAX, 0xaabbn],
    [V.VMCB_G_PAT, 0x0007040600070406n],
    [V.VMCB_CS, 0xffffffff_029b_0010n],
    [V.VMCB_SS, 0xffffffff_0c93_0018n],
    [V.VMCB_DS + 8, 0x5555n],
    [V.VMCB_CR2, 0x9999n],
  ]
  for (const [at, v] of save) m.poke(VMCB + at, v)
  return m
}

/** Guest physical = system physical for the first `pages` pages, 4 KiB each, with `flags`. */
function nest(m: Machine, flags = 7n, pages = 1024): Tables {
  const t = new Tables(m, NESTED)
  for (let n = 0; n < pages; n++) t.map(BigInt(n) << 12n, (BigInt(n) << 12n) | flags)
  return t
}

const vmcb = (m: Machine, at: number): bigint => m.peek(VMCB + at)
const enter = (m: Machine): number => m.k.vmrun_enter(S, BigInt(VMCB))
const intercept = (m: Machine, code: number): void => {
  const at = VMCB + (code >> 5) * 4
  m.poke32(at, (m.peek32(at) | (1 << (code & 31))) >>> 0)
}

test('VMRUN loads the guest, #VMEXIT stores it and brings the host back', async () => {
  const m = await guest()
  equal(enter(m), JUMP)
  equal(m.get64(L.PC), 0x400000n)
  equal(m.get64(L.RSP), 0x500000n)
  equal(m.get64(L.RAX), 0xaabbn)
  equal(m.get64(L.CR0), 0x80010011n)
  equal(m.get64(L.DS_BASE), 0x5555n)
  equal(m.get32(L.GUEST_MODE), 1)
  equal(m.get32(L.ASID), 7)
  equal(m.get32(L.GIF), 1)
  equal(m.get32(L.MODE) & 3, 2)
  m.set64(L.PC, 0x400010n)
  m.set64(L.CR2, 0x77n)
  m.set64(L.DS_BASE, 0x6666n)
  intercept(m, X.VMEXIT_SHUTDOWN)
  equal(m.k.svm_shutdown(S), EXIT, 'not intercepted as the VMCB was loaded before')
  equal(m.get32(L.EXIT_REASON), L.EXIT_SHUTDOWN)

  m.set32(L.GUEST_MODE, 0)
  m.set64(L.EFER, SVME)
  m.set64(L.PC, 0x7000n)
  m.set64(L.RSP, 0x6000n)
  m.set64(L.RAX, 0x1234n)
  equal(enter(m), JUMP)
  m.set64(L.PC, 0x400010n)
  m.set64(L.CR2, 0x77n)
  m.set64(L.DS_BASE, 0x6666n)
  m.set32(L.SHADOW, 1)
  equal(m.k.svm_shutdown(S), EXIT)
  equal(vmcb(m, V.VMCB_EXITCODE), 0x7fn)
  equal(vmcb(m, V.VMCB_RIP), 0x400010n)
  equal(vmcb(m, V.VMCB_CR2), 0x77n)
  equal(vmcb(m, V.VMCB_DS + 8), 0x6666n)
  equal(vmcb(m, V.VMCB_RFLAGS), 0x202n)
  equal(vmcb(m, V.VMCB_RAX), 0xaabbn)
  equal(vmcb(m, V.VMCB_EFER), LONG.efer)
  equal(vmcb(m, V.VMCB_INTERRUPT_SHADOW), 1n)
  deepEqual(
    [L.PC, L.RSP, L.RAX, L.EFER].map((at) => m.get64(at)),
    [0x7000n, 0x6000n, 0x1234n, SVME],
  )
  deepEqual(
    [L.GUEST_MODE, L.GIF, L.ASID, L.SHADOW, L.EXIT_REASON].map((at) => m.get32(at)),
    [0, 0, 0, 0, L.EXIT_VMEXIT],
  )
})

interface Refusal {
  readonly name: string
  readonly poke: readonly [number, bigint]
  readonly nested?: boolean
  readonly sev?: boolean
}

const refusals: readonly Refusal[] = [
  { name: 'EFER.SVME clear', poke: [V.VMCB_EFER, 0xd00n] },
  { name: 'EFER reserved bit', poke: [V.VMCB_EFER, 0x1d02n] },
  { name: 'CR0 above 32 bits', poke: [V.VMCB_CR0, 0x1_8001_0001n] },
  { name: 'NW without CD', poke: [V.VMCB_CR0, 0xa001_0001n] },
  { name: 'PG without PE', poke: [V.VMCB_CR0, 0x8001_0000n] },
  { name: 'CR3 reserved bit', poke: [V.VMCB_CR3, 1n << 52n] },
  { name: 'CR3 with C-bit without SEV', poke: [V.VMCB_CR3, 1n << 51n] },
  { name: 'CR4 reserved bit', poke: [V.VMCB_CR4, 0x8020n] },
  { name: 'long mode without PAE', poke: [V.VMCB_CR4, 0n] },
  { name: 'DR6 above 32 bits', poke: [V.VMCB_DR6, 1n << 32n] },
  { name: 'DR7 above 32 bits', poke: [V.VMCB_DR7, 1n << 32n] },
  { name: 'CS.L and CS.D', poke: [V.VMCB_CS, 0xffffffff_069b_0010n] },
  { name: 'VMRUN not intercepted', poke: [V.VMCB_INTERCEPT_MISC2, 0n] },
  { name: 'ASID 0', poke: [V.VMCB_ASID, 0n] },
  { name: 'ASID beyond those of the chip', poke: [V.VMCB_ASID, 0x8000n] },
  { name: 'SEV with an ASID that has no key slot', poke: [V.VMCB_ASID, 510n], sev: true },
  { name: 'SEV without nested paging', poke: [V.VMCB_NP_ENABLE, 2n] },
  { name: 'SEV-ES', poke: [V.VMCB_NP_ENABLE, 7n] },
  { name: 'reserved TLB_CONTROL', poke: [V.VMCB_ASID, (2n << 32n) | 7n] },
  { name: 'MSRPM beyond physical memory', poke: [V.VMCB_MSRPM_BASE_PA, 0xffff_ffff_f000n] },
  { name: 'IOPM beyond physical memory', poke: [V.VMCB_IOPM_BASE_PA, 0xffff_ffff_e000n] },
  { name: 'N_CR3 beyond physical memory', poke: [V.VMCB_N_CR3, 1n << 48n] },
  { name: 'G_PAT with a reserved type', poke: [V.VMCB_G_PAT, 0x0007040600070402n] },
  { name: 'injection of a reserved type', poke: [V.VMCB_EVENTINJ, 0x8000_0520n] },
  { name: 'injection of exception 2', poke: [V.VMCB_EVENTINJ, 0x8000_0302n] },
  { name: 'injection of exception 32', poke: [V.VMCB_EVENTINJ, 0x8000_0320n] },
  { name: 'AVIC', poke: [V.VMCB_V_INTR, 0x8000_0000n] },
]

for (const r of refusals) {
  test(`VMEXIT_INVALID: ${r.name}`, async () => {
    const m = await guest({ sev: r.sev ?? false })
    m.poke(VMCB + r.poke[0], r.poke[1])
    equal(enter(m), EXIT)
    equal(vmcb(m, V.VMCB_EXITCODE), INVALID)
    equal(m.get64(L.PC), 0x7000n)
    equal(m.get32(L.GUEST_MODE), 0)
    equal(m.get32(L.GIF), 0)
  })
}

test('VMRUN is refused without EFER.SVME and for addresses of no VMCB', async () => {
  const m = await guest()
  const attempt = (pa: bigint): [number, number] => {
    const outcome = m.k.vmrun_enter(S, pa)
    const fault = m.get32(L.FAULT)
    m.set32(L.FAULT, 0)
    return [outcome, fault & 0xff]
  }
  deepEqual(attempt(0x10008n), [FAULTED, 13])
  deepEqual(attempt(0x4000_0000n), [FAULTED, 13])
  m.set64(L.EFER, 0n)
  deepEqual(attempt(BigInt(VMCB)), [FAULTED, 6])
})

test('instruction intercepts save RIP and nRIP', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_CPUID)
  enter(m)
  equal(m.k.svm_check(S, RECORD, X.VMEXIT_HLT, 0n, 0n), NEXT)
  equal(m.k.svm_check(S, RECORD, X.VMEXIT_CPUID, 1n, 2n), EXIT)
  deepEqual(
    [V.VMCB_EXITCODE, V.VMCB_EXITINFO1, V.VMCB_EXITINFO2, V.VMCB_RIP, V.VMCB_NRIP].map((at) => vmcb(m, at)),
    [0x72n, 1n, 2n, 0x400005n, 0x400008n],
  )
  equal(m.k.svm_check(S, RECORD, X.VMEXIT_CPUID, 0n, 0n), NEXT, 'nothing is intercepted in host mode')
})

test('the MSR permission map', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_MSR)
  m.poke8(MSRPM + 0x800 + 0x20, 2) // writes of C000_0080
  m.poke8(MSRPM + 0x1000 + 0x30, 0x40) // reads of C001_00C3
  const check = (msr: number, write: number): number => {
    if (!m.get32(L.GUEST_MODE)) enter(m)
    return m.k.svm_msr(S, RECORD, msr, write)
  }
  equal(check(0xc0000080, 0), NEXT)
  equal(check(0xc0000080, 1), EXIT)
  equal(vmcb(m, V.VMCB_EXITCODE), 0x7cn)
  equal(vmcb(m, V.VMCB_EXITINFO1), 1n)
  equal(check(0xc00100c3, 0), EXIT)
  equal(vmcb(m, V.VMCB_EXITINFO1), 0n)
  equal(check(0xc00100c3, 1), NEXT)
  equal(check(0x10, 0), NEXT)
  equal(check(0x2000, 0), EXIT, 'MSRs outside the map are always intercepted')
  equal(check(0xc0020000, 0), EXIT)
})

test('the I/O permission map and EXITINFO', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_IOIO)
  m.poke8(IOPM + 0x3f8 / 8, 1)
  m.poke8(IOPM + 0x2000, 1) // the byte after port ffffh
  const io = (port: number, size: number, input = 0, string = 0, rep = 0, seg = 0, address = 8): number => {
    if (!m.get32(L.GUEST_MODE)) enter(m)
    return m.k.svm_io(S, RECORD, port, size, input, string, rep, seg, address)
  }
  equal(io(0x3f9, 1), NEXT)
  equal(io(0x3f8, 1, 1), EXIT)
  equal(vmcb(m, V.VMCB_EXITINFO1), 0x3f8_0211n)
  equal(vmcb(m, V.VMCB_EXITINFO2), 0x400008n)
  equal(io(0x3f5, 4), EXIT, 'a port in the middle')
  equal(vmcb(m, V.VMCB_EXITINFO1), 0x3f5_0240n)
  equal(io(0xffff, 2), EXIT)
  equal(io(0xfffe, 2), NEXT)
  equal(io(0x3f8, 2, 0, 1, 1, 3, 4), EXIT)
  equal(vmcb(m, V.VMCB_EXITINFO1), 0x3f8_0d2cn)
})

test('intercepted exceptions', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_EXCEPTION + 13)
  intercept(m, X.VMEXIT_EXCEPTION + 14)
  nest(m)
  const t = new Tables(m, 0x100000)
  t.map(0x400000n, 0x300007n)
  m.poke(0x300000, 0x0807060504030201n)
  m.poke(0x300008, 0x100f0e0d0c0b0a09n)
  enter(m)
  equal(m.k.svm_exception(S, 6, 0, 0, 0n), 0)
  equal(m.k.svm_exception(S, 13, 1, 0x18, 0n), 1)
  equal(vmcb(m, V.VMCB_EXITCODE), 0x4dn)
  equal(vmcb(m, V.VMCB_EXITINFO1), 0x18n)
  equal(m.peek32(VMCB + 0xd0) & 0xff, 0)
  enter(m)
  equal(m.k.svm_exception(S, 14, 1, 6, 0xdeadn), 1)
  equal(vmcb(m, V.VMCB_EXITINFO2), 0xdeadn)
  equal(vmcb(m, V.VMCB_CR2), 0x9999n)
  equal(vmcb(m, 0xd0), 0x070605040302010fn)
})

test('nested paging: guest and nested walk, error codes, dirty bits in both', async () => {
  const m = await guest()
  const n = nest(m)
  const t = new Tables(m, 0x100000)
  t.map(0x400000n, 0x300007n)
  t.map(0x401000n, 0x3ff007n)
  t.map(0x402000n, 0x500007n)
  enter(m)
  equal(m.touch(0x400123n, 1), 0x300123)
  equal(m.hit(0x400000n, 'write'), 0x300000)
  equal(m.peek(n.entry(0x300000n)), 0x300067n)
  equal(m.peek(n.entry(0x100000n)) & 0x40n, 0x40n, 'page tables are reached for writing')

  const fault = (la: bigint, access: number, info: bigint, gpa: bigint): void => {
    if (!m.get32(L.GUEST_MODE)) enter(m)
    equal(m.touch(la, access), 'exit')
    m.set32(L.FAULT, 0x80000200)
    equal(m.k.svm_leave(S), EXIT)
    equal(m.get32(L.FAULT), 0)
    deepEqual([X.VMEXIT_NPF, info, gpa], [Number(vmcb(m, V.VMCB_EXITCODE)), vmcb(m, V.VMCB_EXITINFO1), vmcb(m, V.VMCB_EXITINFO2)])
  }
  fault(0x402010n, 0, 0x1_0000_0004n, 0x500010n)
  fault(0x402010n, 1, 0x1_0000_0006n, 0x500010n)
  fault(0x402010n, 2, 0x1_0000_0014n, 0x500010n)
  n.map(0x3ff000n, 0x3ff005n)
  fault(0x401008n, 1, 0x1_0000_0007n, 0x3ff008n)
  n.map(0x3ff000n, 0x3ff003n)
  fault(0x401008n, 0, 0x1_0000_0005n, 0x3ff008n)
  n.map(0x3ff000n, 0x3ff007n | (1n << 63n))
  fault(0x401008n, 2, 0x1_0000_0015n, 0x3ff008n)
  n.map(0x3ff000n, 0x3ff007n | (1n << 51n))
  fault(0x401008n, 0, 0x1_0000_000dn, 0x3ff008n)
  // A page table that may only be read, and one that is not there.
  const table = t.entry(0x8000_0000n)
  n.map(BigInt(table), BigInt(table & ~0xfff) | 5n)
  fault(0x8000_0000n, 0, 0x2_0000_0007n, BigInt(table))
  n.map(BigInt(table), 0n)
  fault(0x8000_0008n, 0, 0x2_0000_0006n, BigInt(table))
})

test('a nested fault in the midst of a delivery reports the event and no instruction bytes', async () => {
  const m = await guest()
  nest(m)
  new Tables(m, 0x100000).map(0x402000n, 0x500007n)
  enter(m)
  m.set32(0xe08, 0x80000b0e)
  m.set32(0xe0c, 5)
  equal(m.touch(0x402010n, 1), 'exit')
  m.k.svm_leave(S)
  equal(vmcb(m, V.VMCB_EXITINTINFO), 0x5_8000_0b0en)
  equal(m.peek32(VMCB + 0xd0) & 0xff, 0)
})

test('instruction bytes of a nested fault end where the next page does not answer', async () => {
  const m = await guest()
  nest(m)
  const t = new Tables(m, 0x100000)
  t.map(0x400000n, 0x300007n)
  t.map(0x402000n, 0x500007n)
  m.poke(0x300ff8, 0x1122334455667788n)
  enter(m)
  m.set64(L.PC, 0x400ffbn)
  m.touch(0x402010n)
  m.k.svm_leave(S)
  equal(vmcb(m, 0xd0), 0x112233445505n)
})

test('SEV: tables and fetches are private whatever their C-bit, data pages follow it', async () => {
  const m = await guest({ sev: true })
  nest(m)
  const C = 1n << 51n
  const t = new Tables(m, 0x100000)
  t.map(0x400000n, 0x300007n | C)
  t.map(0x401000n, 0x301007n)
  t.map(0x402000n, 0x500007n)
  m.poke(VMCB + V.VMCB_CR3, 0x100000n | C)
  equal(enter(m), JUMP)
  equal(m.get64(L.MSR_SEV_STATUS), 1n)
  equal(m.touch(0x400000n, 1), 0x300000)
  equal(m.touch(0x401000n), 0x301000)
  deepEqual([m.keyOf(0x300), m.keyOf(0x301), m.keyOf(0x100), m.keyOf(0x800)], [7, 0, 7, 0])
  equal(m.touch(0x401000n, 2), 0x301000)
  equal(m.keyOf(0x301), 7)
  m.touch(0x402000n)
  m.k.svm_leave(S)
  equal(m.keyOf(0x300), 7, 'instruction bytes are read under the guest’s key')
  equal(vmcb(m, 0xd0) & 0xffn, 15n)
  equal(m.get64(L.MSR_SEV_STATUS), 0n)
  equal(m.keyOf(0x10), 0)
})

test('SEV: without paging and in 32-bit paging everything is private', async () => {
  const m = await guest({ sev: true })
  nest(m)
  m.poke(VMCB + V.VMCB_CR0, 1n)
  m.poke(VMCB + V.VMCB_EFER, SVME)
  enter(m)
  equal(m.touch(0x301000n), 0x301000)
  equal(m.keyOf(0x301), 7)
  m.poke32(0x100000, 0x101007)
  m.poke32(0x101004, 0x302007)
  m.paging(0x80000001, 0x100000n, 0, 0x1000)
  equal(m.touch(0x1000n), 0x302000)
  equal(m.keyOf(0x302), 7)
})

test('a nested guest in legacy PAE reads its four upper entries when it needs them', async () => {
  const m = await guest()
  nest(m)
  m.poke(VMCB + V.VMCB_EFER, SVME)
  m.poke(VMCB + V.VMCB_CR3, 0x100020n)
  m.poke(0x100020, 0x101001n | (1n << 60n))
  m.poke(0x101000, 0x200087n)
  equal(enter(m), JUMP)
  equal(m.touch(0x1234n), '#PF 9 1234')
  m.poke(0x100020, 0x101001n)
  equal(m.touch(0x1234n), 0x201234)
})

test('translations of an ASID outlive #VMEXIT until TLB_CONTROL asks for their end', async () => {
  const m = await guest()
  const n = nest(m)
  new Tables(m, 0x100000).map(0x400000n, 0x300007n)
  const again = (): number => {
    m.k.svm_shutdown(S)
    return enter(m)
  }
  intercept(m, X.VMEXIT_SHUTDOWN)
  enter(m)
  m.touch(0x400000n)
  const space = m.get32(L.SPACE)
  again()
  equal(m.get32(L.SPACE), space)
  equal(m.hit(0x400000n, 'read'), 0x300000)
  n.map(0x300000n, 0x310007n)
  m.poke8(VMCB + V.VMCB_TLB_CONTROL, 3)
  again()
  equal(m.hit(0x400000n, 'read'), undefined)
  equal(m.touch(0x400000n), 0x310000)
  m.poke8(VMCB + V.VMCB_TLB_CONTROL, 0)
  m.poke(VMCB + V.VMCB_ASID, 8n)
  again()
  equal(m.hit(0x400000n, 'read'), undefined, 'another ASID')
})

test('event injection: kinds, error codes, and where software interrupts return to', async () => {
  const m = await guest()
  const inject = (word: bigint, nrip = 0n): ReturnType<Machine['event']> => {
    intercept(m, X.VMEXIT_SHUTDOWN)
    m.poke(VMCB + V.VMCB_EVENTINJ, word)
    m.poke(VMCB + V.VMCB_NRIP, nrip)
    enter(m)
    equal(m.get32(L.EVENTS) & L.EVENT_INJECT, L.EVENT_INJECT)
    equal(m.k.svm_events(S), JUMP)
    equal(m.get32(L.EVENTS) & L.EVENT_INJECT, 0)
    m.k.svm_shutdown(S)
    equal(vmcb(m, V.VMCB_EVENTINJ) & 0x80000000n, 0n)
    equal(vmcb(m, V.VMCB_EXITINTINFO), 0n)
    return m.event()
  }
  deepEqual(inject(0x1234_8000_0b0en), { count: 1, vector: 14, kind: 3, hasError: 1, error: 0x1234, next: 0x400000n })
  deepEqual(inject(0x8000_0030n), { count: 2, vector: 0x30, kind: 0, hasError: 0, error: 0, next: 0x400000n })
  deepEqual(inject(0x8000_0202n, 0x400002n).next, 0x400000n)
  deepEqual(inject(0x8000_0480n, 0x400002n).next, 0x400002n)
  deepEqual(inject(0x8000_0303n, 0x400001n).next, 0x400001n)
})

test('an injection that has not begun is reported back', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_INTR)
  m.poke(VMCB + V.VMCB_EVENTINJ, 0x8000_0030n)
  m.poke(VMCB + V.VMCB_V_INTR, 0x100_0000n)
  enter(m)
  equal(m.k.svm_physical_interrupt(S), EXIT)
  equal(vmcb(m, V.VMCB_EXITINTINFO), 0x8000_0030n)
})

test('virtual interrupts wait for IF, shadow, GIF and priority', async () => {
  const m = await guest()
  m.poke(VMCB + V.VMCB_V_INTR, 0x33_0105_0105n)
  intercept(m, X.VMEXIT_SHUTDOWN)
  enter(m)
  equal(m.get64(L.CR8), 5n)
  equal(m.k.svm_events(S), NEXT, 'priority 5 against TPR 5')
  equal(m.get32(L.EVENTS) & L.EVENT_INTERRUPT, 0)
  m.set64(L.CR8, 4n)
  m.set32(L.EFLAGS, 2)
  equal(m.k.svm_events(S), NEXT)
  m.set32(L.EFLAGS, 0x202)
  m.set32(L.SHADOW, 1)
  equal(m.k.svm_events(S), NEXT)
  m.set32(L.SHADOW, 0)
  m.set32(L.GIF, 0)
  equal(m.k.svm_events(S), NEXT)
  m.set32(L.GIF, 1)
  equal(m.k.svm_events(S), JUMP)
  deepEqual(m.event(), { count: 1, vector: 0x33, kind: 0, hasError: 0, error: 0, next: 0x400000n })
  equal(m.k.svm_events(S), NEXT, 'V_IRQ is gone')
  m.k.svm_shutdown(S)
  equal(vmcb(m, V.VMCB_V_INTR), 0x33_0105_0004n)
  equal(m.get64(L.CR8), 0n)
})

test('VINTR intercept', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_VINTR)
  m.poke(VMCB + V.VMCB_V_INTR, 0x10_0100n)
  enter(m)
  equal(m.k.svm_events(S), EXIT)
  equal(vmcb(m, V.VMCB_EXITCODE), 0x64n)
  equal(vmcb(m, V.VMCB_V_INTR), 0x10_0100n)
})

test('a physical interrupt follows the host’s IF with V_INTR_MASKING, else the guest’s', async () => {
  const m = await guest()
  enter(m)
  equal(m.k.svm_physical_interrupt(S), NEXT, 'not intercepted')
  const other = await guest()
  intercept(other, X.VMEXIT_INTR)
  other.poke(VMCB + V.VMCB_RFLAGS, 2n)
  enter(other)
  equal(other.k.svm_physical_interrupt(S), NEXT)
  other.set32(L.EFLAGS, 0x202)
  equal(other.k.svm_physical_interrupt(S), EXIT)
  equal(vmcb(other, V.VMCB_EXITCODE), 0x60n)
  equal(vmcb(other, V.VMCB_NRIP), 0n)
})

test('the instructions: #UD without SVME, #GP above CPL 0, GIF, VMLOAD and VMSAVE, VMMCALL', async () => {
  const m = await guest()
  m.set64(L.CR0, 1n)
  const run = (id: number): [number, number] => {
    const outcome = m.k.svm_helper(S, RECORD, id)
    const fault = m.get32(L.FAULT)
    m.set32(L.FAULT, 0)
    return [outcome, fault & 0xff]
  }
  deepEqual(run(H_STGI), [NEXT, 0])
  equal(m.get32(L.GIF), 1)
  deepEqual(run(H_CLGI), [NEXT, 0])
  equal(m.get32(L.GIF), 0)
  deepEqual(run(H_SKINIT), [FAULTED, 6])
  deepEqual(run(H_VMMCALL), [FAULTED, 6])
  deepEqual(run(H_INVLPGA), [NEXT, 0])
  deepEqual(run(H_VMLOAD), [FAULTED, 13])
  m.set64(L.RAX, BigInt(VMCB))
  m.poke(VMCB + V.VMCB_TR, 0x67_008b_0028n)
  m.poke(VMCB + V.VMCB_TR + 8, 0xfff0n)
  m.poke(VMCB + V.VMCB_GS + 8, 0x1111n)
  m.poke(VMCB + V.VMCB_STAR, 0x2222n)
  deepEqual(run(H_VMLOAD), [NEXT, 0])
  equal(m.get64(L.GS_BASE), 0x1111n)
  equal(m.get64(L.MSR_STAR), 0x2222n)
  equal(m.get64(L.SEGMENTS + L.TR * 16 + 8), 0xfff0n)
  m.set64(L.GS_BASE, 0x3333n)
  equal(m.k.svm_vmsave(S, BigInt(VMCB)), 0)
  equal(vmcb(m, V.VMCB_GS + 8), 0x3333n)
  equal(vmcb(m, V.VMCB_TR), 0x67_008b_0028n)
  m.set32(L.CPL, 3)
  deepEqual(run(H_VMRUN), [FAULTED, 13])
  m.set64(L.EFER, 0n)
  deepEqual(run(H_VMRUN), [FAULTED, 6])
})

test('VMRUN as an instruction returns behind itself and needs paging for nested guests', async () => {
  const m = await guest()
  intercept(m, X.VMEXIT_VMMCALL)
  m.set64(L.CR0, 1n)
  m.set64(L.RAX, BigInt(VMCB))
  equal(m.k.svm_helper(S, RECORD, H_VMRUN), EXIT)
  equal(vmcb(m, V.VMCB_EXITCODE), INVALID)
  equal(m.get64(L.PC), 0x7008n)
  m.set64(L.PC, 0x7000n)
  m.poke(VMCB + V.VMCB_NP_ENABLE, 0n)
  equal(m.k.svm_helper(S, RECORD, H_VMRUN), JUMP)
  m.set32(L.CPL, 3)
  equal(m.k.svm_helper(S, RECORD, H_VMGEXIT), EXIT)
  equal(vmcb(m, V.VMCB_EXITCODE), 0x81n)
  equal(m.peek32(VMCB + V.VMCB_CPL - 3) >>> 24, 3)
  equal(m.get64(L.PC), 0x7008n)
  equal(m.get64(L.RAX), BigInt(VMCB))
})
