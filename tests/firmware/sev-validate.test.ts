import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { concatBytes, indexOfBytes, toHex, u32le } from '../../src/lib/bytes.js'
import { cpuSignatures, firmwareLaunchComponents, type FirmwareLaunch, makeLaunchSession } from '../../src/owner/index.js'
import { isMalformed, parseSevCertificate } from '../../src/spec/sev/certificates.js'
import { guidBytes } from '../../src/spec/sev/guid.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { createPlatform, needsKernel, statusOf } from './firmware-platform.js'
import { counted } from './good-buffers.js'
import { findJudge, type Judge } from './judge.js'

// libvirt's owner tool judges a launch on our firmware (judge.ts says where it comes from).
const found = await findJudge()
const absent = typeof found === 'string' ? found : (needsKernel.skip ?? false)

/** The skips of the tests see to it that there is one. */
function judge(): Judge {
  assert.ok(typeof found !== 'string')
  return found
}

const DRAM_BYTES = 16 << 20
const TMR_SPA = 12 << 20
const LAUNCH_SPA = 1 << 20
const SECRET_SPA = 0x8000

interface Launched {
  readonly platform: ReturnType<typeof createPlatform>
  readonly handle: number
  readonly asid: number
  readonly measurement: Uint8Array
}

/** A launch of everything in `launch`, with an owner's session whose keys go into `folder`. */
function launchForOwner(folder: string, launch: FirmwareLaunch, policy: number): Launched {
  const platform = createPlatform({ cores: 1, sevAsidMin: 5, dramBytes: DRAM_BYTES })
  const { driver, host } = platform
  driver.init(TMR_SPA)
  const pdh = parseSevCertificate(driver.ownership.pdhCertExport().pdh)
  assert.ok(!isMalformed(pdh) && pdh.publicKey.kind === 'ec')
  const session = makeLaunchSession({ pdh: pdh.publicKey, apiMajor: 0, apiMinor: 24 }, policy, counted())
  writeFileSync(join(folder, 'tik'), session.tik)
  writeFileSync(join(folder, 'tek'), session.tek)
  const asid = (policy & SevPolicy.ES) !== 0 ? 1 : 5
  const handle = driver.launchStart(policy, 0, session)
  driver.activate(handle, asid)
  let at = LAUNCH_SPA
  for (const { name, bytes } of firmwareLaunchComponents(launch)) {
    host.write(at, bytes)
    if (name.startsWith('registers')) driver.launchUpdateVmsa(handle, at)
    else driver.launchUpdateData(handle, at, bytes.length)
    if (name.startsWith('registers')) writeFileSync(join(folder, `vmsa${name.endsWith(' 0') ? 0 : 1}`), bytes)
    at += Math.ceil(bytes.length / 0x1000) * 0x1000
  }
  const { measure, mnonce } = driver.launchMeasure(handle)
  return { platform, handle, asid, measurement: Uint8Array.of(...measure, ...mnonce) }
}

function validate(folder: string, measurement: Uint8Array, policy: number, options: readonly string[]): { ok: boolean; said: string } {
  const keys = ['--tik', join(folder, 'tik'), '--tek', join(folder, 'tek')]
  const version = ['--api-major', '0', '--api-minor', '24', '--build-id', '1', '--policy', String(policy)]
  const given = ['--measurement', Buffer.from(measurement).toString('base64')]
  const { status, stdout, stderr } = judge().run(...given, ...keys, ...version, ...options)
  return { ok: status === 0, said: stdout + stderr }
}

