import { word64, type Word64 } from '../../src/lib/word64.js'
import type { SevCommandName } from '../../src/spec/sev/command-ids.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import type { SevStatusName } from '../../src/spec/sev/status.js'
import { GUESTS_MAX } from '../../src/silicon/secure-processor/index.js'
import { DRAM_BYTES, launchGuest } from './firmware-platform.js'
import { at, type Column, layCertificates, type Scene } from './good-buffers.js'
import { outsideOwner } from './outside-owner.js'

/*
 * What document 55766 says of each field of each command buffer that is not as it should be, one change at a time. Written apart from the
 * firmware. The handles that nobody has, the reserved fields and the states have their own tests (command-states.test.ts), and what MACs,
 * measurements and signatures cover has, bit by bit, in session.test.ts, transfer.test.ts and ownership.test.ts.
 */

export type Change = Readonly<Record<string, number | Word64>>

export interface Case {
  readonly change: Change
  readonly status: SevStatusName
  /** Fields that the firmware fills in although it refuses: lengths that were asked for. */
  readonly told?: Readonly<Record<string, number>>
}

/** One scene in which the cases are tried one after the other. None may change anything, so that the command with nothing changed is answered as ever in the end. */
export interface Trial {
  readonly command: SevCommandName
  readonly column: Column
  readonly policy?: number
  /** Where the scene is not the plain one. */
  readonly given?: { readonly says: string; prepare(scene: Scene): void }
  /** Changed in all cases and in the end. */
  readonly base?: Change
  readonly cases: readonly Case[]
  readonly afterwards?: SevStatusName
}

const CERTIFICATE = 0x824
const CHAIN = 0x186c
const PACKET = 64
const PAGE = 0x1000

const refused = (status: SevStatusName, ...changes: readonly Change[]): Case[] => changes.map((change) => ({ change, status }))

/** An area of `bytes` that begins off its alignment, ends beyond DRAM, wraps around, or lies beyond 4 GiB. */
function address(field: string, bytes: number, alignment = 1): Case[] {
  const off: Word64[] = []
  for (let bad = 1; bad < alignment; bad *= 2) off.push(word64(at.guest + bad))
  const outside = [
    word64(DRAM_BYTES - bytes + alignment),
    word64(DRAM_BYTES),
    { lo: at.guest, hi: 1 },
    { lo: at.guest, hi: 0x8000_0000 },
    { lo: (0x1_0000_0000 - alignment) >>> 0, hi: 0xffff_ffff },
    { lo: 0, hi: 0xffff_ffff },
  ]
  return refused('INVALID_ADDRESS', ...[...off, ...outside].map((paddr) => ({ [field]: paddr })))
}

const lengths = (field: string, ...values: readonly number[]): Case[] =>
  refused('INVALID_LENGTH', ...values.map((value) => ({ [field]: value })))

/** A length too short for what the firmware has to give: it says what it needs. */
const asked = (values: readonly number[], field: string, told: Readonly<Record<string, number>>): Case[] =>
  values.map((value) => ({ change: { [field]: value }, status: 'INVALID_LENGTH', told }))

const bits = (field: string, from: number, to: number, status: SevStatusName): Case[] =>
  refused(status, ...Array.from({ length: to - from + 1 }, (_, i) => ({ [field]: 2 ** (from + i) })))

const policies: Case[] = [
  ...bits('policy', 6, 15, 'INVALID_PARAM'),
  ...refused('UNSUPPORTED', { policy: SevPolicy.ES }),
  ...refused('POLICY_FAILURE', { policy: (25 << 24) >>> 0 }, { policy: 1 << 16 }, { policy: 0xffff_0000 }),
]
const sharing: Case[] = [
  ...refused('INVALID_GUEST', { handle: 999 }, { handle: 0xffff_ffff }),
  ...refused('POLICY_FAILURE', { handle: 1, policy: SevPolicy.NODBG }, { handle: 1, policy: SevPolicy.NOKS }),
]

