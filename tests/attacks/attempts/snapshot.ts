import assert from 'node:assert/strict'
import { beginDeparture, guestPages, sealPages, takePages, type PageBatch } from '../../../src/host/hypervisor/guest-pages.js'
import { createVm, type TransferSession } from '../../../src/host/hypervisor/index.js'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { concatBytes, equalBytes, indexOfBytes } from '../../../src/lib/bytes.js'
import type { Attack, Verdict } from '../attack.js'
import { Guest, guard, GUARD_TRIES, PAGE_BYTES, places, publisher, SECRET, Stage } from '../stage.js'

const MSR_KVM_MIGRATION_CONTROL = 0x4b564d08

/** A guest as a provider holds it who has saved it: no file, but all that stands in one. */
interface Saved {
  readonly state: Uint8Array
  readonly session: TransferSession | undefined
  readonly pages: readonly PageBatch[]
}

const copied = ({ gpa, data, header }: PageBatch): PageBatch => ({ gpa, data: data.slice(), ...(header && { header: header.slice() }) })

/** Sends the victim to the chip that it runs on, page by page or as the hypervisor does it, and ends it. These victims tell nobody what they share: the host knows. */
async function save(stage: Stage, victim: Guest, singly: readonly number[] = []): Promise<Saved> {
  const { vm } = victim
  vm.pause()
  const ended = vm.run()
  assert.ok(await vm.paused())
  vm.paravirtual.writeMsr(MSR_KVM_MIGRATION_CONTROL, 1, 0)
  vm.paravirtual.sharedPages.mark(places.shared / PAGE_BYTES, 1, true)
  const state = vm.saveState()
  const { driver } = stage.machine
  const none = new Uint8Array(0)
  const session = stage.encrypted
    ? beginDeparture(vm, { platform: driver.ownership.pdhCertExport(), vendor: { ask: none, ark: none } })
    : undefined
  const pages = Array.from(guestPages(vm), copied)
  const single = singly.map((gpa) => ({
    gpa,
    ...(stage.encrypted ? sealPages(vm, gpa, PAGE_BYTES) : { data: vm.memory.read(gpa, PAGE_BYTES)! }),
  }))
  if (vm.sevHandle !== undefined) driver.transfer.sendFinish(vm.sevHandle)
  vm.stop()
  await ended
  vm.release()
  return { state, session, pages: [...pages, ...single] }
}

function restore(stage: Stage, { state, session, pages }: Saved): Guest {
  const vm = createVm(stage.machine, stage.vmOptions())
  vm.beginArrival(session)
  for (const batch of pages) takePages(vm, batch)
  vm.completeArrival(state)
  return new Guest(vm)
}

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof SevError) return `${error.command}: ${error.statusName}`
    throw error
  }
  return assert.fail('it was taken')
}

const triesOf = (guest: Guest): number | undefined => guest.step().reports[0]

export const cloneSnapshot: Attack = {
  name: 'Restore one snapshot twice, and run both guests',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'two guests with all that the one knew' },
    sev: { verdict: 'succeeds', says: 'two guests with all that the one knew' },
  },
  why: 'RECEIVE_START takes a session as often as it is given (55766, 6.14): legacy SEV knows no freshness. An owner prevents it by NOSEND alone.',
  async attempt(stage) {
    const saved = await save(stage, stage.startVictim(guard))
    const [one, other] = [restore(stage, saved), restore(stage, saved)]
    return triesOf(one) === GUARD_TRIES - 1 && triesOf(other) === GUARD_TRIES - 1 ? 'succeeds' : 'garbles'
  },
}

export const rollBackSnapshot: Attack = {
  name: 'Go back to an old snapshot',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest has all its tries again' },
    sev: { verdict: 'succeeds', says: 'the guest has all its tries again' },
  },
  why: 'The same: nothing in a session, a packet or the chip says which snapshot is the newest (55766, 6.9 to 6.17).',
  async attempt(stage) {
    const saved = await save(stage, stage.startVictim(guard))
    const first = restore(stage, saved)
    for (let left = GUARD_TRIES - 1; left >= 0; left--) assert.equal(triesOf(first), left)
    return triesOf(restore(stage, saved)) === GUARD_TRIES - 1 ? 'succeeds' : 'garbles'
  },
}

export const restoreElsewhere: Attack = {
  name: 'Restore a snapshot on another chip than the one that it was sealed for',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'RECEIVE_START: BAD_MEASUREMENT' } },
  why: "The transport keys are wrapped for the receiver's Diffie-Hellman key (55766, 2.2.2 and 6.14).",
  async attempt(stage): Promise<Verdict> {
    const saved = await save(stage, stage.startVictim(guard))
    const other = new Stage('sev', 77)
    assert.equal(
      refusal(() => restore(other, saved)),
      'RECEIVE_START: BAD_MEASUREMENT',
    )
    return 'refused'
  },
}

export const alterSnapshot: Attack = {
  name: "Alter a bit of the guest's memory in a snapshot",
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest works with the altered page' },
    sev: { verdict: 'refused', says: 'RECEIVE_UPDATE_DATA: BAD_MEASUREMENT' },
  },
  why: 'Each packet carries a MAC under the transport integrity key, which only the two chips have (55766, 6.10 and 6.15).',
  async attempt(stage): Promise<Verdict> {
    const saved = await save(stage, stage.startVictim(publisher()), [places.public])
    const altered = saved.pages.at(-1)!.data
    altered[0]! ^= 1
    if (stage.encrypted) {
      assert.equal(
        refusal(() => restore(stage, saved)),
        'RECEIVE_UPDATE_DATA: BAD_MEASUREMENT',
      )
      return 'refused'
    }
    return restore(stage, saved).published()[0] === altered[0] ? 'succeeds' : 'garbles'
  },
}

const lineUp = (pages: readonly PageBatch[]): PageBatch[] => {
  const [secret] = pages.slice(-1)
  return [...pages.slice(0, -1), { ...secret!, gpa: places.public }]
}

export const exchangePages: Attack = {
  name: 'Put a sealed page of a snapshot at another address',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest publishes its secret page' },
    sev: { verdict: 'succeeds', says: 'the guest publishes its secret page' },
  },
  why: "A packet's MAC covers its length and data, not the address (55766, 6.10): with SEV the host places pages, as it does at any time by the nested tables.",
  async attempt(stage) {
    const saved = await save(stage, stage.startVictim(publisher()), [places.secret])
    const restored = restore(stage, { ...saved, pages: lineUp(saved.pages) })
    return equalBytes(restored.published(), SECRET) ? 'succeeds' : 'garbles'
  },
}

export const readSnapshotFile: Attack = {
  name: 'Look for a secret of the guest in its snapshot',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: 'it stands there in clear' },
    sev: { verdict: 'garbles', says: 'nowhere: private pages are sealed' },
  },
  why: 'SEND_UPDATE_DATA encrypts under the transport key (55766, 6.10). Registers and shared pages are in clear, as the host has them anyway.',
  async attempt(stage) {
    const { pages } = await save(stage, stage.startVictim(publisher()))
    const found = indexOfBytes(concatBytes(...pages.map(({ data }) => data)), SECRET) >= 0
    return found ? 'succeeds' : 'garbles'
  },
}
