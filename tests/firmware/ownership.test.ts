import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexOfBytes, toHex } from '../../src/lib/bytes.js'
import { word64 } from '../../src/lib/word64.js'
import { seededEntropy, volatileFlash } from '../../src/board/index.js'
import { type ChainFiles, type ChainVerdict, verifyChain } from '../../src/owner/index.js'
import { InitBuffer, InitExBuffer, NV_BYTES, PdhCertExportBuffer, PekCsrBuffer } from '../../src/spec/sev/command-buffers.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { emulatedRoot, encodeFuses, foundVendor, fuseChip, parseFuses } from '../../src/vendor/index.js'
import { createPlatform, launchGuest, needsKernel, type Platform, statusOf } from './firmware-platform.js'
import { outsideOwner } from './outside-owner.js'

const emulated = { ark: emulatedRoot().ark, name: 'emulated' }

function chainOf({ driver, fuses }: Platform): ChainFiles {
  const { pdh, pek, oca, cek } = driver.ownership.pdhCertExport()
  return { ark: fuses.certificates.ark!, ask: fuses.certificates.ask!, cek, oca, pek, pdh }
}

const failing = (verdict: ChainVerdict): string[] => verdict.checks.filter((check) => !check.ok).map((check) => check.link)

test('a new platform owns itself, and its whole chain holds under its vendor alone', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const chain = chainOf(p)
  assert.deepEqual(failing(verifyChain(chain, emulated)), [])
  assert.deepEqual(failing(verifyChain(chain)), ['ARK'])
  assert.equal(p.driver.platformStatus().owner, 0)

  const stranger = createPlatform({ fuses: fuseChip(seededEntropy(5), foundVendor()) })
  stranger.driver.init()
  assert.deepEqual(failing(verifyChain(chainOf(stranger), emulated)), ['ARK'])
  const mixed = verifyChain({ ...chainOf(stranger), ark: chain.ark, ask: chain.ask }, emulated)
  assert.deepEqual(failing(mixed), ['ASK→CEK'])
})

test('PEK_GEN renews all keys but the CEK, PDH_GEN the PDH only', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const before = chainOf(p)
  p.driver.ownership.pdhGen()
  const renewed = chainOf(p)
  assert.notDeepEqual(renewed.pdh, before.pdh)
  assert.deepEqual([renewed.pek, renewed.oca, renewed.cek], [before.pek, before.oca, before.cek])
  p.driver.ownership.pekGen()
  const after = chainOf(p)
  for (const name of ['pdh', 'pek', 'oca'] as const) assert.notDeepEqual(after[name], renewed[name])
  assert.deepEqual(after.cek, before.cek)
  assert.equal(verifyChain(after, emulated).ok, true)
  assert.deepEqual(failing(verifyChain({ ...after, pdh: before.pdh }, emulated)), ['PEK→PDH'])
})

test('an owner takes the platform with his own certificate, until PEK_GEN gives it back', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const owner = outsideOwner(3)
  p.driver.ownership.pekCertImport(owner.sign(p.driver.ownership.pekCsr()), owner.certificate)
  assert.equal(p.driver.platformStatus().owner, 1)
  const chain = chainOf(p)
  assert.deepEqual(failing(verifyChain(chain, emulated)), [])
  assert.deepEqual(chain.oca, owner.certificate)
  const again = statusOf(() => p.driver.ownership.pekCertImport(owner.sign(p.driver.ownership.pekCsr()), owner.certificate))
  assert.equal(again, 'ALREADY_OWNED')
  p.driver.ownership.pekGen()
  assert.equal(p.driver.platformStatus().owner, 0)
})