function inFolder(act: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-validate-'))
  try {
    act(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const debianFirmware = (): Uint8Array => Uint8Array.from(readFileSync(judge().firmware))

test("virt-qemu-sev-validate accepts a launch of Debian's OVMF, and its secret reaches the guest", { skip: absent }, () => {
  inFolder((folder) => {
    const { platform, handle, asid, measurement } = launchForOwner(folder, { firmware: debianFirmware() }, SevPolicy.NODBG)
    const key = 'correct horse battery staple'
    writeFileSync(join(folder, 'key'), key)
    const inject = [
      '--inject-secret',
      `luks-key:${join(folder, 'key')}`,
      '--secret-header',
      join(folder, 'h'),
      '--secret-payload',
      join(folder, 'p'),
    ]
    const verdict = validate(folder, measurement, SevPolicy.NODBG, ['--firmware', judge().firmware, ...inject])
    assert.ok(verdict.ok, verdict.said)

    const unpacked = (name: string): Uint8Array => Uint8Array.from(Buffer.from(readFileSync(join(folder, name), 'utf8'), 'base64'))
    const packet = { header: unpacked('h'), data: unpacked('p') }
    const broken = { ...packet, data: packet.data.map((byte, i) => (i === 3 ? byte ^ 1 : byte)) }
    assert.equal(
      statusOf(() => platform.driver.launchSecret(handle, SECRET_SPA, broken)),
      'BAD_MEASUREMENT',
    )
    platform.driver.launchSecret(handle, SECRET_SPA, packet)
    const inside = platform.memory.read(SECRET_SPA, packet.data.length, asid)
    assert.ok(indexOfBytes(inside, Buffer.from(key)) > 0, toHex(inside))
    assert.equal(indexOfBytes(platform.dram.dump(0, DRAM_BYTES), Buffer.from(key)), -1)
  })
})

test('it refuses where the policy or one byte is another', { skip: absent }, () => {
  inFolder((folder) => {
    const firmware = debianFirmware()
    const { measurement } = launchForOwner(folder, { firmware }, SevPolicy.NODBG)
    const refused = validate(folder, measurement, SevPolicy.NODBG | SevPolicy.NOKS, ['--firmware', judge().firmware])
    assert.match(refused.said, /Measurement does not match/)
    assert.equal(refused.ok, false)
    const tampered = firmware.slice()
    tampered[1_000_000]! ^= 0x10
    const other = launchForOwner(folder, { firmware: tampered }, SevPolicy.NODBG)
    assert.equal(validate(folder, other.measurement, SevPolicy.NODBG, ['--firmware', judge().firmware]).ok, false)
  })
})

test('it accepts a launch with SEV-ES on two vCPUs', { skip: absent }, () => {
  inFolder((folder) => {
    const policy = SevPolicy.NODBG | SevPolicy.ES
    const encryptedState = { vmm: 'qemu', signature: cpuSignatures['EPYC-Milan']!, vcpus: 2 } as const
    const { measurement } = launchForOwner(folder, { firmware: debianFirmware(), encryptedState }, policy)
    const state = ['--vmsa-cpu0', join(folder, 'vmsa0'), '--vmsa-cpu1', join(folder, 'vmsa1')]
    const verdict = validate(folder, measurement, policy, ['--firmware', judge().firmware, '--num-cpus', '2', ...state])
    assert.ok(verdict.ok, verdict.said)
    assert.equal(validate(folder, measurement, policy, ['--firmware', judge().firmware, '--num-cpus', '3', ...state]).ok, false)
  })
})

/** The last page of an image that checks what it boots: nothing but its table of GUIDs (OvmfPkg/AmdSev), which says where the hashes go. */
function hashingFirmware(): Uint8Array {
  const [table, hashes] = [guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d'), guidBytes('7255371f-3a3b-4b04-927b-1da6efa8d454')]
  const entry = concatBytes(u32le(0x80_fc00), u32le(0x400), Uint8Array.of(26, 0), hashes)
  const footer = concatBytes(Uint8Array.of(entry.length + 18, 0), table)
  return concatBytes(new Uint8Array(0x1000 - entry.length - footer.length - 32).fill(0x90), entry, footer, new Uint8Array(32).fill(0xf4))
}

test('it accepts kernel hashes, and refuses another command line', { skip: absent }, () => {
  inFolder((folder) => {
    for (const name of ['kernel', 'initrd']) writeFileSync(join(folder, name), `the ${name}`)
    const boot = { kernel: Buffer.from('the kernel'), initrd: Buffer.from('the initrd'), append: 'console=ttyS0 ümlaut' }
    const firmware = hashingFirmware()
    writeFileSync(join(folder, 'firmware'), firmware)
    const { measurement } = launchForOwner(folder, { firmware, boot }, SevPolicy.NODBG)
    const files = ['--firmware', join(folder, 'firmware'), '--kernel', join(folder, 'kernel'), '--initrd', join(folder, 'initrd')]
    const verdict = validate(folder, measurement, SevPolicy.NODBG, [...files, '--cmdline', boot.append])
    assert.ok(verdict.ok, verdict.said)
    assert.equal(validate(folder, measurement, SevPolicy.NODBG, [...files, '--cmdline', 'console=ttyS1']).ok, false)
  })
})
