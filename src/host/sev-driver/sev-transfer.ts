import { word64 } from '../../lib/word64.js'
import { PlatformCertificatesLayout } from '../../spec/sev/certificates.js'
import {
  HandleBuffer,
  PacketBuffer,
  PacketHeader,
  ReceiveStartBuffer,
  SendStartBuffer,
  SessionLayout,
} from '../../spec/sev/command-buffers.js'
import { concatBytes } from '../../lib/bytes.js'
import type { SevCalls } from './sev-calls.js'
import type { PlatformCertificates } from './sev-ownership.js'

/** Transport-encrypted guest memory: whoever carries it can neither read nor alter it. */
export interface Packet {
  readonly header: Uint8Array
  readonly data: Uint8Array
}

/** The vendor's certificates of the receiver, for guests whose policy asks for them. */
export interface VendorCertificates {
  readonly ask: Uint8Array
  readonly ark: Uint8Array
}

/** Guests that leave for another platform or arrive from one (55766 sections 6.9 to 6.17). */
export class SevTransfer {
  private readonly calls: SevCalls

  constructor(calls: SevCalls) {
    this.calls = calls
  }

  /** Returns the session that the receiver opens with this platform's PDH certificate, and the guest's policy. */
  sendStart(
    handle: number,
    receiver: PlatformCertificates,
    vendor: VendorCertificates,
  ): { readonly session: Uint8Array; readonly policy: number } {
    const { pdh: pdhCert, ...platform } = receiver
    const amdCerts = concatBytes(vendor.ask, vendor.ark)
    const [pdh, plat, amd, session] = this.calls.lay(pdhCert, PlatformCertificatesLayout.encode(platform), amdCerts, SessionLayout.bytes)
    const { policy } = this.calls.call('SEND_START', SendStartBuffer, {
      handle,
      pdhCertPaddr: pdh!.paddr,
      pdhCertLength: pdh!.length,
      platCertsPaddr: plat!.paddr,
      platCertsLength: plat!.length,
      amdCertsPaddr: amd!.paddr,
      amdCertsLength: amd!.length,
      sessionPaddr: session!.paddr,
      sessionLength: session!.length,
    })
    return { session: session!.read(), policy }
  }

  /** At most 16 KiB of guest memory as a packet, its data in the beginning of `room` where that is given. */
  sendUpdateData(handle: number, guestSpa: number, length: number, room?: Uint8Array): Packet {
    return this.give('SEND_UPDATE_DATA', handle, guestSpa, length, room)
  }

  sendUpdateVmsa(handle: number, guestSpa: number, length: number): Packet {
    return this.give('SEND_UPDATE_VMSA', handle, guestSpa, length)
  }

  sendFinish(handle: number): void {
    this.calls.call('SEND_FINISH', HandleBuffer, { handle })
  }

  sendCancel(handle: number): void {
    this.calls.call('SEND_CANCEL', HandleBuffer, { handle })
  }

  /** A new guest from the sender's session; returns its handle. */
  receiveStart(policy: number, senderPdh: Uint8Array, sessionBytes: Uint8Array): number {
    const [pdh, session] = this.calls.lay(senderPdh, sessionBytes)
    return this.calls.call('RECEIVE_START', ReceiveStartBuffer, {
      policy,
      pdhCertPaddr: pdh!.paddr,
      pdhCertLength: pdh!.length,
      sessionPaddr: session!.paddr,
      sessionLength: session!.length,
    }).handle
  }

  receiveUpdateData(handle: number, guestSpa: number, packet: Packet): void {
    this.take('RECEIVE_UPDATE_DATA', handle, guestSpa, packet)
  }

  receiveUpdateVmsa(handle: number, guestSpa: number, packet: Packet): void {
    this.take('RECEIVE_UPDATE_VMSA', handle, guestSpa, packet)
  }

  receiveFinish(handle: number): void {
    this.calls.call('RECEIVE_FINISH', HandleBuffer, { handle })
  }

  /** LAUNCH_SECRET: an owner's packet into the guest. */
  launchSecret(handle: number, guestSpa: number, packet: Packet): void {
    this.take('LAUNCH_SECRET', handle, guestSpa, packet)
  }

  private give(
    command: 'SEND_UPDATE_DATA' | 'SEND_UPDATE_VMSA',
    handle: number,
    guestSpa: number,
    length: number,
    room: Uint8Array = new Uint8Array(length),
  ): Packet {
    const [header, data] = this.calls.lay(PacketHeader.bytes, length)
    this.calls.call(command, PacketBuffer, {
      handle,
      hdrPaddr: header!.paddr,
      hdrLength: header!.length,
      guestPaddr: word64(guestSpa),
      guestLength: length,
      transPaddr: data!.paddr,
      transLength: length,
    })
    return { header: header!.read(), data: data!.readInto(room) }
  }

  private take(
    command: 'RECEIVE_UPDATE_DATA' | 'RECEIVE_UPDATE_VMSA' | 'LAUNCH_SECRET',
    handle: number,
    guestSpa: number,
    packet: Packet,
  ): void {
    const [header, data] = this.calls.lay(packet.header, packet.data)
    this.calls.call(command, PacketBuffer, {
      handle,
      hdrPaddr: header!.paddr,
      hdrLength: header!.length,
      guestPaddr: word64(guestSpa),
      guestLength: packet.data.length,
      transPaddr: data!.paddr,
      transLength: data!.length,
    })
  }
}
