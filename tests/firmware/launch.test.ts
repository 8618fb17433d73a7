import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ascii, concatBytes, fromHex, indexOfBytes, toHex, u32le } from '../../src/lib/bytes.js'
import { hmacSha256, sha256 } from '../../src/lib/crypto.js'
import { word64 } from '../../src/lib/word64.js'
import { launchMeasure } from '../../src/silicon/secure-processor/commands/launch.js'
import { LaunchMeasureBuffer, LaunchUpdateDataBuffer } from '../../src/spec/sev/command-buffers.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { GuestState } from '../../src/spec/sev/states.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { createPlatform, DRAM_BYTES, launchGuest, needsKernel, statusOf } from './firmware-platform.js'

const vectorFile = new URL('../../../shared/vectors/legacy-launch-measure.json', import.meta.url)
const vectorOptions = { skip: existsSync(vectorFile) ? false : '../shared/vectors/legacy-launch-measure.json is absent' }

test('the launch measurement of a published example', vectorOptions, () => {
  const vector = JSON.parse(readFileSync(vectorFile, 'utf8')) as Record<string, string>
  const bytes = (name: string) => fromHex(vector[name] ?? '')
  const version = { apiMajor: bytes('apiMajor')[0]!, apiMinor: bytes('apiMinor')[0]!, build: bytes('build')[0]! }
  const policy = new DataView(bytes('policy').buffer).getUint32(0, true)
  const inputs = { ...version, policy, launchDigest: bytes('launchDigest'), mnonce: bytes('mnonce'), tik: bytes('tik') }
  assert.equal(toHex(launchMeasure(inputs)), vector['measure'])
})

test('a launch measures plaintext, leaves ciphertext, and its measurement can be recomputed', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const secret = ascii('thirty-two bytes of plain secret')
  const first = concatBytes(secret, new Uint8Array(0x2000 - 32))
  p.host.write(0x4000, first)
  p.host.write(0x9010, secret)
  const handle = p.driver.launchStart(SevPolicy.NODBG)
  p.driver.activate(handle, 3)
  p.driver.launchUpdateData(handle, 0x4000, 0x2000)
  p.driver.launchUpdateData(handle, 0x9010, 32)
  const { measure, mnonce } = p.driver.launchMeasure(handle)
  p.driver.launchFinish(handle)

  const digest = sha256(first, secret)
  const { apiMajor, apiMinor, build } = p.driver.platformStatus()
  const policy = u32le(SevPolicy.NODBG)
  const zeroTik = new Uint8Array(16)
  assert.equal(toHex(measure), toHex(hmacSha256(zeroTik, Uint8Array.of(4, apiMajor, apiMinor, build), policy, digest, mnonce)))
  assert.equal(indexOfBytes(p.dram.dump(0, DRAM_BYTES), secret), -1)
  assert.notDeepEqual(p.host.read(0x4000, 32), secret)
  assert.deepEqual(p.memory.read(0x4000, 32, 3), secret)
  assert.deepEqual(p.memory.read(0x9010, 32, 3), secret)
  assert.equal(p.driver.guestStatus(handle).state, GuestState.RUNNING)
  assert.equal(p.secureProcessor.mayRun(3), true)
})

test('only a fully launched and active guest may run', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const handle = launchGuest(p, 2, 'LSECRET')
  assert.equal(p.secureProcessor.mayRun(2), false)
  p.driver.launchFinish(handle)
  assert.equal(p.secureProcessor.mayRun(2), true)
  assert.equal(p.secureProcessor.mayRun(1), false)
  p.driver.deactivate(handle)
  assert.equal(p.secureProcessor.mayRun(2), false)
})

test('LAUNCH_START judges the policy', needsKernel, () => {
  const { driver } = createPlatform()
  driver.init()
  const start = (policy: number) => statusOf(() => driver.launchStart(policy))
  assert.equal(start(SevPolicy.ES), 'UNSUPPORTED')
  assert.equal(start(0x40), 'INVALID_PARAM')
  assert.equal(start(0x18 << 24), 'SUCCESS')
  assert.equal(start((0x19 << 24) >>> 0), 'POLICY_FAILURE')
  assert.equal(start(0x01 << 16), 'POLICY_FAILURE')
})

test('guests share a key only where both policies are one and allow it', needsKernel, () => {
  const p = createPlatform()
  const { driver } = p
  driver.init()
  const first = launchGuest(p, 1, 'RUNNING', SevPolicy.NODBG)
  const second = driver.launchStart(SevPolicy.NODBG, first)
  driver.activate(second, 2)
  p.memory.write(0x4000, ascii('sixteen byte txt'), 1)
  assert.deepEqual(p.memory.read(0x4000, 16, 2), ascii('sixteen byte txt'))

  const closed = driver.launchStart(SevPolicy.NOKS)
  assert.equal(
    statusOf(() => driver.launchStart(SevPolicy.NOKS, closed)),
    'POLICY_FAILURE',
  )
  assert.equal(
    statusOf(() => driver.launchStart(0, first)),
    'POLICY_FAILURE',
  )
  assert.equal(
    statusOf(() => driver.launchStart(0, 999)),
    'INVALID_GUEST',
  )
  const other = driver.launchStart(SevPolicy.NODBG)
  driver.activate(other, 3)
  assert.notDeepEqual(p.memory.read(0x4000, 16, 3), ascii('sixteen byte txt'))
})

