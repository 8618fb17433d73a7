import assert from 'node:assert/strict'
import { equalBytes, toHex } from '../../../src/lib/bytes.js'
import { VMEXIT_INTR, VMEXIT_NPF } from '../../../src/spec/svm/exit-codes.js'
import { VMCB_EXITCODE, VMCB_EXITINFO2 } from '../../../src/spec/svm/vmcb.js'
import type { Attack } from '../attack.js'
import { chatterbox, type Guest, PAGE_BYTES, places, SECRET_BITS, SECRET_BITS_COUNT, type Stage } from '../stage.js'

/** Lets the guest work through its secret and asks `watch` for each bit. */
function spy(guest: Guest, watch: (guest: Guest) => boolean): number {
  let bits = 0
  for (let n = 0; n < SECRET_BITS_COUNT; n++) if (watch(guest)) bits |= 1 << n
  return bits
}

const verdict = (bits: number) => (bits === SECRET_BITS ? 'succeeds' : 'garbles')
const says = 'the secret, bit by bit'
const outcome: Attack['outcome'] = { none: { verdict: 'succeeds', says }, sev: { verdict: 'succeeds', says } }

export const equalCiphertext: Attack = {
  name: 'Recognise equal plaintext by equal ciphertext',
  layer: 'side channel',
  powers: ['host-memory'],
  outcome,
  why: 'The same block at the same address under the same key is the same ciphertext ("CipherLeaks", Li and others, 2021).',
  attempt(stage) {
    const guest = stage.start(chatterbox)
    const look = (): Uint8Array => stage.host.read(guest.spa(places.counter), 16)
    // The page was launched as zeros, which everybody knows.
    const zero = look()
    const seen = new Set<string>()
    const bits = spy(guest, () => {
      assert.equal(guest.step().how, 'step')
      seen.add(toHex(look()))
      return !equalBytes(look(), zero)
    })
    assert.equal(seen.size, 2)
    return verdict(bits)
  },
}

export const dictionary: Attack = {
  name: 'Recognise equal plaintext at another address or in another VM',
  layer: 'side channel',
  powers: ['host-memory'],
  outcome: {
    none: { verdict: 'succeeds', says: 'equal plaintext is equal everywhere' },
    sev: { verdict: 'garbles', says: 'ciphertext differs by address and by VM' },
  },
  why: 'Address and key both enter the encryption (APM vol. 2, 15.34; docs/decisions/0001-memory-tweak.md).',
  attempt(stage) {
    const [one, other] = [stage.start(chatterbox), stage.start(chatterbox)]
    // Pages of zeros, as they were launched.
    const blocks = [one, other].flatMap((guest) =>
      [places.zeroPage, places.onePage].flatMap((page) => [0, 16].map((at) => toHex(stage.host.read(guest.spa(page) + at, 16)))),
    )
    const different = new Set(blocks).size
    assert.ok(different === 1 || different === blocks.length)
    return different === 1 ? 'succeeds' : 'garbles'
  },
}

export const watchPages: Attack = {
  name: 'Watch which pages the guest touches',
  layer: 'side channel',
  powers: ['nested-tables'],
  outcome,
  why: 'A page taken out of the nested tables faults to the host when it is touched, with its address ("controlled channel", Xu and others, 2015).',
  attempt(stage: Stage) {
    const guest = stage.start(chatterbox)
    const { vm } = guest
    const bits = spy(guest, () => {
      let touched = 0
      for (const page of [places.zeroPage, places.onePage]) vm.nestedTables.unmapPage(page)
      guest.vcpu.requestTlbFlush()
      const { how } = guest.step({
        onExit(vcpu) {
          if (vcpu.vmcb.u32(VMCB_EXITCODE) === VMEXIT_NPF) touched = vcpu.vmcb.number(VMCB_EXITINFO2)
          return false
        },
      })
      assert.equal(how, 'step')
      return touched - (touched % PAGE_BYTES) === places.onePage
    })
    return verdict(bits)
  },
}

export const singleStep: Attack = {
  name: 'Stop the guest after every instruction and count',
  layer: 'side channel',
  powers: ['scheduling'],
  outcome,
  why: 'The timer is the host\'s ("SEV-Step", Wilke and others, 2023); here it is exact, on real chips it takes calibration.',
  attempt(stage) {
    const guest = stage.start(chatterbox)
    const counts: number[] = []
    spy(guest, () => {
      let instructions = 0
      guest.step({
        budget: 1,
        onExit(vcpu) {
          if (vcpu.vmcb.u32(VMCB_EXITCODE) === VMEXIT_INTR) instructions++
          return false
        },
      })
      counts.push(instructions)
      return false
    })
    // The first stretch contains the program's beginning; the path of a one is longer than that of a zero.
    const longest = Math.max(...counts.slice(1))
    const bits = counts.slice(1).reduce((sum, count, n) => sum | (count === longest ? 2 << n : 0), 0)
    assert.equal(new Set(counts.slice(1)).size, 2)
    return verdict(bits | (SECRET_BITS & 1))
  },
}
