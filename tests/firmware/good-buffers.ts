import { concatBytes, zeroPadded } from '../../src/lib/bytes.js'
import { word64 } from '../../src/lib/word64.js'
import { makeLaunchSession, packageSecret } from '../../src/owner/index.js'
import { isMalformed, parseSevCertificate, PlatformCertificatesLayout } from '../../src/spec/sev/certificates.js'
import * as buffers from '../../src/spec/sev/command-buffers.js'
import type { SevCommandName } from '../../src/spec/sev/command-ids.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { createPlatform, launchGuest, type Platform } from './firmware-platform.js'

/** Platform and guest in each state, and for each command a buffer that is right in every respect but, perhaps, that state. */

export const columns = ['UNINIT', 'INIT', 'LUPDATE', 'LSECRET', 'RUNNING', 'SUPDATE', 'RUPDATE', 'SENT'] as const
export type Column = (typeof columns)[number]

export interface Scene {
  readonly platform: Platform
  /** The named guest, active in ASID 1. */
  readonly handle: number
  readonly column: Column
  /** What LAUNCH_MEASURE answered, and a packet that a sender has made, where the state has these. */
  readonly measure: Uint8Array
  readonly packet: { readonly header: Uint8Array; readonly data: Uint8Array } | undefined
}

/** Where things lie in host memory; the guest's own is at `guest`. */
export const at = {
  guest: 0x4000,
  other: 0x5000,
  header: 0x6000,
  trans: 0x8000,
  mdata: 0xc000,
  pdh: 0x1_0000,
  certs: 0x1_1000,
  amd: 0x1_4000,
  session: 0x1_6000,
  nv: 0x2_0000,
  ids: 0xd000,
}
export const PACKET_DATA_BYTES = 64

export const counted = (): ((bytes: number) => Uint8Array) => {
  let next = 1
  return (bytes) => Uint8Array.from({ length: bytes }, () => (next = (next * 73 + 41) & 0xff))
}

/** Guests with SEV-ES have the ASIDs below 5, and the upper half of memory is for their world switches. */
const withEncryptedState = { sevAsidMin: 5 }

export function sceneIn(column: Column, options: Parameters<typeof createPlatform>[0] = {}, policy = 0): Scene {
  const es = (policy & SevPolicy.ES) !== 0
  const platform = createPlatform(es ? { ...withEncryptedState, ...options } : options)
  const scene = { platform, column, measure: new Uint8Array(32), packet: undefined, handle: 1 }
  const { driver, fuses } = platform
  if (column === 'UNINIT') return scene
  driver.init(es ? buffers.TMR_BYTES : undefined)
  if (column === 'INIT') return scene
  if (column === 'LSECRET') {
    const handle = launchGuest(platform, 1, 'LUPDATE', policy)
    return { ...scene, handle, measure: driver.launchMeasure(handle).measure }
  }
  if (column !== 'RUPDATE') return { ...scene, handle: launchGuest(platform, 1, column, policy) }
  const sender = launchGuest(platform, 2, 'RUNNING', policy)
  const own = driver.ownership.pdhCertExport()
  const { session } = driver.transfer.sendStart(sender, own, { ask: fuses.certificates.ask!, ark: fuses.certificates.ark! })
  const packet = es
    ? driver.transfer.sendUpdateVmsa(sender, at.other, buffers.VMSA_BYTES)
    : driver.transfer.sendUpdateData(sender, at.other, PACKET_DATA_BYTES)
  const handle = driver.transfer.receiveStart(policy, own.pdh, session)
  driver.activate(handle, 1)
  return { ...scene, handle, packet }
}

function packetBuffer({ platform, handle, packet, measure }: Scene, command: SevCommandName): Uint8Array {
  const transport = { tek: new Uint8Array(16), tik: new Uint8Array(16) }
  const secret = packageSecret(transport, measure, new Uint8Array(PACKET_DATA_BYTES), counted())
  const { header, data } = command === 'LAUNCH_SECRET' || !packet ? secret : packet
  const sending = command.startsWith('SEND')
  if (!sending) {
    platform.host.write(at.header, header)
    platform.host.write(at.trans, data)
  }
  const length = command.endsWith('VMSA') ? buffers.VMSA_BYTES : PACKET_DATA_BYTES
  return buffers.PacketBuffer.encode({
    handle,
    hdrPaddr: word64(at.header),
    hdrLength: buffers.PacketHeader.bytes,
    guestPaddr: word64(at.guest),
    guestLength: length,
    transPaddr: word64(at.trans),
    transLength: length,
  })
}

/** Puts certificates and a session into host memory; undefined before INIT, when there are none. */
export function layCertificates({ driver, host, fuses }: Platform, policy = 0): void {
  const { pdh, ...chain } = driver.ownership.pdhCertExport()
  const certificate = parseSevCertificate(pdh)
  if (isMalformed(certificate) || certificate.publicKey.kind !== 'ec') throw new Error('the platform exports its PDH')
  const { godh, blob } = makeLaunchSession({ pdh: certificate.publicKey, apiMajor: 0, apiMinor: 24 }, policy, counted())
  host.write(at.certs, PlatformCertificatesLayout.encode(chain))
  host.write(at.amd, concatBytes(fuses.certificates.ask!, fuses.certificates.ark!))
  host.write(at.pdh, pdh)
  host.write(at.session, zeroPadded(blob, 0x80))
  host.write(at.session + 0x1000, godh)
}