test('launch updates come in whole aligned blocks of DRAM, for an active guest', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const handle = p.driver.launchStart(0)
  const update = (paddr: number, length: number) =>
    statusName(p.driver.mailbox.issue('LAUNCH_UPDATE_DATA', LaunchUpdateDataBuffer.encode({ handle, paddr: word64(paddr), length })).status)
  assert.equal(update(0x4000, 16), 'INACTIVE')
  p.driver.activate(handle, 1)
  assert.equal(update(0x4000, 0), 'INVALID_LENGTH')
  assert.equal(update(0x4000, 15), 'INVALID_LENGTH')
  assert.equal(update(0x4008, 16), 'INVALID_ADDRESS')
  assert.equal(update(DRAM_BYTES - 16, 32), 'INVALID_ADDRESS')
  assert.equal(update(2 ** 52, 16), 'INVALID_ADDRESS')
  assert.equal(update(0x4000, 0xfffffff0), 'INVALID_ADDRESS')
  assert.equal(update(0x4000, 16), 'SUCCESS')
})

test('LAUNCH_MEASURE with a short buffer tells the length and changes nothing', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const handle = launchGuest(p, 1, 'LUPDATE')
  const answer = p.driver.mailbox.issue('LAUNCH_MEASURE', LaunchMeasureBuffer.encode({ handle }))
  assert.equal(answer.status, SevStatus.INVALID_LENGTH)
  assert.equal(LaunchMeasureBuffer.decode(answer.buffer).measureLength, 48)
  assert.equal(p.driver.guestStatus(handle).state, GuestState.LUPDATE)
  const outside = LaunchMeasureBuffer.encode({ handle, measurePaddr: word64(DRAM_BYTES - 47), measureLength: 48 })
  assert.equal(p.driver.mailbox.issue('LAUNCH_MEASURE', outside).status, SevStatus.INVALID_ADDRESS)
  assert.equal(p.driver.guestStatus(handle).state, GuestState.LUPDATE)
})

test('debugging decrypts and encrypts where the policy allows it, and only there', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const text = Uint8Array.from({ length: 0x1800 }, (_, i) => i * 3)
  const open = launchGuest(p, 1, 'RUNNING')
  p.memory.write(0x6000, text, 1)
  assert.deepEqual(p.driver.dbgDecrypt(open, 0x6000, text.length), text)
  p.driver.dbgEncrypt(open, 0x6010, text.slice(0, 0x1010))
  assert.deepEqual(p.memory.read(0x6010, 0x1010, 1), text.slice(0, 0x1010))

  const closed = launchGuest(p, 2, 'RUNNING', SevPolicy.NODBG)
  p.memory.write(0xa000, text, 2)
  const before = p.dram.dump(0xa000, text.length)
  assert.equal(
    statusOf(() => p.driver.dbgDecrypt(closed, 0xa000, 16)),
    'POLICY_FAILURE',
  )
  assert.equal(
    statusOf(() => p.driver.dbgEncrypt(closed, 0xa000, text.slice(0, 16))),
    'POLICY_FAILURE',
  )
  assert.deepEqual(p.dram.dump(0xa000, text.length), before)
  assert.notDeepEqual(p.driver.dbgDecrypt(open, 0xa000, 16), text.slice(0, 16), "another guest's key opens nothing")
})

test('the chip identity is the fused one, and platform status counts guests', needsKernel, () => {
  const p = createPlatform()
  assert.deepEqual(p.driver.getId(), p.fuses.chipId)
  p.driver.init()
  launchGuest(p, 1, 'RUNNING')
  launchGuest(p, 2, 'LUPDATE')
  assert.equal(p.driver.platformStatus().guestCount, 2)
  p.driver.shutdown()
  assert.deepEqual([p.driver.platformStatus().guestCount, p.driver.platformStatus().state], [0, 0])
  p.board.flash.write(5, Uint8Array.of(1, 2, 3))
  p.driver.platformReset()
  assert.deepEqual(p.board.flash.read(5, 3), Uint8Array.of(255, 255, 255))
})

test('two platforms of one seed give the same keys, another seed others', needsKernel, () => {
  const dumps = [1, 1, 2].map((seed) => {
    const p = createPlatform({ seed })
    p.driver.init()
    const handle = launchGuest(p, 1, 'LUPDATE')
    p.driver.launchUpdateData(handle, 0x4000, 0x1000)
    return toHex(p.dram.dump(0x4000, 64))
  })
  assert.equal(dumps[0], dumps[1])
  assert.notEqual(dumps[0], dumps[2])
})
