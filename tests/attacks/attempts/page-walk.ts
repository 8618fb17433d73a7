import assert from 'node:assert/strict'
import { writeControls, writeEntryState } from '../../../src/host/hypervisor/entry-state.js'
import { GuestRegisters } from '../../../src/host/hypervisor/guest-registers.js'
import { NestedTables } from '../../../src/host/hypervisor/nested-tables.js'
import { Vmcb } from '../../../src/host/hypervisor/vmcb.js'
import { VMEXIT_NPF } from '../../../src/spec/svm/exit-codes.js'
import { VMCB_EXITCODE, VMCB_EXITINFO2 } from '../../../src/spec/svm/vmcb.js'
import type { Attack } from '../attack.js'
import { type Guest, PAGE_BYTES, places, publisher, type Stage } from '../stage.js'

/**
 * What a page walk finds in the first 8 bytes of `frame`, taken for a page-table entry: a VMCB in the victim's ASID, whose nested tables
 * map that frame and nothing else and whose RIP lies below 512 GiB. The walk's next step faults, and the fault names the address it read.
 */
function leakEntry(stage: Stage, victim: Guest, frame: number): number | undefined {
  const { host, machine } = stage
  const tables = new NestedTables(host, machine.memory)
  tables.mapPage(0, frame)
  const vmcb = new Vmcb(host, machine.memory.allocate(PAGE_BYTES, PAGE_BYTES, 'a VMCB'))
  const core = machine.core(0)
  const sev = stage.encrypted
  writeControls(vmcb, { asid: victim.vm.asid, sev, iopm: machine.iopm, msrpm: machine.msrpm, nestedRoot: tables.rootSpa })
  const flat = { mode: 'long', rsp: 0, rax: 0, rbx: 0, rsi: 0, codeSelector: 8, dataSelector: 16, gdt: { base: 0, limit: 0 } } as const
  writeEntryState(vmcb, new GuestRegisters(core, vmcb), { ...flat, cr3: 0, rip: 0 }, sev ? machine.cBit : undefined)
  vmcb.store()
  core.vmrun(vmcb.spa, 1)
  vmcb.fetch()
  return vmcb.u32(VMCB_EXITCODE) === VMEXIT_NPF ? vmcb.number(VMCB_EXITINFO2) : undefined
}

const says = 'the address in each 8-byte word that has the form of a page-table entry; of others whether they look present'

export const pageWalk: Attack = {
  name: "Let a page walk under the victim's ASID decrypt a page",
  layer: 'ASIDs',
  powers: ['vmcb', 'nested-tables'],
  outcome: { none: { verdict: 'succeeds', says }, sev: { verdict: 'succeeds', says } },
  why: 'Walks are private accesses with the key of the ASID in the VMCB, and a nested fault tells the guest physical address ("CrossLine" variant 1; APM vol. 2, 15.25.6).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const leaked = leakEntry(stage, victim, victim.spa(places.pageTables))
    assert.equal(leakEntry(stage, victim, victim.spa(places.counter)), undefined, 'a zero is no entry')
    return leaked === places.pageTables + PAGE_BYTES ? 'succeeds' : 'garbles'
  },
}