const esMemory: Case[] = [
  ...lengths('tmrLength', 0, 0xf_ffff),
  ...refused('INVALID_ADDRESS', { tmrLength: 0x10_0000, tmrPaddr: word64(PAGE) }, { tmrLength: 0x10_0000, tmrPaddr: word64(0x8_0000) }),
  ...refused(
    'INVALID_ADDRESS',
    { tmrLength: 0x10_0000, tmrPaddr: word64(DRAM_BYTES) },
    { tmrLength: 0x10_0000, tmrPaddr: { lo: 0, hi: 1 } },
  ),
  ...refused('INVALID_ADDRESS', { tmrLength: 0x20_0000, tmrPaddr: word64(0x10_0000) }, { tmrLength: 0xffff_ffff, tmrPaddr: word64(0) }),
].map((one) => ({ ...one, change: { flags: 1, ...one.change } }))

const inactive = {
  says: 'the guest is inactive',
  prepare: ({ platform, handle }: Scene): void => platform.driver.deactivate(handle),
}
const whileInactive = (command: SevCommandName, column: Column, status: SevStatusName = 'INACTIVE', policy = 0): Trial => ({
  command,
  column,
  policy,
  given: inactive,
  cases: refused(status, {}),
  afterwards: status,
})

const initTrials: readonly Trial[] = [
  { command: 'INIT', column: 'UNINIT', cases: [...bits('flags', 1, 31, 'INVALID_PARAM'), ...esMemory] },
  {
    command: 'INIT_EX',
    column: 'UNINIT',
    cases: [
      ...lengths('length', 0, 0x23, 0x25, 0xffff_ffff),
      ...lengths('nvLength', 0, 0x7fff, 0x8001, 0xffff_ffff),
      ...address('nvPaddr', 0x8000),
      ...bits('flags', 1, 31, 'INVALID_PARAM'),
      ...esMemory,
    ],
  },
  { command: 'GET_ID', column: 'UNINIT', cases: [...asked([0, 63], 'idLength', { idLength: 64 }), ...address('idPaddr', 64)] },
  {
    command: 'PEK_CSR',
    column: 'INIT',
    cases: [...asked([0, 0x823], 'csrLength', { csrLength: CERTIFICATE }), ...address('csrPaddr', CERTIFICATE)],
  },
  {
    command: 'PDH_CERT_EXPORT',
    column: 'INIT',
    cases: [
      ...asked([0, CERTIFICATE - 1], 'pdhCertLength', { pdhCertLength: CERTIFICATE, certsLength: CHAIN }),
      ...asked([0, CHAIN - 1], 'certsLength', { pdhCertLength: CERTIFICATE, certsLength: CHAIN }),
      ...address('pdhCertPaddr', CERTIFICATE),
      ...address('certsPaddr', CHAIN),
    ],
  },
  {
    command: 'PEK_CERT_IMPORT',
    column: 'INIT',
    given: {
      says: 'an owner has signed',
      prepare({ platform: { driver, host } }) {
        const owner = outsideOwner(3)
        host.write(at.guest, owner.sign(driver.ownership.pekCsr()))
        host.write(at.other, owner.certificate)
      },
    },
    cases: [
      ...lengths('pekCertLength', 0, CERTIFICATE - 1, CERTIFICATE + 1),
      ...lengths('ocaCertLength', 0, CERTIFICATE - 1, CERTIFICATE + 1),
      ...address('pekCertPaddr', CERTIFICATE),
      ...address('ocaCertPaddr', CERTIFICATE),
      ...refused('INVALID_CERTIFICATE', { pekCertPaddr: word64(at.other) }, { ocaCertPaddr: word64(at.guest) }),
    ],
  },
]

const neighbour = {
  says: 'the guest is inactive, and another is active in ASID 2',
  prepare(scene: Scene): void {
    inactive.prepare(scene)
    launchGuest(scene.platform, 2, 'RUNNING')
  },
}
const asids: Case[] = [
  ...refused('INVALID_ASID', { asid: 0 }, { asid: 16 }, { asid: 0x8000_0000 }, { asid: 0xffff_ffff }),
  ...refused('ASID_OWNED', { asid: 2 }),
  ...refused('WBINVD_REQUIRED', { asid: 1 }),
]

