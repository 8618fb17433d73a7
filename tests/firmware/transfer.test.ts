import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ascii, concatBytes, indexOfBytes } from '../../src/lib/bytes.js'
import { seededEntropy } from '../../src/board/index.js'
import type { Packet, VendorCertificates } from '../../src/host/sev-driver/index.js'
import { word64 } from '../../src/lib/word64.js'
import { PacketBuffer, SendStartBuffer, VMSA_BYTES } from '../../src/spec/sev/command-buffers.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { GuestState } from '../../src/spec/sev/states.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { foundVendor, fuseChip } from '../../src/vendor/index.js'
import { createPlatform, DRAM_BYTES, launchGuest, needsKernel, type Platform, statusOf, vendorOf } from './firmware-platform.js'

const TEXT = ascii('the guest keeps this to itself..')
const PAGE = concatBytes(TEXT, new Uint8Array(0x1000 - TEXT.length))

function twoPlatforms(): { source: Platform; target: Platform } {
  const [source, target] = [createPlatform({ seed: 1 }), createPlatform({ seed: 2 })]
  for (const p of [source, target]) p.driver.init()
  return { source, target }
}

/** A running guest at `source` with a page of text at 0x4000. */
function guestWithText(source: Platform, policy: number): number {
  const handle = launchGuest(source, 1, 'RUNNING', policy)
  source.memory.write(0x4000, PAGE, 1)
  return handle
}

const start = (source: Platform, handle: number, target: Platform, vendor: VendorCertificates = vendorOf(target.fuses)) =>
  source.driver.transfer.sendStart(handle, target.driver.ownership.pdhCertExport(), vendor)

test('a guest moves to another platform, and what is carried shows nothing of it', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const policy = SevPolicy.NODBG | SevPolicy.SEV
  const sent = guestWithText(source, policy)
  const { session, policy: told } = start(source, sent, target)
  assert.equal(told, policy)
  assert.equal(source.secureProcessor.mayRun(1), true, 'it runs while it is being sent')
  const packet = source.driver.transfer.sendUpdateData(sent, 0x4000, 0x1000)
  assert.equal(indexOfBytes(packet.data, TEXT.subarray(0, 16)), -1)
  const again = source.driver.transfer.sendUpdateData(sent, 0x4000, 0x1000)
  assert.notDeepEqual(again.data, packet.data, 'no two packets are alike')
  source.driver.transfer.sendFinish(sent)
  assert.equal(source.secureProcessor.mayRun(1), false)

  const received = target.driver.transfer.receiveStart(policy, source.driver.ownership.pdhCertExport().pdh, session)
  target.driver.activate(received, 4)
  target.driver.transfer.receiveUpdateData(received, 0x9000, packet)
  assert.equal(target.secureProcessor.mayRun(4), false)
  target.driver.transfer.receiveFinish(received)
  assert.equal(target.secureProcessor.mayRun(4), true)
  assert.deepEqual(target.memory.read(0x9000, 0x1000, 4), PAGE)
  assert.equal(indexOfBytes(target.dram.dump(0, DRAM_BYTES), TEXT.subarray(0, 16)), -1)
  assert.equal(target.driver.guestStatus(received).policy, policy)
})

test('every altered bit of a packet is noticed, and so is a packet for other keys or another purpose', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const sent = guestWithText(source, 0)
  const { session } = start(source, sent, target)
  const packet = source.driver.transfer.sendUpdateData(sent, 0x4000, 64)
  const { pdh } = source.driver.ownership.pdhCertExport()
  const received = target.driver.transfer.receiveStart(0, pdh, session)
  target.driver.activate(received, 1)
  const take = (p: Packet): string => statusOf(() => target.driver.transfer.receiveUpdateData(received, 0x9000, p))
  const before = target.memory.read(0x9000, 64, 1)
  for (const part of ['header', 'data'] as const) {
    for (let at = 0; at < packet[part].length; at++) {
      const altered = { ...packet, [part]: packet[part].map((byte, i) => (i === at ? byte ^ (1 << (at & 7)) : byte)) }
      const expected = part === 'data' || at >= 4 ? 'BAD_MEASUREMENT' : at === 0 ? 'UNSUPPORTED' : 'INVALID_PARAM'
      assert.equal(take(altered), expected, `${part} byte ${at}`)
    }
  }
  assert.equal(take({ ...packet, data: packet.data.slice(0, 48) }), 'BAD_MEASUREMENT')
  assert.equal(take({ ...packet, data: packet.data.slice(0, 47) }), 'INVALID_LENGTH')
  const other = target.driver.transfer.receiveStart(0, pdh, start(source, guestAt(source, 2), target).session)
  target.driver.activate(other, 2)
  assert.equal(
    statusOf(() => target.driver.transfer.receiveUpdateData(other, 0x9000, packet)),
    'BAD_MEASUREMENT',
  )
  assert.deepEqual(target.memory.read(0x9000, 64, 1), before)
  assert.equal(take(packet), 'SUCCESS')
})

