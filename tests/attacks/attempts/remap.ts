import assert from 'node:assert/strict'
import { equalBytes } from '../../../src/lib/bytes.js'
import type { Attack } from '../attack.js'
import { places, PUBLIC, publisher, SECRET } from '../stage.js'

const says = "the guest publishes the other page's plaintext"

export const remapWithin: Attack = {
  name: "Map one page of a guest to another page's frame",
  layer: 'page tables',
  powers: ['nested-tables'],
  outcome: { none: { verdict: 'succeeds', says }, sev: { verdict: 'succeeds', says } },
  why: 'Key and system physical address match, so it decrypts; the nested tables are the host\'s ("SEVered", Morbitzer and others, 2018). SEV-ES does not change this, SEV-SNP does.',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    victim.vm.mapPage(places.public, victim.spa(places.secret))
    return equalBytes(victim.published(), SECRET) ? 'succeeds' : 'garbles'
  },
}

export const mapOther: Attack = {
  name: "Map a victim's page into another VM",
  layer: 'page tables',
  powers: ['nested-tables'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the other VM reads the plaintext' },
    sev: { verdict: 'garbles', says: "the other VM decrypts with its own key and reads noise; the victim's page is unharmed" },
  },
  why: 'The key is chosen by the ASID that runs, not by the frame (APM vol. 2, 15.34.2).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const accomplice = stage.startVictim(publisher())
    accomplice.vm.mapPage(places.public, victim.spa(places.secret))
    const seen = accomplice.published()
    assert.deepEqual(victim.published(), PUBLIC)
    victim.vm.mapPage(places.public, victim.spa(places.secret))
    assert.deepEqual(victim.published(), SECRET, 'reading has not harmed the page')
    return equalBytes(seen, SECRET) ? 'succeeds' : 'garbles'
  },
}

export const readDead: Attack = {
  name: "Give a dead VM's frames, not cleared, to another VM",
  layer: 'memory',
  powers: ['nested-tables', 'mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the other VM reads what was left' },
    sev: { verdict: 'garbles', says: 'the key is gone; noise' },
  },
  why: 'DEACTIVATE and DECOMMISSION take the key out of the controller and the firmware (55766, chapter 6).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    if (stage.encrypted) stage.machine.driver.retire(victim.handle)
    const heir = stage.startVictim(publisher())
    heir.vm.mapPage(places.public, victim.spa(places.secret))
    return equalBytes(heir.published(), SECRET) ? 'succeeds' : 'garbles'
  },
}
