import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ascii, indexOfBytes } from '../../src/lib/bytes.js'
import { word64 } from '../../src/lib/word64.js'
import {
  compareMeasurement,
  type LaunchSession,
  makeLaunchSession,
  packageSecret,
  secretTable,
  verifyAttestation,
  verifyChain,
} from '../../src/owner/index.js'
import { launchMeasure } from '../../src/silicon/secure-processor/commands/launch.js'
import { expectedMeasure } from '../../src/owner/index.js'
import { isMalformed, parseSevCertificate, type SevCertificate } from '../../src/spec/sev/certificates.js'
import {
  ActivateExBuffer,
  AttestationBuffer,
  CopyBuffer,
  PacketBuffer,
  SwapFlag,
  SwapInBuffer,
  SwapOutBuffer,
} from '../../src/spec/sev/command-buffers.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { createPlatform, DRAM_BYTES, launchGuest, needsKernel, type Platform, statusOf } from './firmware-platform.js'
import { counted } from './good-buffers.js'

const POLICY = SevPolicy.NODBG
const IMAGE = ascii('an image of exactly 32 bytes....')

function certificate(bytes: Uint8Array): SevCertificate {
  const parsed = parseSevCertificate(bytes)
  assert.ok(!isMalformed(parsed))
  return parsed
}

function sessionFor({ driver }: Platform, policy = POLICY, random = counted()): LaunchSession {
  const { publicKey, apiMajor, apiMinor } = certificate(driver.ownership.pdhCertExport().pdh)
  assert.equal(publicKey.kind, 'ec')
  return makeLaunchSession({ pdh: publicKey as Extract<typeof publicKey, { kind: 'ec' }>, apiMajor, apiMinor }, policy, random)
}

/** A guest with an owner, measured. */
function measured(p: Platform, session = sessionFor(p), asid = 1, image = IMAGE) {
  const handle = p.driver.launchStart(POLICY, 0, session)
  p.driver.activate(handle, asid)
  p.host.write(0x4000, image)
  p.driver.launchUpdateData(handle, 0x4000, image.length)
  return { handle, session, reported: p.driver.launchMeasure(handle) }
}

const context = { apiMajor: 0, apiMinor: 24, build: 1, policy: POLICY }

test('owner and chip, each by their own code, come to one measurement and one secret', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const { handle, session, reported } = measured(p)
  const components = [{ name: 'image', bytes: IMAGE }]
  assert.deepEqual(compareMeasurement({ context, components, tik: session.tik }, reported).ok, true)
  assert.equal(compareMeasurement({ context: { ...context, policy: 0 }, components, tik: session.tik }, reported).ok, false)

  const secret = secretTable([{ guid: '736869e5-84f0-4973-92ec-06879ce3da0b', data: ascii('disk key') }])
  const packet = packageSecret(session, reported.measure, secret, counted())
  p.driver.launchSecret(handle, 0x8000, packet)
  assert.deepEqual(p.memory.read(0x8000, secret.length, 1), secret)
  assert.equal(indexOfBytes(p.dram.dump(0, DRAM_BYTES), ascii('disk key')), -1)
  p.driver.launchFinish(handle)
  assert.equal(
    statusOf(() => p.driver.launchSecret(handle, 0x8000, packet)),
    'INVALID_GUEST_STATE',
  )
})

test('the two computations of a measurement agree on any input', () => {
  const random = counted()
  for (let i = 0; i < 20; i++) {
    const [apiMajor, apiMinor, build] = random(3) as unknown as [number, number, number]
    const [launchDigest, mnonce, tik] = [random(32), random(16), random(16)]
    const version = { apiMajor, apiMinor, build, policy: 0x12345678 + i }
    assert.deepEqual(launchMeasure({ ...version, launchDigest, mnonce, tik }), expectedMeasure(version, launchDigest, mnonce, tik))
  }
})

