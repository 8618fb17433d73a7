import type { Values } from '../../lib/layout.js'
import { word64 } from '../../lib/word64.js'
import type { HostPort } from '../../silicon/doors/host.js'
import {
  ActivateBuffer,
  AttestationBuffer,
  AttestationReportLayout,
  DebugBuffer,
  GetIdBuffer,
  GuestStatusBuffer,
  HandleBuffer,
  INIT_FLAG_SEV_ES,
  InitBuffer,
  LaunchMeasureBuffer,
  LaunchStartBuffer,
  LaunchUpdateDataBuffer,
  Measurement,
  PlatformStatusBuffer,
  TMR_BYTES,
  VMSA_BYTES,
} from '../../spec/sev/command-buffers.js'
import { SevStatus } from '../../spec/sev/status.js'
import { SevCalls } from './sev-calls.js'
import { SevError } from './sev-error.js'
import type { ScratchAllocator, SevMailbox } from './sev-mailbox.js'
import { SevOwnership } from './sev-ownership.js'
import { type Packet, SevTransfer } from './sev-transfer.js'

/** What goes through the driver's scratch page at a time. */
const DEBUG_BYTES_MAX = 0x1000

/** What a guest's owner hands to the host for LAUNCH_START. */
export interface OwnerSession {
  /** The owner's Diffie-Hellman certificate. */
  readonly godh: Uint8Array
  readonly blob: Uint8Array
}

/**
 * The host's side of the mailbox: typed commands that throw `SevError` where the secure processor refuses. The order of a guest's life
 * is Linux's: init, launchStart, activate, launchUpdateData …, launchMeasure, launchFinish; deactivate, decommission, and
 * flushAsids before its ASID is used again.
 */
export class SevDriver {
  readonly ownership: SevOwnership
  readonly transfer: SevTransfer
  private readonly calls: SevCalls
  private readonly host: HostPort

  constructor(host: HostPort, scratch: ScratchAllocator) {
    this.host = host
    this.calls = new SevCalls(host, scratch)
    this.ownership = new SevOwnership(this.calls)
    this.transfer = new SevTransfer(this.calls)
  }

  /** For raw commands, whose status is the caller's business. */
  get mailbox(): SevMailbox {
    return this.calls.mailbox
  }

  /**
   * INIT, then what makes the ASIDs usable: WBINVD on every core and DF_FLUSH. With `tmrSpa` (1 MiB aligned, 1 MiB) also for SEV-ES guests.
   * Persistent state that the chip refuses is erased by it, and the second try begins anew (sev-dev.c does the same).
   */
  init(tmrSpa?: number): void {
    const es = tmrSpa === undefined ? {} : { flags: INIT_FLAG_SEV_ES, tmrPaddr: word64(tmrSpa), tmrLength: TMR_BYTES }
    const { status } = this.mailbox.issue('INIT', InitBuffer.encode(es))
    if (status === SevStatus.SECURE_DATA_INVALID) this.calls.call('INIT', InitBuffer, es)
    else if (status !== SevStatus.SUCCESS) throw new SevError('INIT', status)
    this.flushAsids()
  }

  shutdown(): void {
    this.calls.callPlain('SHUTDOWN')
  }

  platformReset(): void {
    this.calls.callPlain('PLATFORM_RESET')
  }

  platformStatus(): Values<typeof PlatformStatusBuffer.fields> {
    return this.calls.call('PLATFORM_STATUS', PlatformStatusBuffer, {})
  }

  /** The chip's unique identity. The first call, with no room, asks for its length. */
  getId(): Uint8Array {
    const asked = this.mailbox.issue('GET_ID', GetIdBuffer.encode({}))
    if (asked.status !== SevStatus.INVALID_LENGTH) throw new SevError('GET_ID', asked.status)
    const { idLength } = GetIdBuffer.decode(asked.buffer)
    this.calls.call('GET_ID', GetIdBuffer, { idPaddr: word64(this.mailbox.dataSpa), idLength })
    return this.host.read(this.mailbox.dataSpa, idLength)
  }

  /** Makes the ASIDs of deactivated guests usable again. */
  flushAsids(): void {
    for (const core of this.host.cores) core.wbinvd()
    this.calls.callPlain('DF_FLUSH')
  }