const guestAt = (p: Platform, asid: number, policy = 0): number => launchGuest(p, asid, 'RUNNING', policy)

test('a session opens only for the platform, the sender and the policy that it was made for', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const third = createPlatform({ seed: 3 })
  third.driver.init()
  const { session } = start(source, guestWithText(source, SevPolicy.NODBG), target)
  const { pdh } = source.driver.ownership.pdhCertExport()
  const receive = (p: Platform, policy: number, cert: Uint8Array, blob: Uint8Array): string =>
    statusOf(() => p.driver.transfer.receiveStart(policy, cert, blob))
  assert.equal(receive(third, SevPolicy.NODBG, pdh, session), 'BAD_MEASUREMENT')
  assert.equal(receive(target, 0, pdh, session), 'BAD_MEASUREMENT', 'a weaker policy')
  assert.equal(receive(target, SevPolicy.NODBG, third.driver.ownership.pdhCertExport().pdh, session), 'BAD_MEASUREMENT')
  for (let at = 0; at < session.length; at++) {
    const altered = session.map((byte, i) => (i === at ? byte ^ 0x20 : byte))
    assert.equal(receive(target, SevPolicy.NODBG, pdh, altered), 'BAD_MEASUREMENT', `session byte ${at}`)
  }
  assert.equal(receive(target, SevPolicy.NODBG, pdh.slice(1), session), 'INVALID_LENGTH')
  assert.equal(receive(target, SevPolicy.NODBG, new Uint8Array(0x824), session), 'INVALID_CERTIFICATE')
  assert.equal(receive(target, SevPolicy.ES, pdh, session), 'UNSUPPORTED')
  assert.equal(receive(target, (0x19 << 24) >>> 0, pdh, session), 'POLICY_FAILURE')
  assert.equal(receive(target, SevPolicy.NODBG, pdh, session), 'SUCCESS')
  target.driver.ownership.pdhGen()
  assert.equal(receive(target, SevPolicy.NODBG, pdh, session), 'BAD_MEASUREMENT', 'the PDH has changed')
})

test('the policy decides where a guest may be sent', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const send = (policy: number, to: Platform, vendor?: VendorCertificates): string => {
    const handle = guestAt(source, 1, policy)
    const status = statusOf(() => start(source, handle, to, vendor))
    source.driver.retire(handle)
    source.driver.flushAsids()
    return status
  }
  assert.equal(send(0, target), 'SUCCESS')
  assert.equal(send(SevPolicy.NOSEND, target), 'POLICY_FAILURE')
  assert.equal(send(SevPolicy.SEV, target), 'SUCCESS')
  assert.equal(send(SevPolicy.DOMAIN, target), 'BAD_SIGNATURE', 'each platform owns itself')
  assert.equal(send(SevPolicy.DOMAIN, source), 'SUCCESS', 'its own domain')

  const strangerVendor = foundVendor()
  const stranger = createPlatform({ seed: 4, fuses: fuseChip(seededEntropy(4, 'stranger'), strangerVendor) })
  stranger.driver.init()
  assert.equal(send(0, stranger), 'SUCCESS', 'this policy does not ask')
  assert.equal(send(SevPolicy.SEV, stranger), 'INVALID_CERTIFICATE', "another vendor's root")
  assert.equal(send(SevPolicy.SEV, stranger, vendorOf(source.fuses)), 'BAD_SIGNATURE', 'a chip that our vendor has not endorsed')
  const broken = { ...vendorOf(target.fuses), ask: vendorOf(target.fuses).ask.map((byte, i) => (i === 700 ? byte ^ 1 : byte)) }
  assert.equal(send(SevPolicy.SEV, target, broken), 'BAD_SIGNATURE')
})