test('LAUNCH_START refuses a session whose bits, certificate or policy are others', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const session = sessionFor(p)
  const start = (policy: number, s: { godh: Uint8Array; blob: Uint8Array }): string => statusOf(() => p.driver.launchStart(policy, 0, s))
  for (let at = 0; at < session.blob.length; at++) {
    const blob = session.blob.map((byte, i) => (i === at ? byte ^ 0x10 : byte))
    assert.equal(start(POLICY, { ...session, blob }), 'BAD_MEASUREMENT', `byte ${at}`)
  }
  assert.equal(start(0, session), 'BAD_MEASUREMENT')
  assert.equal(start(POLICY, { ...session, blob: session.blob.slice(1) }), 'INVALID_LENGTH')
  assert.equal(start(POLICY, { ...session, godh: session.godh.slice(1) }), 'INVALID_LENGTH')
  const flipped = (at: number): Uint8Array => session.godh.map((byte, i) => (i === at ? byte ^ 1 : byte))
  assert.equal(start(POLICY, { ...session, godh: flipped(8) }), 'INVALID_CERTIFICATE', 'its usage')
  assert.equal(start(POLICY, { ...session, godh: flipped(0x10) }), 'INVALID_CERTIFICATE', 'its curve')
  assert.equal(start(POLICY, { ...session, godh: flipped(0x14) }), 'BAD_MEASUREMENT', 'a point off the curve')
  assert.equal(p.driver.platformStatus().guestCount, 0)
  const other = createPlatform({ seed: 2 })
  other.driver.init()
  assert.equal(
    statusOf(() => other.driver.launchStart(POLICY, 0, session)),
    'BAD_MEASUREMENT',
  )
})

test('a secret opens for one launch only', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const first = measured(p)
  const packet = packageSecret(first.session, first.reported.measure, IMAGE, counted())
  const again = measured(p, first.session, 2)
  const inject = (handle: number, pk = packet): string => statusOf(() => p.driver.launchSecret(handle, 0x8000, pk))
  assert.equal(inject(again.handle), 'BAD_MEASUREMENT', 'the same session, another launch')
  const stranger = measured(
    p,
    sessionFor(p, POLICY, (n) => new Uint8Array(n).fill(n)),
    3,
  )
  assert.equal(inject(stranger.handle), 'BAD_MEASUREMENT')
  assert.equal(inject(first.handle, { ...packet, data: packet.data.slice(0, 16) }), 'BAD_MEASUREMENT')
  for (let at = 4; at < packet.header.length; at++) {
    const header = packet.header.map((byte, i) => (i === at ? byte ^ 8 : byte))
    assert.equal(inject(first.handle, { ...packet, header }), 'BAD_MEASUREMENT')
  }
  assert.equal(inject(first.handle, { ...packet, header: packet.header.map((byte, i) => (i === 0 ? 1 : byte)) }), 'UNSUPPORTED')
  assert.equal(inject(first.handle, { ...packet, header: packet.header.map((byte, i) => (i === 0 ? 2 : byte)) }), 'INVALID_PARAM')
  assert.equal(inject(first.handle), 'SUCCESS')
})

test('LAUNCH_SECRET keeps its limits', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const { handle } = measured(p)
  const issue = (values: object): string =>
    statusName(
      p.driver.mailbox.issue(
        'LAUNCH_SECRET',
        PacketBuffer.encode({
          handle,
          hdrPaddr: word64(0x6000),
          hdrLength: 0x34,
          guestPaddr: word64(0x8000),
          guestLength: 16,
          transPaddr: word64(0x7000),
          transLength: 16,
          ...values,
        }),
      ).status,
    )
  assert.equal(issue({ hdrLength: 0x33 }), 'INVALID_LENGTH')
  assert.equal(issue({ hdrLength: 0x35 }), 'INVALID_LENGTH')
  assert.equal(issue({ guestLength: 0, transLength: 0 }), 'INVALID_LENGTH')
  assert.equal(issue({ guestLength: 24, transLength: 24 }), 'INVALID_LENGTH')
  assert.equal(issue({ guestLength: 0x4010, transLength: 0x4010 }), 'INVALID_LENGTH')
  assert.equal(issue({ transLength: 32 }), 'INVALID_LENGTH')
  assert.equal(issue({ guestPaddr: word64(0x8001) }), 'INVALID_ADDRESS')
  for (const field of ['hdrPaddr', 'transPaddr', 'guestPaddr']) assert.equal(issue({ [field]: word64(DRAM_BYTES - 8) }), 'INVALID_ADDRESS')
  assert.equal(issue({ hdrPaddr: { lo: 0xffffffff, hi: 0xffffffff } }), 'INVALID_ADDRESS')
  assert.equal(issue({}), 'BAD_MEASUREMENT')
  p.driver.deactivate(handle)
  assert.equal(issue({}), 'INACTIVE')
})