function platformBuffer({ platform, column }: Scene, command: SevCommandName): Uint8Array | undefined {
  const [paddr, other] = [word64(at.guest), word64(at.other)]
  if (column !== 'UNINIT' && command === 'RECEIVE_START') layCertificates(platform)
  switch (command) {
    case 'INIT':
      return buffers.InitBuffer.encode({})
    case 'INIT_EX':
      platform.host.write(at.nv, new Uint8Array(buffers.NV_BYTES).fill(0xff))
      return buffers.InitExBuffer.encode({ length: 0x24, nvPaddr: word64(at.nv), nvLength: buffers.NV_BYTES })
    case 'PLATFORM_STATUS':
      return buffers.PlatformStatusBuffer.encode({})
    case 'GET_ID':
      return buffers.GetIdBuffer.encode({ idPaddr: paddr, idLength: 64 })
    case 'PEK_CSR':
      return buffers.PekCsrBuffer.encode({ csrPaddr: paddr, csrLength: 0x824 })
    case 'PEK_CERT_IMPORT':
      return buffers.PekCertImportBuffer.encode({ pekCertPaddr: paddr, pekCertLength: 0x824, ocaCertPaddr: other, ocaCertLength: 0x824 })
    case 'PDH_CERT_EXPORT':
      return buffers.PdhCertExportBuffer.encode({
        pdhCertPaddr: paddr,
        pdhCertLength: 0x824,
        certsPaddr: word64(at.certs),
        certsLength: 0x186c,
      })
    case 'LAUNCH_START':
      return buffers.LaunchStartBuffer.encode({})
    case 'RECEIVE_START':
      return buffers.ReceiveStartBuffer.encode(receiveAreas)
    default:
      return undefined
  }
}

export function goodBuffer(scene: Scene, command: SevCommandName): Uint8Array {
  return platformBuffer(scene, command) ?? guestBuffer(scene, command)
}

function guestBuffer(scene: Scene, command: SevCommandName): Uint8Array {
  const { platform, handle } = scene
  const [paddr, other] = [word64(at.guest), word64(at.other)]
  const initialised = scene.column !== 'UNINIT'
  switch (command) {
    case 'LAUNCH_UPDATE_DATA':
      return buffers.LaunchUpdateDataBuffer.encode({ handle, paddr, length: 32 })
    case 'LAUNCH_UPDATE_VMSA':
      return buffers.LaunchUpdateDataBuffer.encode({ handle, paddr, length: 0x1000 })
    case 'LAUNCH_MEASURE':
      return buffers.LaunchMeasureBuffer.encode({ handle, measurePaddr: paddr, measureLength: 48 })
    case 'ATTESTATION':
      return buffers.AttestationBuffer.encode({ handle, paddr, length: 0xd0 })
    case 'LAUNCH_SECRET':
    case 'SEND_UPDATE_DATA':
    case 'SEND_UPDATE_VMSA':
    case 'RECEIVE_UPDATE_DATA':
    case 'RECEIVE_UPDATE_VMSA':
      return packetBuffer(scene, command)
    case 'SEND_START':
      if (initialised) layCertificates(platform)
      return buffers.SendStartBuffer.encode({ handle, ...sendAreas })
    case 'ACTIVATE':
      return buffers.ActivateBuffer.encode({ handle, asid: 3 })
    case 'ACTIVATE_EX':
      platform.host.write(at.ids, Uint8Array.of(1, 0, 0, 0))
      return buffers.ActivateExBuffer.encode({ length: 0x18, handle, asid: 3, idCount: 1, idsPaddr: word64(at.ids) })
    case 'GUEST_STATUS':
      return buffers.GuestStatusBuffer.encode({ handle })
    case 'COPY':
      return buffers.CopyBuffer.encode({ handle, length: 32, srcPaddr: paddr, dstPaddr: other })
    case 'SWAP_OUT':
      return buffers.SwapOutBuffer.encode({ handle, srcPaddr: paddr, dstPaddr: other, mdataPaddr: word64(at.mdata) })
    case 'SWAP_IN':
      if (initialised) platform.driver.mailbox.issue('SWAP_OUT', goodBuffer(scene, 'SWAP_OUT'))
      return buffers.SwapInBuffer.encode({ handle, srcPaddr: other, dstPaddr: paddr, mdataPaddr: word64(at.mdata) })
    case 'DBG_DECRYPT':
    case 'DBG_ENCRYPT':
      return buffers.DebugBuffer.encode({ handle, srcPaddr: paddr, dstPaddr: other, length: 16 })
    default:
      return buffers.HandleBuffer.encode({ handle })
  }
}

export const receiveAreas = {
  pdhCertPaddr: word64(at.session + 0x1000),
  pdhCertLength: 0x824,
  sessionPaddr: word64(at.session),
  sessionLength: 0x80,
}

export const sendAreas = {
  pdhCertPaddr: word64(at.pdh),
  pdhCertLength: 0x824,
  platCertsPaddr: word64(at.certs),
  platCertsLength: 0x186c,
  amdCertsPaddr: word64(at.amd),
  amdCertsLength: 0xc80,
  sessionPaddr: word64(at.session),
  sessionLength: 0x80,
}
