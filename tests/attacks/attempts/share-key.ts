import assert from 'node:assert/strict'
import { writeControls, writeEntryState } from '../../../src/host/hypervisor/entry-state.js'
import { planLaunch } from '../../../src/host/hypervisor/index.js'
import { writeRegions } from '../../../src/host/hypervisor/launch.js'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { equalBytes } from '../../../src/lib/bytes.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { type Guest, places, publisher, SECRET, type Stage } from '../stage.js'

/** A VM of the provider's own, launched with the key of `victim` where its policy lets him. */
function launchWithKeyOf(stage: Stage, victim: Guest, policy: number): Guest {
  const { machine } = stage
  const { driver } = machine
  const handle = driver.launchStart(policy, victim.handle)
  const image = publisher()
  const guest = stage.prepare(image)
  const { vm, vcpu } = guest
  const plan = planLaunch(image, vm.memory.bytes, machine.cBit, 1)
  writeRegions(vm.memory, plan.regions)
  driver.activate(handle, vm.asid)
  for (const region of plan.regions) driver.launchUpdateData(handle, vm.memory.base + region.gpa, region.bytes.length)
  driver.launchMeasure(handle)
  driver.launchFinish(handle)
  machine.acquire(vcpu)
  writeControls(vcpu.vmcb, { asid: vm.asid, sev: true, iopm: machine.iopm, msrpm: machine.msrpm, nestedRoot: vm.nestedTables.rootSpa })
  writeEntryState(vcpu.vmcb, vcpu.registers, plan.entry, machine.cBit)
  vcpu.loadSegments()
  assert.equal(guest.step().how, 'step')
  return guest
}

export const shareKeyForbidden: Attack = {
  name: "Launch a VM of one's own with the victim's key against its policy",
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'POLICY_FAILURE' } },
  why: 'Policy bit 1, NOKS (55766, guest policy; 6.2).',
  attempt(stage) {
    const policy = SevPolicy.NODBG | SevPolicy.NOKS
    const victim = stage.startVictim(publisher(), { policy })
    assert.throws(
      () => launchWithKeyOf(stage, victim, policy),
      (error) => error instanceof SevError && error.statusName === 'POLICY_FAILURE',
    )
    return 'refused'
  },
}

export const shareKeyAllowed: Attack = {
  name: "Launch a VM of one's own with the victim's key where its policy allows it",
  layer: 'secure processor',
  powers: ['mailbox', 'nested-tables'],
  outcome: { none: undefined, sev: { verdict: 'succeeds', says: "the VM reads the victim's pages" } },
  why: 'Key sharing is a feature for one owner with many guests; an owner who needs none of it sets NOKS (55766, 6.2).',
  attempt(stage) {
    const policy = SevPolicy.NODBG
    const victim = stage.startVictim(publisher(), { policy })
    const accomplice = launchWithKeyOf(stage, victim, policy)
    accomplice.vm.mapPage(places.public, victim.spa(places.secret))
    return equalBytes(accomplice.published(), SECRET) ? 'succeeds' : 'garbles'
  },
}
