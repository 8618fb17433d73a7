import { RBX } from '../../../src/host/hypervisor/guest-registers.js'
import { equalBytes } from '../../../src/lib/bytes.js'
import type { Attack } from '../attack.js'
import { chatterbox, places, publisher, SECRET, SECRET_BITS } from '../stage.js'

const R12 = 12

export const readRegisters: Attack = {
  name: "Read the guest's registers at an exit",
  layer: 'vCPU',
  powers: ['vmcb'],
  outcome: {
    none: { verdict: 'succeeds', says: 'all of them' },
    sev: { verdict: 'succeeds', says: 'all of them' },
  },
  why: 'VMCB and host registers hold them in clear; SEV-ES encrypts the save area (APM vol. 2, 15.35).',
  attempt(stage) {
    const victim = stage.startVictim(chatterbox)
    return victim.vcpu.registers.number(R12) === SECRET_BITS ? 'succeeds' : 'garbles'
  },
}

export const changeRegisters: Attack = {
  name: "Change the guest's registers at an exit",
  layer: 'vCPU',
  powers: ['vmcb'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest publishes its secret through a changed pointer' },
    sev: { verdict: 'succeeds', says: 'the guest publishes its secret through a changed pointer' },
  },
  why: 'What VMRUN loads is what the host left there; every instruction of the guest becomes a tool (APM vol. 2, 15.35, on what SEV-ES adds).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    victim.vcpu.registers.set(RBX, places.secret, 0)
    return equalBytes(victim.published(), SECRET) ? 'succeeds' : 'garbles'
  },
}
