import type { Fields, Layout, Values } from '../../lib/layout.js'
import { word64 } from '../../lib/word64.js'
import type { HostPort } from '../../silicon/doors/host.js'
import {
  ActivateBuffer,
  DebugBuffer,
  GetIdBuffer,
  GuestStatusBuffer,
  HandleBuffer,
  InitBuffer,
  LaunchMeasureBuffer,
  LaunchStartBuffer,
  LaunchUpdateDataBuffer,
  Measurement,
  PlatformStatusBuffer,
} from '../../spec/sev/command-buffers.js'
import type { SevCommandName } from '../../spec/sev/command-ids.js'
import { SevStatus } from '../../spec/sev/status.js'
import { SevError } from './sev-error.js'
import { type ScratchAllocator, SevMailbox } from './sev-mailbox.js'

/** What goes through the driver's scratch page at a time. */
const DEBUG_BYTES_MAX = 0x1000

/**
 * The host's side of the mailbox: typed commands that throw `SevError` where the secure processor refuses. The order of a guest's life
 * is Linux's: init, launchStart, activate, launchUpdateData …, launchMeasure, launchFinish; deactivate, decommission, and
 * flushAsids before its ASID is used again.
 */
export class SevDriver {
  /** For raw commands, whose status is the caller's business. */
  readonly mailbox: SevMailbox
  private readonly host: HostPort

  constructor(host: HostPort, scratch: ScratchAllocator) {
    this.host = host
    this.mailbox = new SevMailbox(host, scratch)
  }

  /** INIT, then what makes the ASIDs usable: WBINVD on every core and DF_FLUSH. */
  init(): void {
    this.call('INIT', InitBuffer, {})
    this.flushAsids()
  }

  shutdown(): void {
    this.callPlain('SHUTDOWN')
  }

  platformReset(): void {
    this.callPlain('PLATFORM_RESET')
  }

  platformStatus(): Values<typeof PlatformStatusBuffer.fields> {
    return this.call('PLATFORM_STATUS', PlatformStatusBuffer, {})
  }

  /** The chip's unique identity. The first call, with no room, asks for its length. */
  getId(): Uint8Array {
    const asked = this.mailbox.issue('GET_ID', GetIdBuffer.encode({}))
    if (asked.status !== SevStatus.INVALID_LENGTH) throw new SevError('GET_ID', asked.status)
    const { idLength } = GetIdBuffer.decode(asked.buffer)
    this.call('GET_ID', GetIdBuffer, { idPaddr: word64(this.mailbox.dataSpa), idLength })
    return this.host.read(this.mailbox.dataSpa, idLength)
  }

  /** Makes the ASIDs of deactivated guests usable again. */
  flushAsids(): void {
    for (const core of this.host.cores) core.wbinvd()
    this.callPlain('DF_FLUSH')
  }

  /** A new guest without an owner's session; returns its handle. `sharedHandle` names a guest whose key it shall share. */
  launchStart(policy: number, sharedHandle = 0): number {
    return this.call('LAUNCH_START', LaunchStartBuffer, { handle: sharedHandle, policy }).handle
  }

  activate(handle: number, asid: number): void {
    this.call('ACTIVATE', ActivateBuffer, { handle, asid })
  }

  /** Encrypts [spa, spa + length) in place under the guest's key. */
  launchUpdateData(handle: number, spa: number, length: number): void {
    this.call('LAUNCH_UPDATE_DATA', LaunchUpdateDataBuffer, { handle, paddr: word64(spa), length })
  }

  launchMeasure(handle: number): Values<typeof Measurement.fields> {
    const { dataSpa } = this.mailbox
    this.call('LAUNCH_MEASURE', LaunchMeasureBuffer, { handle, measurePaddr: word64(dataSpa), measureLength: Measurement.bytes })
    return Measurement.decode(this.host.read(dataSpa, Measurement.bytes))
  }

  launchFinish(handle: number): void {
    this.call('LAUNCH_FINISH', HandleBuffer, { handle })
  }

  guestStatus(handle: number): Values<typeof GuestStatusBuffer.fields> {
    return this.call('GUEST_STATUS', GuestStatusBuffer, { handle })
  }

  deactivate(handle: number): void {
    this.call('DEACTIVATE', HandleBuffer, { handle })
  }

  decommission(handle: number): void {
    this.call('DECOMMISSION', HandleBuffer, { handle })
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
      this.call('DBG_DECRYPT', DebugBuffer, { handle, srcPaddr: word64(spa + done), dstPaddr: word64(this.mailbox.dataSpa), length: n })
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
      this.call('DBG_ENCRYPT', DebugBuffer, { handle, ...target, length: part.length })
    }
  }

  private call<F extends Fields>(command: SevCommandName, layout: Layout<F>, values: Partial<Values<F>>): Values<F> {
    const { status, buffer } = this.mailbox.issue(command, layout.encode(values))
    if (status !== SevStatus.SUCCESS) throw new SevError(command, status)
    return layout.decode(buffer)
  }

  private callPlain(command: SevCommandName): void {
    const { status } = this.mailbox.issue(command)
    if (status !== SevStatus.SUCCESS) throw new SevError(command, status)
  }
}
