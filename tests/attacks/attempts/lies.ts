import assert from 'node:assert/strict'
import { RAX } from '../../../src/host/hypervisor/guest-registers.js'
import { ascii, equalBytes } from '../../../src/lib/bytes.js'
import { VMEXIT_CPUID } from '../../../src/spec/svm/exit-codes.js'
import { VMCB_EXITCODE } from '../../../src/spec/svm/vmcb.js'
import type { Attack } from '../attack.js'
import { asker, places, publisher, watchmaker } from '../stage.js'

const SEV_SUPPORTED = 2

export const lieInCpuid: Attack = {
  name: 'Intercept CPUID and lie',
  layer: 'vCPU',
  powers: ['exits'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest believes that it is encrypted' },
    sev: { verdict: 'succeeds', says: 'the guest believes that it is not encrypted' },
  },
  why: 'CPUID may be intercepted (APM vol. 2, 15.9), and plain SEV has no page of checked CPUID values.',
  attempt(stage) {
    const victim = stage.startVictim(asker)
    const truth = victim.step().reports[0]!
    assert.equal((truth & SEV_SUPPORTED) !== 0, stage.encrypted)
    const lie = truth ^ SEV_SUPPORTED
    const { reports } = victim.step({
      onExit(vcpu) {
        if (vcpu.vmcb.u32(VMCB_EXITCODE) !== VMEXIT_CPUID) return false
        vcpu.registers.set(RAX, lie, 0)
        vcpu.complete()
        return true
      },
    })
    return reports[0] === lie ? 'succeeds' : 'detected'
  },
}

export const turnBackTime: Attack = {
  name: "Turn back the guest's clock",
  layer: 'vCPU',
  powers: ['vmcb'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the time stamp counter runs backwards' },
    sev: { verdict: 'succeeds', says: 'the time stamp counter runs backwards' },
  },
  why: 'TSC_OFFSET stands in the VMCB (APM vol. 2, 15.30.5); a TSC that the host cannot move came with SEV-SNP.',
  attempt(stage) {
    const victim = stage.startVictim(watchmaker)
    const time = (): number => victim.step().reports[0]!
    const [first, second] = [time(), time()]
    assert.ok(second > first)
    victim.vm.clock.writeTsc(0, 0)
    return time() < first ? 'succeeds' : 'refused'
  },
}

export const tamperShared: Attack = {
  name: 'Tamper with a shared page (the buffers of DMA and consoles)',
  layer: 'devices',
  powers: ['host-memory', 'dma'],
  outcome: {
    none: { verdict: 'succeeds', says: "the guest takes the attacker's bytes" },
    sev: { verdict: 'succeeds', says: "the guest takes the attacker's bytes" },
  },
  why: 'A page whose C-bit is clear is shared on purpose and unprotected; encrypt what goes through it (APM vol. 2, 15.34.5).',
  attempt(stage) {
    const victim = stage.startVictim(publisher('shared'))
    const [first, second] = [ascii('16 bytes by host'), ascii('16 bytes by dma.')]
    stage.host.write(victim.spa(places.shared), first)
    stage.dma.write(victim.spa(places.shared) + first.length, second)
    const seen = victim.published()
    return equalBytes(seen.subarray(0, 16), first) && equalBytes(seen.subarray(16), second) ? 'succeeds' : 'garbles'
  },
}