test('an attestation report tells digest, policy and nonce, signed by the platform', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const { handle, reported } = measured(p)
  p.driver.launchFinish(handle)
  assert.equal(reported.mnonce.length, 16)
  const mnonce = counted()(16)
  const report = p.driver.attestation(handle, mnonce)
  const chain = p.driver.ownership.pdhCertExport()
  const { ark, ask } = p.fuses.certificates
  assert.ok(verifyChain({ ark: ark!, ask: ask!, ...chain }, { ark: ark!, name: 'ours' }).ok)
  const pek = certificate(chain.pek)
  const verdict = verifyAttestation(report, pek, { mnonce, policy: POLICY })
  assert.ok(verdict.ok)
  assert.equal(verifyAttestation(report, pek, { mnonce, policy: 0 }).ok, false)
  assert.equal(verifyAttestation(report, pek, { mnonce: new Uint8Array(16) }).ok, false)
  assert.equal(verifyAttestation(report, pek, { mnonce, launchDigest: new Uint8Array(32) }).ok, false)
  for (let bit = 0; bit < 8 * report.length; bit += 5) {
    const flipped = report.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    assert.equal(verifyAttestation(flipped, pek, { mnonce }).ok, false, `bit ${bit}`)
  }
  const asked = p.driver.mailbox.issue('ATTESTATION', AttestationBuffer.encode({ handle }))
  assert.deepEqual([asked.status, AttestationBuffer.decode(asked.buffer).length], [SevStatus.INVALID_LENGTH, 0xd0])
})