const guestTrials: readonly Trial[] = [
  { command: 'ACTIVATE', column: 'RUNNING', given: neighbour, cases: asids },
  {
    command: 'ACTIVATE_EX',
    column: 'RUNNING',
    given: neighbour,
    cases: [
      ...asids,
      ...lengths('length', 0, 0x17, 0x19, 0xffff_ffff),
      ...refused('INVALID_PARAM', { idCount: 0 }, { idCount: 3 }, { idCount: 0xffff_ffff }, { idsPaddr: word64(at.ids - 3) }),
      ...address('idsPaddr', 4),
    ],
  },
  {
    command: 'ACTIVATE',
    column: 'RUNNING',
    policy: SevPolicy.ES,
    given: inactive,
    cases: refused('INVALID_ASID', { asid: 0 }, { asid: 5 }, { asid: 15 }),
  },
  whileInactive('DEACTIVATE', 'RUNNING'),
  {
    command: 'COPY',
    column: 'RUNNING',
    cases: [
      ...lengths('length', 0, 8, 24, 0xffff_ffff),
      ...address('srcPaddr', 32, 16),
      ...address('dstPaddr', 32, 16),
      ...refused('INVALID_ADDRESS', { length: 0xffff_fff0 }, { dstPaddr: word64(at.guest) }, { dstPaddr: word64(at.guest + 16) }),
    ],
  },
  whileInactive('COPY', 'RUNNING'),
  ...(['DBG_DECRYPT', 'DBG_ENCRYPT'] as const).flatMap((command): Trial[] => [
    {
      command,
      column: 'RUNNING',
      cases: [
        ...lengths('length', 0, 8, 24, 0xffff_ffff),
        ...address('srcPaddr', 16, 16),
        ...address('dstPaddr', 16, 16),
        ...refused('INVALID_ADDRESS', { length: 0xffff_fff0 }),
      ],
    },
    { command, column: 'RUNNING', policy: SevPolicy.NODBG, cases: refused('POLICY_FAILURE', {}), afterwards: 'POLICY_FAILURE' },
    whileInactive(command, 'RUNNING'),
  ]),
]

const swapCases: Case[] = [
  ...bits('flags', 4, 31, 'INVALID_PARAM'),
  ...refused('INVALID_PARAM', { flags: 2 }, { flags: 6 }, { flags: 5 }),
  ...refused('POLICY_FAILURE', { flags: 4 }),
  ...address('srcPaddr', PAGE, PAGE),
  ...address('dstPaddr', PAGE, PAGE),
  ...address('mdataPaddr', 64, 64),
  ...refused('INVALID_ADDRESS', { flags: 1 }, { mdataPaddr: word64(at.guest) }, { mdataPaddr: word64(at.other + PAGE - 64) }),
]
const swapTrials: readonly Trial[] = [
  {
    command: 'SWAP_OUT',
    column: 'RUNNING',
    cases: [...swapCases, ...refused('INVALID_PARAM', { flags: 8 }), ...refused('INVALID_ADDRESS', { dstPaddr: word64(at.guest) })],
  },
  {
    command: 'SWAP_IN',
    column: 'RUNNING',
    cases: [...swapCases, ...refused('INVALID_ADDRESS', { flags: 8 }, { srcPaddr: word64(at.guest) })],
  },
  whileInactive('SWAP_OUT', 'RUNNING'),
  whileInactive('SWAP_IN', 'RUNNING'),
]