test('PEK_CERT_IMPORT refuses what is not the platform, not the owner, or not signed', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const { ownership } = p.driver
  const [owner, other] = [outsideOwner(3), outsideOwner(4)]
  const csr = ownership.pekCsr()
  const attempt = (pek: Uint8Array, oca: Uint8Array): string => statusOf(() => ownership.pekCertImport(pek, oca))
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))
  assert.equal(attempt(csr, owner.certificate), 'INVALID_CERTIFICATE', 'no signature')
  assert.equal(attempt(owner.sign(csr), other.certificate), 'BAD_SIGNATURE', 'signed by another')
  assert.equal(attempt(flipped(owner.sign(csr), 0x420), owner.certificate), 'BAD_SIGNATURE')
  assert.equal(attempt(owner.sign(csr), flipped(owner.certificate, 0x420)), 'BAD_SIGNATURE')
  assert.equal(attempt(owner.sign(flipped(csr, 0x14)), owner.certificate), 'INVALID_CERTIFICATE', 'another PEK')
  assert.equal(attempt(owner.sign(flipped(csr, 5)), owner.certificate), 'INVALID_CERTIFICATE', 'another API version')
  assert.equal(attempt(owner.certificate, owner.certificate), 'INVALID_CERTIFICATE', 'no PEK')
  assert.equal(attempt(owner.sign(csr), owner.sign(csr)), 'INVALID_CERTIFICATE', 'no OCA')
  assert.equal(attempt(owner.sign(csr).slice(1), owner.certificate), 'INVALID_LENGTH')
  assert.equal(p.driver.platformStatus().owner, 0)
})

test('buffers that are too short are told the lengths', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const csr = p.driver.mailbox.issue('PEK_CSR', PekCsrBuffer.encode({}))
  assert.deepEqual([csr.status, PekCsrBuffer.decode(csr.buffer).csrLength], [SevStatus.INVALID_LENGTH, 0x824])
  const exported = p.driver.mailbox.issue('PDH_CERT_EXPORT', PdhCertExportBuffer.encode({ pdhCertLength: 0x824, certsLength: 0x186b }))
  const { pdhCertLength, certsLength } = PdhCertExportBuffer.decode(exported.buffer)
  assert.deepEqual([exported.status, pdhCertLength, certsLength], [SevStatus.INVALID_LENGTH, 0x824, 0x186c])
  const nowhere = PekCsrBuffer.encode({ csrPaddr: word64(p.host.dramBytes - 0x823), csrLength: 0x824 })
  assert.equal(p.driver.mailbox.issue('PEK_CSR', nowhere).status, SevStatus.INVALID_ADDRESS)
})

test('the identity survives SHUTDOWN and power-off, and PLATFORM_RESET ends it', needsKernel, () => {
  const flash = volatileFlash()
  const p = createPlatform({ flash })
  p.driver.init()
  const before = chainOf(p)
  p.driver.shutdown()
  p.driver.init()
  assert.deepEqual(chainOf(p), before)
  const restarted = createPlatform({ flash, seed: 7, fuses: parseFuses(encodeFuses(p.fuses))! })
  restarted.driver.init()
  assert.deepEqual(chainOf(restarted), before)
  restarted.driver.shutdown()
  restarted.driver.platformReset()
  restarted.driver.init()
  assert.notDeepEqual(chainOf(restarted).pek, before.pek)
  assert.deepEqual(chainOf(restarted).cek, before.cek)
})

test('state that was altered or is of another chip is refused once, then begun anew', needsKernel, () => {
  const flash = volatileFlash()
  const p = createPlatform({ flash })
  p.driver.init()
  const pek = chainOf(p).pek
  p.driver.shutdown()
  const init = (q: Platform): string => statusName(q.driver.mailbox.issue('INIT', InitBuffer.encode({})).status)
  const stored = flash.read(0, flash.bytes)
  for (const at of [0, 9, 0x12, 0x25, 0x41, 0x1000]) {
    flash.write(0, stored)
    flash.write(at, Uint8Array.of(stored[at]! ^ 4))
    assert.equal(init(p), 'SECURE_DATA_INVALID', `byte ${at}`)
    assert.equal(init(p), 'SUCCESS')
    assert.notDeepEqual(chainOf(p).pek, pek)
    p.driver.shutdown()
  }
  flash.write(0, stored)
  const other = createPlatform({ flash, seed: 2 })
  other.driver.init()
  assert.notDeepEqual(chainOf(other).pek, pek, 'another chip cannot open it; the driver has tried twice, as Linux does')
})

test('a write of state that is cut off leaves the state before it', needsKernel, () => {
  const flash = volatileFlash()
  const p = createPlatform({ flash })
  p.driver.init()
  const before = flash.read(0, flash.bytes)
  const chain = chainOf(p)
  p.driver.ownership.pdhGen()
  const after = flash.read(0, flash.bytes)
  const changed = before.findIndex((byte, i) => byte !== after[i])
  for (const cut of [1, 0x20, 0x800]) {
    flash.write(0, before)
    flash.write(changed, after.subarray(changed, changed + cut))
    const restarted = createPlatform({ flash })
    restarted.driver.init()
    assert.deepEqual(chainOf(restarted).pdh, chain.pdh)
  }
})