test('pages swap out sealed and come back anywhere, whole or not at all', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const handle = launchGuest(p, 1, 'RUNNING')
  const page = Uint8Array.from({ length: 0x1000 }, (_, i) => (i < 32 ? IMAGE[i]! : i * 7))
  p.memory.write(0x4000, page, 1)
  const out = (values: object = {}): string =>
    statusName(
      p.driver.mailbox.issue(
        'SWAP_OUT',
        SwapOutBuffer.encode({ handle, srcPaddr: word64(0x4000), dstPaddr: word64(0x5000), mdataPaddr: word64(0x6000), ...values }),
      ).status,
    )
  const back = (values: object = {}, h = handle): string =>
    statusName(
      p.driver.mailbox.issue(
        'SWAP_IN',
        SwapInBuffer.encode({ handle: h, srcPaddr: word64(0x5000), dstPaddr: word64(0x9000), mdataPaddr: word64(0x6000), ...values }),
      ).status,
    )
  assert.equal(back(), 'BAD_MEASUREMENT', 'nothing has been swapped out')
  assert.equal(out(), 'SUCCESS')
  assert.equal(indexOfBytes(p.host.read(0x5000, 0x1000), IMAGE.subarray(0, 16)), -1)
  const [sealed, metadata] = [p.host.read(0x5000, 0x1000), p.host.read(0x6000, 0x40)]
  for (let at = 0; at < 0x40; at++) {
    p.host.write(
      0x6000,
      metadata.map((byte, i) => (i === at ? byte ^ 1 : byte)),
    )
    assert.equal(back(), 'BAD_MEASUREMENT', `metadata byte ${at}`)
  }
  p.host.write(0x6000, metadata)
  p.host.write(0x5000 + 77, Uint8Array.of(sealed[77]! ^ 0x40))
  assert.equal(back(), 'BAD_MEASUREMENT')
  p.host.write(0x5000, sealed)
  const other = launchGuest(p, 2, 'RUNNING')
  p.driver.mailbox.issue(
    'SWAP_OUT',
    SwapOutBuffer.encode({ handle: other, srcPaddr: word64(0xa000), dstPaddr: word64(0xb000), mdataPaddr: word64(0xc000) }),
  )
  assert.equal(back({}, other), 'BAD_MEASUREMENT', "another guest's page")
  assert.equal(back(), 'SUCCESS')
  assert.deepEqual(p.memory.read(0x9000, 0x1000, 1), page)
  assert.equal(back({ flags: SwapFlag.IN_PLACE }), 'INVALID_ADDRESS')
  assert.equal(back({ flags: SwapFlag.IN_PLACE, dstPaddr: word64(0x5000) }), 'SUCCESS')
  assert.deepEqual(p.memory.read(0x5000, 0x1000, 1), page)
  for (const [values, status] of [
    [{ srcPaddr: word64(0x4010) }, 'INVALID_ADDRESS'],
    [{ dstPaddr: word64(0x4000) }, 'INVALID_ADDRESS'],
    [{ mdataPaddr: word64(0x4040) }, 'INVALID_ADDRESS'],
    [{ mdataPaddr: word64(0x6020) }, 'INVALID_ADDRESS'],
    [{ flags: SwapFlag.LARGE_PAGE }, 'INVALID_ADDRESS'],
    [{ flags: 2 }, 'INVALID_PARAM'],
    [{ flags: 8 }, 'INVALID_PARAM'],
    [{ flags: SwapFlag.TYPE_VMSA }, 'POLICY_FAILURE'],
  ] as const) {
    assert.equal(out(values), status, JSON.stringify(values))
  }
})

test('COPY moves guest memory; ACTIVATE_EX names cores', needsKernel, () => {
  const p = createPlatform({ cores: 2 })
  p.driver.init()
  const handle = p.driver.launchStart(0)
  const activate = (values: object): string =>
    statusName(
      p.driver.mailbox.issue(
        'ACTIVATE_EX',
        ActivateExBuffer.encode({ length: 0x18, handle, asid: 1, idCount: 2, idsPaddr: word64(0x6000), ...values }),
      ).status,
    )
  p.host.write(0x6000, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0))
  assert.equal(activate({ length: 0x14 }), 'INVALID_LENGTH')
  assert.equal(activate({ idCount: 0 }), 'INVALID_PARAM')
  assert.equal(activate({ idCount: 3 }), 'INVALID_PARAM')
  assert.equal(activate({ idsPaddr: word64(0x6004) }), 'INVALID_PARAM', 'no core 2')
  assert.equal(activate({ idsPaddr: word64(DRAM_BYTES) }), 'INVALID_ADDRESS')
  assert.equal(activate({}), 'SUCCESS')

  p.memory.write(0x4000, IMAGE, 1)
  const copy = (values: object): string =>
    statusName(
      p.driver.mailbox.issue(
        'COPY',
        CopyBuffer.encode({ handle, length: 32, srcPaddr: word64(0x4000), dstPaddr: word64(0x5000), ...values }),
      ).status,
    )
  assert.equal(copy({ length: 8 }), 'INVALID_LENGTH')
  assert.equal(copy({ length: 0 }), 'INVALID_LENGTH')
  assert.equal(copy({ srcPaddr: word64(0x4004) }), 'INVALID_ADDRESS')
  assert.equal(copy({ dstPaddr: word64(0x4010) }), 'INVALID_ADDRESS')
  assert.equal(copy({}), 'SUCCESS')
  assert.deepEqual(p.memory.read(0x5000, 32, 1), IMAGE)
  p.driver.deactivate(handle)
  assert.equal(copy({}), 'INACTIVE')
})