const crowd = {
  says: `${GUESTS_MAX} guests live here`,
  prepare(scene: Scene): void {
    const { driver } = scene.platform
    layCertificates(scene.platform)
    while (driver.platformStatus().guestCount < GUESTS_MAX) driver.launchStart(0)
  },
}
const ownersSession = { says: 'an owner has made a session', prepare: ({ platform }: Scene): void => layCertificates(platform) }
const session = (certificate: string, length: string): Case[] => [
  ...lengths(length, 0, CERTIFICATE - 1, CERTIFICATE + 1),
  ...lengths('sessionLength', 0, 0x7f, 0x81),
  ...address(certificate, CERTIFICATE),
  ...address('sessionPaddr', 0x80),
  // A page of the guest's is neither.
  ...refused('INVALID_CERTIFICATE', { [certificate]: word64(at.guest) }, { [certificate]: word64(at.certs) }),
  ...refused('BAD_MEASUREMENT', { sessionPaddr: word64(at.guest) }, { policy: SevPolicy.NODBG }),
]

const launchTrials: readonly Trial[] = [
  { command: 'LAUNCH_START', column: 'RUNNING', cases: [...policies, ...sharing] },
  {
    command: 'LAUNCH_START',
    column: 'INIT',
    given: ownersSession,
    base: { dhCertPaddr: word64(at.session + PAGE), dhCertLength: CERTIFICATE, sessionPaddr: word64(at.session), sessionLength: 0x80 },
    cases: session('dhCertPaddr', 'dhCertLength'),
  },
  { command: 'LAUNCH_START', column: 'RUNNING', given: crowd, cases: refused('RESOURCE_LIMIT', {}), afterwards: 'RESOURCE_LIMIT' },
  {
    command: 'LAUNCH_UPDATE_DATA',
    column: 'LUPDATE',
    cases: [
      ...lengths('length', 0, 8, 24, 0xffff_ffff),
      ...address('paddr', 32, 16),
      ...refused('INVALID_ADDRESS', { length: 0xffff_fff0 }),
    ],
  },
  whileInactive('LAUNCH_UPDATE_DATA', 'LUPDATE'),
  {
    command: 'LAUNCH_UPDATE_VMSA',
    column: 'LUPDATE',
    policy: SevPolicy.ES,
    cases: [...lengths('length', 0, 16, PAGE - 1, PAGE + 16, 2 * PAGE), ...address('paddr', PAGE, PAGE)],
  },
  whileInactive('LAUNCH_UPDATE_VMSA', 'LUPDATE', 'INACTIVE', SevPolicy.ES),
  {
    command: 'LAUNCH_MEASURE',
    column: 'LUPDATE',
    cases: [...asked([0, 47], 'measureLength', { measureLength: 48 }), ...address('measurePaddr', 48)],
  },
  { command: 'ATTESTATION', column: 'RUNNING', cases: [...asked([0, 0xcf], 'length', { length: 0xd0 }), ...address('paddr', 0xd0)] },
]

/** Of packets that come in: LAUNCH_SECRET and RECEIVE_UPDATE_*. */
const incoming = (bytes: number): Case[] => [
  ...lengths('hdrLength', 0, 0x33, 0x35),
  ...lengths('guestLength', 0, 8, bytes - 16, bytes + 16),
  ...lengths('transLength', 0, bytes - 16, bytes + 16),
  ...refused(
    'INVALID_LENGTH',
    { guestLength: 0, transLength: 0 },
    { guestLength: 24, transLength: 24 },
    { guestLength: 0x4010, transLength: 0x4010 },
  ),
  ...address('hdrPaddr', 0x34),
  ...address('transPaddr', bytes),
  ...address('guestPaddr', bytes, 16),
]
/** Of packets that go out. */
const outgoing = (bytes: number): Case[] => [
  ...asked([0, 0x33], 'hdrLength', { hdrLength: 0x34, transLength: bytes }),
  ...asked([0, bytes - 1], 'transLength', { hdrLength: 0x34, transLength: bytes }),
  ...lengths('guestLength', 0, 8),
  ...refused('INVALID_LENGTH', { guestLength: 0x4010, transLength: 0x4010 }, { guestLength: 0xffff_fff0, transLength: 0xffff_fff0 }),
  ...address('hdrPaddr', 0x34),
  ...address('transPaddr', bytes),
  ...address('guestPaddr', bytes, 16),
]