test(
  'stored state shows no key, and rollback brings back the old identity: what a chip without a counter cannot notice',
  needsKernel,
  () => {
    const flash = volatileFlash()
    const p = createPlatform({ flash })
    p.driver.init()
    const [old, chain] = [flash.read(0, flash.bytes), chainOf(p)]
    assert.equal(indexOfBytes(old, chain.pek.subarray(0x14, 0x34)), -1)
    p.driver.ownership.pekGen()
    p.driver.shutdown()
    flash.write(0, old)
    p.driver.init()
    assert.deepEqual(chainOf(p), chain)
  },
)

test('INIT_EX keeps the state in memory that the host saves', needsKernel, () => {
  const p = createPlatform()
  const at = 0x2_0000
  const initEx = (values: object = {}): string => {
    const { status } = p.driver.mailbox.issue(
      'INIT_EX',
      InitExBuffer.encode({ length: 0x24, nvPaddr: word64(at), nvLength: NV_BYTES, ...values }),
    )
    return statusName(status)
  }
  assert.equal(initEx({ length: 0x20 }), 'INVALID_LENGTH')
  assert.equal(initEx({ nvLength: 0x4000 }), 'INVALID_LENGTH')
  assert.equal(initEx({ nvPaddr: word64(p.host.dramBytes - 0x1000) }), 'INVALID_ADDRESS')
  assert.equal(initEx({ flags: 2 }), 'INVALID_PARAM')
  p.host.write(at, new Uint8Array(NV_BYTES))
  assert.equal(initEx(), 'SECURE_DATA_INVALID', 'zeros are not an erased medium')
  assert.equal(initEx(), 'SUCCESS')
  const chain = chainOf(p)
  const saved = p.host.read(at, NV_BYTES)
  p.driver.shutdown()
  p.host.write(at, new Uint8Array(NV_BYTES).fill(0xff))
  assert.equal(initEx(), 'SUCCESS')
  assert.notDeepEqual(chainOf(p).pek, chain.pek)
  p.driver.shutdown()
  p.host.write(at, saved)
  assert.equal(initEx(), 'SUCCESS')
  assert.deepEqual(chainOf(p), chain)
  assert.ok(
    p.board.flash.read(0, 64).every((byte) => byte === 0xff),
    'the flash was not touched',
  )
})

test('INIT for SEV-ES wants its memory, and says so in the status', needsKernel, () => {
  const p = createPlatform()
  const init = (values: object): string => statusName(p.driver.mailbox.issue('INIT', InitBuffer.encode(values)).status)
  assert.equal(init({ flags: 1 }), 'INVALID_LENGTH')
  assert.equal(init({ flags: 1, tmrLength: 0x100000, tmrPaddr: word64(0x1000) }), 'INVALID_ADDRESS')
  assert.equal(init({ flags: 1, tmrLength: 0x200000, tmrPaddr: word64(0x100000) }), 'INVALID_ADDRESS')
  assert.equal(init({ flags: 1, tmrLength: 0x100000, tmrPaddr: word64(0) }), 'SUCCESS')
  assert.equal(p.driver.platformStatus().config[0], 1)
})

test('guests live on while the PDH changes, and no identity changes under them', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  launchGuest(p, 1, 'RUNNING')
  p.driver.ownership.pdhGen()
  assert.equal(
    statusOf(() => p.driver.ownership.pekGen()),
    'INVALID_PLATFORM_STATE',
  )
})

test('a fuses file is read back exactly, or not at all', () => {
  const fuses = fuseChip(seededEntropy(9))
  const file = encodeFuses(fuses)
  assert.deepEqual(parseFuses(file), fuses)
  for (let at = 0; at < file.length; at += 97)
    assert.equal(parseFuses(file.map((byte, i) => (i === at ? byte ^ 1 : byte))), undefined, toHex(Uint8Array.of(at)))
  for (const length of [0, 31, 32, 200, file.length - 1]) assert.equal(parseFuses(file.slice(0, length)), undefined)
})
