import { assert } from '../../../lib/assert.js'
import { sha256 } from '../../../lib/crypto.js'
import { StateError } from '../../devices/state.js'
import { guestPages, beginDeparture, takePages, type Receiver } from '../guest-pages.js'
import type { Vm } from '../vm.js'
import { SnapshotWriter, type OpenedSnapshot, type PageCounts, type Sink } from './container.js'
import type { SnapshotFacts } from './facts.js'

export interface SnapshotOptions {
  /** Where an encrypted guest shall go on; for others it means nothing. */
  readonly receiver: Receiver | undefined
  readonly createdMs: number
  readonly description: string
  readonly repeatable?: SnapshotFacts['repeatable']
  /** Called now and then with the share of memory that has been looked at; throwing ends the snapshot. */
  readonly progress?: (done: number) => void
}

/** What the rest of the process gets to do between pieces of this many pages. */
const BATCHES_AT_A_TIME = 64

/**
 * Writes a machine that stands still. An encrypted guest is left in the midst of being sent (SEND_START): `keep` or `leave` say how it goes on. Whatever
 * fails, the guest is as before.
 */
export async function writeSnapshot(vm: Vm, sink: Sink, options: SnapshotOptions): Promise<PageCounts> {
  assert(vm.state === 'paused', 'a snapshot is taken of a machine that stands still')
  const writer = new SnapshotWriter(sink)
  const state = vm.saveState()
  const { createdMs, description, repeatable } = options
  const common = { createdMs, description, memoryBytes: vm.memory.bytes, ...(repeatable && { repeatable }) }
  if (vm.sevHandle === undefined) {
    await writer.begin(common, state)
    return writePages(vm, writer, options)
  }
  assert(options.receiver, 'an encrypted guest is sealed for somebody')
  const session = beginDeparture(vm, options.receiver)
  try {
    await writer.begin({ ...common, sealed: { ...session, receiverDigest: receiverDigest(options.receiver.platform.pdh) } }, state)
    return await writePages(vm, writer, options)
  } catch (error) {
    vm.machine.driver.transfer.sendCancel(vm.sevHandle)
    throw error
  }
}

async function writePages(vm: Vm, writer: SnapshotWriter, { progress }: SnapshotOptions): Promise<PageCounts> {
  let batches = 0
  for (const batch of guestPages(vm)) {
    await writer.pages(batch)
    if (++batches % BATCHES_AT_A_TIME !== 0) continue
    progress?.(batch.gpa / vm.memory.bytes)
    await vm.options.loop.breathe()
  }
  return writer.end()
}

/** After `writeSnapshot`: the guest stays here (SEND_CANCEL) and may go on. */
export function keepGuest(vm: Vm): void {
  if (vm.sevHandle !== undefined) vm.machine.driver.transfer.sendCancel(vm.sevHandle)
}

/** After `writeSnapshot`: the guest lives in the snapshot alone (SEND_FINISH), and never runs here again. */
export function leaveGuest(vm: Vm): void {
  if (vm.sevHandle !== undefined) vm.machine.driver.transfer.sendFinish(vm.sevHandle)
  vm.stop('the guest was saved to a snapshot')
}

/** How a snapshot names the platform that it is for. */
export function receiverDigest(pdh: Uint8Array): Uint8Array {
  return sha256(pdh)
}

/**
 * Puts a snapshot into a VM that was made without an image and as `configurationOfState` says. StateError where the file is not sound, SevError where the
 * secure processor refuses it; then the VM is of no more use. The guest runs only if all of it was sound.
 */
export function readSnapshot(vm: Vm, snapshot: OpenedSnapshot, progress?: (done: number) => void): PageCounts {
  const { sealed } = snapshot.facts
  if ((sealed !== undefined) !== vm.encrypted) throw new StateError("the snapshot's header and its state disagree about encryption")
  vm.beginArrival(sealed && { policy: sealed.policy, senderPdh: sealed.senderPdh, session: sealed.session })
  const pages = snapshot.pages()
  let batches = 0
  for (let next = pages.next(); ; next = pages.next()) {
    if (next.done === true) {
      vm.completeArrival(snapshot.state)
      return next.value
    }
    takePages(vm, next.value)
    if (++batches % BATCHES_AT_A_TIME === 0) progress?.(next.value.gpa / vm.memory.bytes)
  }
}