  /** A new guest; returns its handle. `sharedHandle` names a guest whose key it shall share, `session` is what its owner has made for this platform. */
  launchStart(policy: number, sharedHandle = 0, session?: OwnerSession): number {
    if (!session) return this.calls.call('LAUNCH_START', LaunchStartBuffer, { handle: sharedHandle, policy }).handle
    const [godh, blob] = this.calls.lay(session.godh, session.blob)
    const where = { dhCertPaddr: godh!.paddr, dhCertLength: godh!.length, sessionPaddr: blob!.paddr, sessionLength: blob!.length }
    return this.calls.call('LAUNCH_START', LaunchStartBuffer, { handle: sharedHandle, policy, ...where }).handle
  }

  activate(handle: number, asid: number): void {
    this.calls.call('ACTIVATE', ActivateBuffer, { handle, asid })
  }

  /** Encrypts [spa, spa + length) in place under the guest's key. */
  launchUpdateData(handle: number, spa: number, length: number): void {
    this.calls.call('LAUNCH_UPDATE_DATA', LaunchUpdateDataBuffer, { handle, paddr: word64(spa), length })
  }

  /** Encrypts the page at `spa`, which holds the registers of one vCPU. */
  launchUpdateVmsa(handle: number, spa: number): void {
    this.calls.call('LAUNCH_UPDATE_VMSA', LaunchUpdateDataBuffer, { handle, paddr: word64(spa), length: VMSA_BYTES })
  }

  launchMeasure(handle: number): Values<typeof Measurement.fields> {
    const { dataSpa } = this.mailbox
    this.calls.call('LAUNCH_MEASURE', LaunchMeasureBuffer, { handle, measurePaddr: word64(dataSpa), measureLength: Measurement.bytes })
    return Measurement.decode(this.host.read(dataSpa, Measurement.bytes))
  }

  /** Puts the owner's secret, at most 16 KiB, into guest memory at `spa`. */
  launchSecret(handle: number, spa: number, packet: Packet): void {
    this.transfer.launchSecret(handle, spa, packet)
  }

  launchFinish(handle: number): void {
    this.calls.call('LAUNCH_FINISH', HandleBuffer, { handle })
  }

  guestStatus(handle: number): Values<typeof GuestStatusBuffer.fields> {
    return this.calls.call('GUEST_STATUS', GuestStatusBuffer, { handle })
  }

  /** A report on the guest, signed by the platform's PEK. */
  attestation(handle: number, mnonce: Uint8Array): Uint8Array {
    const [report] = this.calls.lay(AttestationReportLayout.bytes)
    this.calls.call('ATTESTATION', AttestationBuffer, { handle, paddr: report!.paddr, mnonce, length: report!.length })
    return report!.read()
  }

  deactivate(handle: number): void {
    this.calls.call('DEACTIVATE', HandleBuffer, { handle })
  }

  decommission(handle: number): void {
    this.calls.call('DECOMMISSION', HandleBuffer, { handle })
  }

  /** Ends a guest's life: its ASID needs `flushAsids` before it is used again. */
  retire(handle: number): void {
    if (this.guestStatus(handle).asid !== 0) this.deactivate(handle)
    this.decommission(handle)
  }

  /** Guest memory in clear, where the policy allows debugging: whole 16-byte blocks, at most a page at a time through the scratch page. */
  dbgDecrypt(handle: number, spa: number, length: number): Uint8Array {
    const plaintext = new Uint8Array(length)
    for (let done = 0; done < length; done += DEBUG_BYTES_MAX) {
      const n = Math.min(DEBUG_BYTES_MAX, length - done)
      this.calls.call('DBG_DECRYPT', DebugBuffer, {
        handle,
        srcPaddr: word64(spa + done),
        dstPaddr: word64(this.mailbox.dataSpa),
        length: n,
      })
      plaintext.set(this.host.read(this.mailbox.dataSpa, n), done)
    }
    return plaintext
  }

  /** Writes `plaintext` (whole 16-byte blocks) into guest memory under the guest's key. */
  dbgEncrypt(handle: number, spa: number, plaintext: Uint8Array): void {
    for (let done = 0; done < plaintext.length; done += DEBUG_BYTES_MAX) {
      const part = plaintext.subarray(done, done + DEBUG_BYTES_MAX)
      this.host.write(this.mailbox.dataSpa, part)
      const target = { dstPaddr: word64(spa + done), srcPaddr: word64(this.mailbox.dataSpa) }
      this.calls.call('DBG_ENCRYPT', DebugBuffer, { handle, ...target, length: part.length })
    }
  }
}
