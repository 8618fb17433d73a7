import assert from 'node:assert/strict'
import { type GuestImage, planLaunch } from '../../../src/host/hypervisor/index.js'
import { concatBytes, equalBytes, u32le } from '../../../src/lib/bytes.js'
import { hmacSha256, sha256 } from '../../../src/lib/crypto.js'
import type { Attack } from '../attack.js'
import { type Guest, publisher, type Stage } from '../stage.js'

/** `image` with one byte of its code changed: a NOP behind the program's end, so that it runs as before. */
function tampered(image: GuestImage): GuestImage {
  return {
    description: image.description,
    plan(platform) {
      const plan = image.plan(platform)
      const regions = plan.regions.map((region) => {
        if (region.name !== 'code') return region
        const bytes = region.bytes.slice()
        bytes[bytes.length - 1] = 0x90
        return { ...region, bytes }
      })
      return { ...plan, regions }
    },
  }
}

/** 55766, 6.5: what LAUNCH_MEASURE answers for `image`, by anyone who knows TIK. In a launch without a session TIK is zero. */
function expectedMeasure(stage: Stage, guest: Guest, image: GuestImage, mnonce: Uint8Array): Uint8Array {
  const { driver, cBit } = stage.machine
  const { apiMajor, apiMinor, build } = driver.platformStatus()
  const { policy } = driver.guestStatus(guest.handle)
  const { regions } = planLaunch(image, guest.vm.memory.bytes, cBit, 1)
  const digest = sha256(...regions.map((region) => region.bytes))
  return hmacSha256(new Uint8Array(16), concatBytes(Uint8Array.of(4, apiMajor, apiMinor, build), u32le(policy), digest, mnonce))
}

export const launchOther: Attack = {
  name: 'Launch other code than the owner sent',
  layer: 'launch',
  powers: ['host-memory', 'mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'nothing measures it' },
    sev: { verdict: 'detected', says: "the measurement is not the one of the owner's image" },
  },
  why: 'LAUNCH_MEASURE covers every page that was encrypted, in order (55766, 6.5). It proves something only under a key that the host does not have: see the next row.',
  attempt(stage) {
    const image = publisher()
    const guest = stage.startVictim(tampered(image))
    const { measurement } = guest.vm
    if (!measurement) return 'succeeds'
    const { measure, mnonce } = measurement
    assert.deepEqual(measure, expectedMeasure(stage, guest, tampered(image), mnonce), 'it is the measurement of what was launched')
    return equalBytes(measure, expectedMeasure(stage, guest, image, mnonce)) ? 'succeeds' : 'detected'
  },
}

export const forgeMeasurement: Attack = {
  name: 'Forge the measurement of a launch without a session',
  layer: 'launch',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'succeeds', says: 'the integrity key is zero, so anyone can compute any measurement' } },
  why: "TIK comes from the session of the owner's Diffie-Hellman certificate; DH_CERT_PADDR 0 leaves it zero (55766, 6.2).",
  attempt(stage) {
    const image = publisher()
    const honest = stage.startVictim(image)
    const { measure, mnonce } = honest.vm.measurement!
    return equalBytes(measure, expectedMeasure(stage, honest, image, mnonce)) ? 'succeeds' : 'detected'
  },
}