test('certificates of the receiver are judged one by one', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const certificates = target.driver.ownership.pdhCertExport()
  const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
  const handle = guestAt(source, 1, SevPolicy.SEV)
  const send = (changed: Partial<typeof certificates>): string =>
    statusOf(() => source.driver.transfer.sendStart(handle, { ...certificates, ...changed }, vendorOf(target.fuses)))
  assert.equal(send({ pdh: flip(certificates.pdh, 0x420) }), 'BAD_SIGNATURE')
  assert.equal(send({ pdh: flip(certificates.pdh, 0) }), 'INVALID_CERTIFICATE')
  assert.equal(send({ pek: flip(certificates.pek, 0x628) }), 'BAD_SIGNATURE')
  assert.equal(send({ cek: flip(certificates.cek, 0x420) }), 'BAD_SIGNATURE')
  assert.equal(send({ pdh: source.driver.ownership.pdhCertExport().pdh }), 'BAD_SIGNATURE')
  assert.equal(source.driver.guestStatus(handle).state, GuestState.RUNNING)
  assert.equal(send({}), 'SUCCESS')
})

test('lengths are asked for with zeros, and limits hold', needsKernel, () => {
  const { source, target } = twoPlatforms()
  const handle = guestWithText(source, 0)
  const asked = source.driver.mailbox.issue('SEND_START', SendStartBuffer.encode({ handle }))
  assert.deepEqual([asked.status, SendStartBuffer.decode(asked.buffer).sessionLength], [SevStatus.INVALID_LENGTH, 0x80])
  start(source, handle, target)
  const update = (values: object): string =>
    statusName(
      source.driver.mailbox.issue(
        'SEND_UPDATE_DATA',
        PacketBuffer.encode({
          handle,
          hdrPaddr: word64(0x6000),
          hdrLength: 0x34,
          guestPaddr: word64(0x4000),
          guestLength: 32,
          transPaddr: word64(0x7000),
          transLength: 32,
          ...values,
        }),
      ).status,
    )
  const told = source.driver.mailbox.issue('SEND_UPDATE_DATA', PacketBuffer.encode({ handle, guestLength: 0x1000 }))
  const { hdrLength, transLength } = PacketBuffer.decode(told.buffer)
  assert.deepEqual([told.status, hdrLength, transLength], [SevStatus.INVALID_LENGTH, 0x34, 0x1000])
  assert.equal(update({ guestLength: 24 }), 'INVALID_LENGTH')
  assert.equal(update({ guestLength: 0x4010, transLength: 0x4010 }), 'INVALID_LENGTH')
  assert.equal(update({ guestPaddr: word64(0x4008) }), 'INVALID_ADDRESS')
  assert.equal(update({ transPaddr: word64(DRAM_BYTES - 16) }), 'INVALID_ADDRESS')
  assert.equal(update({ hdrPaddr: { lo: 0, hi: 1 } }), 'INVALID_ADDRESS')
  assert.equal(update({}), 'SUCCESS')
  source.driver.transfer.sendCancel(handle)
  assert.equal(source.driver.guestStatus(handle).state, GuestState.RUNNING)
  assert.equal(update({}), 'INVALID_GUEST_STATE')
})

test('register pages travel for SEV-ES guests only, and not as data', needsKernel, () => {
  const platforms = [1, 2].map((seed) => createPlatform({ seed, sevAsidMin: 5, dramBytes: 4 << 20 }))
  for (const p of platforms) p.driver.init(2 << 20)
  const [source, target] = platforms as [Platform, Platform]
  const handle = source.driver.launchStart(SevPolicy.ES)
  assert.equal(
    statusOf(() => source.driver.activate(handle, 5)),
    'INVALID_ASID',
  )
  source.driver.activate(handle, 1)
  source.host.write(0x5000, PAGE)
  source.driver.launchUpdateVmsa(handle, 0x5000)
  source.driver.launchMeasure(handle)
  source.driver.launchFinish(handle)
  assert.equal(source.secureProcessor.mayRun(1), false, 'the cores do not know SEV-ES yet')
  const { session } = start(source, handle, target)
  const packet = source.driver.transfer.sendUpdateVmsa(handle, 0x5000, VMSA_BYTES)
  const received = target.driver.transfer.receiveStart(SevPolicy.ES, source.driver.ownership.pdhCertExport().pdh, session)
  target.driver.activate(received, 2)
  assert.equal(
    statusOf(() => target.driver.transfer.receiveUpdateData(received, 0x6000, packet)),
    'BAD_MEASUREMENT',
  )
  target.driver.transfer.receiveUpdateVmsa(received, 0x6000, packet)
  assert.deepEqual(target.memory.read(0x6000, 0x1000, 2), PAGE)
  assert.equal(
    statusOf(() => source.driver.transfer.sendUpdateVmsa(handle, 0x5000, 64)),
    'INVALID_LENGTH',
  )
})
