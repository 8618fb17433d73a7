import assert from 'node:assert/strict'
import { concatBytes, u32le } from '../../../src/lib/bytes.js'
import { VMCB_RIP } from '../../../src/spec/svm/vmcb.js'
import type { Attack } from '../attack.js'
import { places, publisher, REPORT_PORT, STEP_PORT } from '../stage.js'

const SIGN = 0xc0de_1234

/** mov eax, SIGN; mov edx, REPORT_PORT; out dx, eax; mov edx, STEP_PORT; out dx, eax */
const CODE = concatBytes(
  ...[Uint8Array.of(0xb8), u32le(SIGN), Uint8Array.of(0xba), u32le(REPORT_PORT), Uint8Array.of(0xef)],
  ...[Uint8Array.of(0xba), u32le(STEP_PORT), Uint8Array.of(0xef)],
)

export const injectCode: Attack = {
  name: 'Inject code into a private page',
  layer: 'memory',
  powers: ['host-memory'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the code runs' },
    sev: { verdict: 'garbles', says: 'the guest executes noise and crashes' },
  },
  why: 'Instructions are always fetched as private, and the bytes written are no ciphertext of any chosen code (APM vol. 2, 15.34.5).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    stage.host.write(victim.spa(victim.vcpu.vmcb.number(VMCB_RIP)), CODE)
    const { how, reports } = victim.step()
    if (reports.length === 1 && reports[0] === SIGN) return 'succeeds'
    assert.ok(!reports.includes(SIGN))
    assert.notEqual(how, 'step', 'the guest does not go on as if nothing had happened')
    return 'garbles'
  },
}

export const jumpToShared: Attack = {
  name: 'Put code into a shared page and set RIP to it',
  layer: 'vCPU',
  powers: ['host-memory', 'vmcb'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the code runs' },
    sev: { verdict: 'garbles', says: 'the fetch decrypts what was never encrypted, and the guest crashes' },
  },
  why: 'Instructions are always fetched as private, whatever the C-bit of their page (APM vol. 2, 15.34.5).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    stage.host.write(victim.spa(places.shared), CODE)
    victim.vcpu.vmcb.setNumber(VMCB_RIP, places.shared)
    const { how, reports } = victim.step()
    if (how === 'step' && reports[0] === SIGN) return 'succeeds'
    assert.deepEqual([how, reports.includes(SIGN)], ['ended', false])
    return 'garbles'
  },
}
