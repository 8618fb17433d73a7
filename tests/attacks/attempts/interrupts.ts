import assert from 'node:assert/strict'
import { EVENT_TYPE_INTR, EVENT_TYPE_SHIFT, EVENT_VALID, VMCB_EVENTINJ } from '../../../src/spec/svm/vmcb.js'
import type { Attack } from '../attack.js'
import { INTERRUPT_VECTOR, listener } from '../stage.js'

const INJECTED = 5

export const injectInterrupts: Attack = {
  name: 'Inject interrupts that no device raised',
  layer: 'vCPU',
  powers: ['vmcb'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest handles each' },
    sev: { verdict: 'succeeds', says: 'the guest handles each' },
  },
  why: 'EVENTINJ takes any vector at any time (APM vol. 2, 15.20); restricting it came with SEV-SNP.',
  attempt(stage) {
    const victim = stage.startVictim(listener({ rings: false }))
    assert.deepEqual(victim.step().reports, [0])
    for (let n = 0; n < INJECTED; n++) {
      victim.vcpu.vmcb.set64(VMCB_EVENTINJ, (EVENT_VALID | (EVENT_TYPE_INTR << EVENT_TYPE_SHIFT) | INTERRUPT_VECTOR) >>> 0, 0)
      assert.equal(victim.step().how, 'step')
    }
    const [handled] = victim.step().reports
    return handled === INJECTED ? 'succeeds' : 'refused'
  },
}

export const dropInterrupts: Attack = {
  name: 'Drop interrupts that the guest waits for',
  layer: 'devices',
  powers: ['exits'],
  outcome: {
    none: { verdict: 'succeeds', says: 'they never arrive' },
    sev: { verdict: 'succeeds', says: 'they never arrive' },
  },
  why: 'Interrupt controllers are models of the host.',
  attempt(stage) {
    const victim = stage.startVictim(listener({ rings: true }))
    assert.deepEqual(victim.step().reports, [1], 'an honest host delivers')
    const drop = (): void => {
      while (victim.vcpu.apic.pendingVector() >= 0) {
        const vector = victim.vcpu.apic.acknowledge()
        assert.equal(vector, INTERRUPT_VECTOR)
        victim.vcpu.apic.writeMsr(0x80b, 0, 0)
      }
    }
    const counts = [1, 2, 3].map(() => victim.step({ beforeEntry: drop }).reports[0])
    return counts.every((count) => count === 1) ? 'succeeds' : 'refused'
  },
}

export const denyService: Attack = {
  name: 'Stop the guest, or never run it again',
  layer: 'vCPU',
  powers: ['scheduling', 'mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest is gone' },
    sev: { verdict: 'succeeds', says: 'the guest is gone, and with its key all it had in memory' },
  },
  why: 'Availability is no promise of SEV (threat table of the SEV-SNP white paper).',
  attempt(stage) {
    const victim = stage.startVictim(listener({ rings: true }))
    const { instructions } = victim.vcpu
    if (stage.encrypted) stage.machine.driver.retire(victim.handle)
    assert.equal(victim.vcpu.instructions, instructions)
    if (stage.encrypted) assert.notEqual(victim.step().how, 'step', 'its code is noise now')
    return 'succeeds'
  },
}