const sendStart: Trial = {
  command: 'SEND_START',
  column: 'RUNNING',
  policy: SevPolicy.SEV | SevPolicy.DOMAIN,
  cases: [
    ...asked([0, 0x7f], 'sessionLength', { sessionLength: 0x80 }),
    ...lengths('pdhCertLength', 0, CERTIFICATE - 1, CERTIFICATE + 1),
    ...lengths('platCertsLength', 0, CHAIN - 1, CHAIN + 1),
    ...lengths('amdCertsLength', 0, 0xc81, 0xffff_ffff),
    ...address('pdhCertPaddr', CERTIFICATE),
    ...address('platCertsPaddr', CHAIN),
    ...address('amdCertsPaddr', 0xc80),
    ...address('sessionPaddr', 0x80),
    ...refused('INVALID_CERTIFICATE', { pdhCertPaddr: word64(at.certs) }, { platCertsPaddr: word64(at.guest) }),
    ...refused(
      'INVALID_CERTIFICATE',
      { amdCertsPaddr: word64(at.guest) },
      { amdCertsLength: 0x640 },
      { amdCertsLength: 0xc7f },
      { amdCertsLength: 1 },
    ),
  ],
}

const transferTrials: readonly Trial[] = [
  { command: 'LAUNCH_SECRET', column: 'LSECRET', cases: incoming(PACKET) },
  whileInactive('LAUNCH_SECRET', 'LSECRET'),
  sendStart,
  {
    command: 'SEND_START',
    column: 'RUNNING',
    policy: SevPolicy.NOSEND,
    cases: refused('POLICY_FAILURE', {}),
    afterwards: 'POLICY_FAILURE',
  },
  { command: 'SEND_UPDATE_DATA', column: 'SUPDATE', cases: outgoing(PACKET) },
  whileInactive('SEND_UPDATE_DATA', 'SUPDATE'),
  {
    command: 'SEND_UPDATE_VMSA',
    column: 'SUPDATE',
    policy: SevPolicy.ES,
    cases: [...outgoing(PAGE), ...lengths('guestLength', 64, PAGE - 16, PAGE + 16)],
  },
  whileInactive('SEND_UPDATE_VMSA', 'SUPDATE', 'INACTIVE', SevPolicy.ES),
  { command: 'RECEIVE_START', column: 'RUNNING', given: ownersSession, cases: [...policies, ...sharing] },
  { command: 'RECEIVE_START', column: 'INIT', cases: session('pdhCertPaddr', 'pdhCertLength') },
  { command: 'RECEIVE_START', column: 'RUNNING', given: crowd, cases: refused('RESOURCE_LIMIT', {}), afterwards: 'RESOURCE_LIMIT' },
  { command: 'RECEIVE_UPDATE_DATA', column: 'RUPDATE', cases: incoming(PACKET) },
  whileInactive('RECEIVE_UPDATE_DATA', 'RUPDATE'),
  {
    command: 'RECEIVE_UPDATE_VMSA',
    column: 'RUPDATE',
    policy: SevPolicy.ES,
    cases: [...incoming(PAGE), ...lengths('guestLength', 64, 2 * PAGE)],
  },
  whileInactive('RECEIVE_UPDATE_VMSA', 'RUPDATE', 'INACTIVE', SevPolicy.ES),
]

export const trials: readonly Trial[] = [...initTrials, ...guestTrials, ...swapTrials, ...launchTrials, ...transferTrials]

/** Fields that take any value, or that the firmware only writes. */
export const free: Readonly<Partial<Record<SevCommandName, readonly string[]>>> = {
  PLATFORM_STATUS: ['apiMajor', 'apiMinor', 'state', 'owner', 'config', 'build', 'guestCount'],
  GUEST_STATUS: ['policy', 'asid', 'state'],
  SEND_START: ['policy'],
  ATTESTATION: ['mnonce'],
  SWAP_OUT: ['softwareData'],
}
