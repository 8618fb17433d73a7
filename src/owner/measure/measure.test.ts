import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ascii, fromHex, toHex } from '../../lib/bytes.js'
import { kdfCounter } from '../../lib/crypto.js'
import { compareDigest, compareMeasurement } from './explain.js'
import { type FirmwareLaunch, firmwareLaunchComponents, launchDigest } from './launch-digest.js'
import { expectedMeasure } from './measurement.js'
import { cpuSignatures } from './vmsa.js'

const vectors = new URL('../../../../shared/vectors/', import.meta.url)
const options = { skip: existsSync(vectors) ? false : '../shared/vectors is absent' }
const file = (name: string): Uint8Array => Uint8Array.from(readFileSync(new URL(name, vectors)))

interface DigestCase {
  readonly mode: 'sev' | 'seves' | 'snp'
  readonly vcpus: number
  readonly ovmf: string
  readonly kernel: 'empty' | null
  readonly append: string | null
  readonly digest: string
}

test('launch digests of SEV and SEV-ES guests as sev-snp-measure has them', options, () => {
  const { cases } = JSON.parse(Buffer.from(file('launch-digest/expected.json')).toString()) as { cases: DigestCase[] }
  let judged = 0
  for (const { mode, vcpus, ovmf, kernel, append, digest } of cases) {
    if (mode === 'snp') continue
    const launch: FirmwareLaunch = {
      firmware: file(`launch-digest/${ovmf}`),
      boot: kernel === null ? undefined : { kernel: new Uint8Array(0), initrd: new Uint8Array(0), append: append ?? '' },
      encryptedState: mode === 'seves' ? { vmm: 'qemu', signature: cpuSignatures['EPYC']!, vcpus } : undefined,
    }
    assert.equal(toHex(launchDigest(firmwareLaunchComponents(launch))), digest, `${mode}, ${vcpus} vCPUs`)
    judged++
  }
  assert.equal(judged, 4)
})

test('an image that checks no kernel hashes refuses a kernel from outside', options, () => {
  const boot = { kernel: new Uint8Array(0), initrd: new Uint8Array(0), append: '' }
  assert.throws(() => firmwareLaunchComponents({ firmware: file('launch-digest/ovmf_OvmfX64_suffix.bin'), boot }), RangeError)
  assert.throws(
    () => firmwareLaunchComponents({ firmware: new Uint8Array(64), encryptedState: { vmm: 'qemu', signature: 0, vcpus: 2 } }),
    RangeError,
  )
})

test('the launch measurement of a published example', options, () => {
  const vector = JSON.parse(Buffer.from(file('legacy-launch-measure.json')).toString()) as Record<string, string>
  const bytes = (name: string): Uint8Array => fromHex(vector[name] ?? '')
  const context = { apiMajor: bytes('apiMajor')[0]!, apiMinor: bytes('apiMinor')[0]!, build: bytes('build')[0]!, policy: 0 }
  assert.equal(toHex(expectedMeasure(context, bytes('launchDigest'), bytes('mnonce'), bytes('tik'))), vector['measure'])
})

test('the key derivation as virtee/sev tests it', () => {
  assert.equal(
    toHex(kdfCounter(new Uint8Array(16), ascii('sev-master-secret'), new Uint8Array(16), 128)),
    'ab4d269fcc62bedb4511d56c386ce706',
  )
})

const context = { apiMajor: 0, apiMinor: 24, build: 1, policy: 1 }
const [tik, mnonce] = [new Uint8Array(16).fill(9), new Uint8Array(16).fill(3)]
const components = [
  { name: 'firmware', bytes: ascii('firmware') },
  { name: 'kernel hashes', bytes: ascii('hashes') },
]

test('a mismatch is explained by what the host did differently', () => {
  const reason = (change: Partial<typeof context>, launched = components, key = tik): string => {
    const measure = expectedMeasure({ ...context, ...change }, launchDigest(launched), mnonce, key)
    const { ok, reason } = compareMeasurement(
      { context, components, tik, alternatives: [{ name: 'another kernel', components: [components[0]!] }] },
      { measure, mnonce },
    )
    return `${ok} ${reason}`
  }
  assert.match(reason({}), /^true/)
  assert.match(reason({ policy: 0 }), /^false policy: expected 0x1 \(NODBG\), found 0x0 \(no bit set\)$/)
  assert.match(reason({ build: 7 }), /^false firmware build: expected 1, found 7$/)
  assert.match(reason({ apiMinor: 22 }), /^false API version: expected 0.24, found 0.22$/)
  assert.match(reason({}, components.slice(0, 1)), /^false contents: .* found without kernel hashes$/)
  assert.match(reason({ policy: 5 }, [...components].reverse()), /^false contents: .*; policy: /)
  assert.match(reason({}, components, new Uint8Array(16)), /^false transport key: .* without the session$/)
  assert.match(reason({}, [{ name: 'x', bytes: ascii('evil') }]), /^false the bytes of firmware, kernel hashes differ/)
  assert.equal(compareDigest(components, launchDigest(components)).ok, true)
  assert.match(compareDigest(components, launchDigest(components.slice(1))).reason, /without firmware/)
})
