import { PACKET_BYTES_MAX } from '../../spec/sev/command-buffers.js'
import { StateError } from '../devices/state.js'
import type { Packet, PlatformCertificates, VendorCertificates } from '../sev-driver/index.js'
import { VIDEO_HOLE_BASE, VIDEO_HOLE_END } from './guest-memory-access.js'
import { PAGE_BYTES } from './physical-memory.js'
import type { TransferSession } from './vm-options.js'
import type { Vm } from './vm.js'

/*
 * Guest memory on its way. Private pages of an encrypted guest leave by SEND_UPDATE_DATA and arrive by RECEIVE_UPDATE_DATA, sealed for the receiver's
 * secure processor (55766 sections 6.9 to 6.17); pages that the guest holds shared, and all pages of other guests, travel as they are. A page that is
 * all zeros on the bus does not travel: nobody has written to it since the machine was made, for no ciphertext is 4096 zeros.
 */

/** Whole pages that follow each other. `header` where they are sealed. */
export interface PageBatch {
  readonly gpa: number
  readonly data: Uint8Array
  readonly header?: Uint8Array
}

/** Pages in clear that travel together, and what is looked at at a time. */
export const CLEAR_BYTES_MAX = 0x1_0000

/** Why a guest cannot leave. */
export class DepartureError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DepartureError'
  }
}

/** Where a guest goes: the receiving platform's certificates, as `PDH_CERT_EXPORT` gives them there, and its vendor's. */
export interface Receiver {
  readonly platform: PlatformCertificates
  readonly vendor: VendorCertificates
}

/** SEND_START: SevError where the firmware refuses the receiver. The guest must stand still until SEND_CANCEL or SEND_FINISH, which are the caller's. */
export function beginDeparture(vm: Vm, { platform, vendor }: Receiver): TransferSession {
  const { driver } = vm.machine
  if (vm.sevHandle === undefined) throw new DepartureError('only an encrypted guest leaves by a session')
  if (!vm.paravirtual.migrationReady)
    throw new DepartureError(
      'the guest has not said which of its pages are shared (MSR_KVM_MIGRATION_CONTROL): it is not ready to be moved',
    )
  const { session, policy } = driver.transfer.sendStart(vm.sevHandle, platform, vendor)
  return { policy, senderPdh: driver.ownership.pdhCertExport().pdh, session }
}

/** All pages that exist, in ascending order, each batch good until the next is asked for. For an encrypted guest between SEND_START and its end. */
export function* guestPages(vm: Vm): Generator<PageBatch> {
  const { memory } = vm
  const buffer = new Uint8Array(CLEAR_BYTES_MAX)
  const room = new Uint8Array(PACKET_BYTES_MAX)
  for (let gpa = 0; gpa < memory.bytes; gpa += CLEAR_BYTES_MAX) {
    if (gpa >= VIDEO_HOLE_BASE && gpa < VIDEO_HOLE_END) continue
    const raw = buffer.subarray(0, Math.min(CLEAR_BYTES_MAX, memory.bytes - gpa))
    vm.machine.port.readInto(memory.base + gpa, raw)
    yield* existing(vm, gpa, raw, room)
  }
}

function* existing(vm: Vm, gpa: number, raw: Uint8Array, room: Uint8Array): Generator<PageBatch> {
  const shared = vm.paravirtual.sharedPages
  const words = new Uint32Array(raw.buffer, raw.byteOffset, raw.length / 4)
  const isClear = (at: number): boolean => vm.sevHandle === undefined || shared.has((gpa + at) / PAGE_BYTES)
  for (let at = 0; at < raw.length;) {
    if (isUntouched(words, at)) {
      at += PAGE_BYTES
      continue
    }
    const clear = isClear(at)
    const end = Math.min(raw.length, at + (clear ? CLEAR_BYTES_MAX : PACKET_BYTES_MAX))
    let next = at + PAGE_BYTES
    while (next < end && isClear(next) === clear && !isUntouched(words, next)) next += PAGE_BYTES
    yield clear ? { gpa: gpa + at, data: raw.subarray(at, next) } : { gpa: gpa + at, ...sealPages(vm, gpa + at, next - at, room) }
    at = next
  }
}

/** Eight words at a time: most pages of a guest are looked at to their end. */
function isUntouched(words: Uint32Array, at: number): boolean {
  const end = (at + PAGE_BYTES) / 4
  for (let i = at / 4; i < end; i += 8) {
    const either = words[i]! | words[i + 1]! | words[i + 2]! | words[i + 3]! | words[i + 4]! | words[i + 5]! | words[i + 6]! | words[i + 7]!
    if (either !== 0) return false
  }
  return true
}

/** SEND_UPDATE_DATA of at most 16 KiB of private pages, into `room` where that is given. */
export function sealPages(vm: Vm, gpa: number, bytes: number, room?: Uint8Array): Packet {
  return vm.machine.driver.transfer.sendUpdateData(vm.sevHandle!, vm.memory.base + gpa, bytes, room)
}

/** Pages into a VM that a guest arrives in. StateError where they cannot be pages of it, SevError where the firmware finds them altered. */
export function takePages(vm: Vm, { gpa, data, header }: PageBatch): void {
  const bytes = data.length
  if (gpa % PAGE_BYTES !== 0 || bytes % PAGE_BYTES !== 0 || bytes === 0 || !vm.memory.isRam(gpa, bytes))
    throw new StateError(`the guest has no memory at 0x${gpa.toString(16)} for ${bytes} bytes`)
  if (header === undefined) vm.memory.write(gpa, data)
  else if (vm.sevHandle === undefined) throw new StateError('a sealed page comes for a guest that is not encrypted')
  else vm.machine.driver.transfer.receiveUpdateData(vm.sevHandle, vm.memory.base + gpa, { header, data })
}
