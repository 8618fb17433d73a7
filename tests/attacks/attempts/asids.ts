import assert from 'node:assert/strict'
import { equalBytes, indexOfBytes } from '../../../src/lib/bytes.js'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { SEV_ASID_MAX } from '../../../src/spec/svm/asid.js'
import { VMEXIT_INVALID } from '../../../src/spec/svm/exit-codes.js'
import { SEV_ENABLE, VMCB_ASID, VMCB_CR3, VMCB_EXITCODE, VMCB_NP_ENABLE } from '../../../src/spec/svm/vmcb.js'
import type { Attack, Verdict } from '../attack.js'
import { type Guest, places, PUBLIC, publisher, reported, SECRET, type Stage } from '../stage.js'

/** Lets `guest` go on in another ASID. */
function goOnIn(guest: Guest, asid: number) {
  guest.vcpu.vmcb.setU32(VMCB_ASID, asid)
  guest.vcpu.requestTlbFlush()
  return guest.step()
}

export const foreignAsid: Attack = {
  name: "Run a VM of one's own under the victim's ASID",
  layer: 'ASIDs',
  powers: ['vmcb', 'nested-tables'],
  outcome: {
    none: { verdict: 'succeeds', says: 'an ASID is a TLB tag and no more' },
    sev: { verdict: 'garbles', says: "its own code is noise under the victim's key: it crashes" },
  },
  why: 'The VMCB names the ASID and the host may write it; protection is by crash alone ("CrossLine", Li and others, 2020).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const accomplice = stage.startVictim(publisher())
    accomplice.vm.mapPage(places.public, victim.spa(places.secret))
    const { how, reports } = goOnIn(accomplice, victim.vm.asid)
    if (how === 'step' && equalBytes(reported(reports), SECRET)) return 'succeeds'
    assert.equal(indexOfBytes(reported(reports), SECRET.subarray(0, 16)), -1)
    assert.notEqual(how, 'step')
    return 'garbles'
  },
}

export const unownedAsid: Attack = {
  name: 'Run a VM under an ASID that no guest is active in',
  layer: 'ASIDs',
  powers: ['vmcb'],
  outcome: {
    none: undefined,
    sev: { verdict: 'garbles', says: "the slot holds a key, but not the guest's: it crashes" },
  },
  why: 'Key slots are filled with random keys at reset, and ACTIVATE is the only way to put a known one in (55766, chapter 6).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const { how } = goOnIn(victim, SEV_ASID_MAX)
    assert.notEqual(how, 'step')
    return 'garbles'
  },
}

export const keylessAsid: Attack = {
  name: 'Run an encrypted VM under an ASID beyond the key slots',
  layer: 'ASIDs',
  powers: ['vmcb'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'VMEXIT_INVALID' } },
  why: 'VMRUN fails when SEV is enabled with an ASID above CPUID 8000_001F ECX (APM vol. 2, 15.34.3).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    goOnIn(victim, SEV_ASID_MAX + 1)
    assert.equal(victim.vcpu.vmcb.u32(VMCB_EXITCODE) | 0, VMEXIT_INVALID)
    return 'refused'
  },
}

export const switchOff: Attack = {
  name: "Clear the SEV bit in the victim's VMCB",
  layer: 'vCPU',
  powers: ['vmcb'],
  outcome: { none: undefined, sev: { verdict: 'garbles', says: 'code and page tables are read as ciphertext: it crashes' } },
  why: 'Without SEV every access goes without a key; memory stays as it was encrypted (APM vol. 2, 15.34.3).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const { vmcb } = victim.vcpu
    vmcb.setU32(VMCB_NP_ENABLE, vmcb.u32(VMCB_NP_ENABLE) & ~SEV_ENABLE)
    vmcb.setNumber(VMCB_CR3, places.pageTables)
    const { how, reports } = goOnIn(victim, victim.vm.asid)
    assert.notEqual(how, 'step')
    assert.deepEqual(reports, [])
    return 'garbles'
  },
}

/** The status of ACTIVATE. */
function activation(stage: Stage, handle: number, asid: number): string {
  try {
    stage.machine.driver.activate(handle, asid)
    return 'SUCCESS'
  } catch (error) {
    if (error instanceof SevError) return error.statusName
    throw error
  }
}

export const takeAsid: Attack = {
  name: "Activate a guest of one's own in the victim's ASID",
  layer: 'ASIDs',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'ASID_OWNED' } },
  why: 'An ASID has one guest until DEACTIVATE (55766, chapter 6, ACTIVATE).',
  attempt(stage): Verdict {
    const victim = stage.startVictim(publisher())
    assert.equal(activation(stage, stage.machine.driver.launchStart(0), victim.vm.asid), 'ASID_OWNED')
    assert.deepEqual(victim.published(), PUBLIC)
    return 'refused'
  },
}

export const reuseAsid: Attack = {
  name: "Reuse a dead VM's ASID without flushing caches",
  layer: 'ASIDs',
  powers: ['mailbox'],
  outcome: {
    none: undefined,
    sev: { verdict: 'refused', says: 'WBINVD_REQUIRED, and after WBINVD alone DF_FLUSH_REQUIRED' },
  },
  why: 'Lines of the old key may still be in caches and write buffers; the firmware keeps the record (55766, chapter 6, ACTIVATE and DF_FLUSH).',
  attempt(stage): Verdict {
    const victim = stage.startVictim(publisher())
    const { driver } = stage.machine
    const { asid } = victim.vm
    driver.retire(victim.handle)
    const heir = driver.launchStart(0)
    assert.equal(activation(stage, heir, asid), 'WBINVD_REQUIRED')
    stage.flushCaches()
    assert.equal(activation(stage, heir, asid), 'DF_FLUSH_REQUIRED')
    driver.flushAsids()
    assert.equal(activation(stage, heir, asid), 'SUCCESS')
    return 'refused'
  },
}
