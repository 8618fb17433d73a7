import type { Fields, Values } from '../../lib/layout.js'
import { commandName } from '../../spec/sev/command-ids.js'
import { CMDRESP_COMMAND_MASK, CMDRESP_COMMAND_SHIFT, CMDRESP_DONE } from '../../spec/sev/mailbox.js'
import { SevStatus, type SevStatusCode } from '../../spec/sev/status.js'
import type { Command } from './command.js'
import { commandTable } from './command-table.js'
import { Firmware, type FirmwareOptions } from './firmware.js'
import type { GuestContext } from './guest-context.js'
import { region } from './regions.js'
import { parseBuffer, untrusted } from './untrusted.js'

/** The registers behind the mailbox's MMIO (document 55766, chapter 4); soc.ts shows them to the host as `MailboxRegisters`. */
export interface Mailbox {
  writeAddressLow(value: number): void
  writeAddressHigh(value: number): void
  writeCommand(value: number): void
  readResponse(): number
}

/**
 * The secure processor as the rest of the chip sees it: a mailbox for host software and the news of WBINVD. Every command
 * passes here in the same order: id, platform state, buffer (copied once), reserved fields, guest, guest state, then its handler.
 */
export class SecureProcessor {
  readonly mailbox: Mailbox
  private readonly firmware: Firmware

  constructor(options: FirmwareOptions) {
    this.firmware = new Firmware(options)
    this.mailbox = this.createMailbox()
  }

  /** A core has executed WBINVD. */
  noteWbinvd(core: number): void {
    this.firmware.asids.noteWbinvd(core)
  }

  /**
   * May cores run a guest in `asid`? Only a fully launched or received one, which goes on running while it is being sent (55766 chapter 6).
   * The cores do not know SEV-ES yet, so none whose policy asks for it.
   */
  mayRun(asid: number): boolean {
    const guest = this.firmware.guests.get(this.firmware.asids.ownerOf(asid))
    return guest !== undefined && !guest.encryptsState && (guest.state === 'RUNNING' || guest.state === 'SUPDATE')
  }

  private createMailbox(): Mailbox {
    let [addressLow, addressHigh, response] = [0, 0, CMDRESP_DONE]
    return {
      writeAddressLow: (value) => void (addressLow = value >>> 0),
      writeAddressHigh: (value) => void (addressHigh = value >>> 0),
      writeCommand: (value) => {
        const id = (value >>> CMDRESP_COMMAND_SHIFT) & CMDRESP_COMMAND_MASK
        const status = this.execute(id, { lo: addressLow, hi: addressHigh })
        response = (CMDRESP_DONE | (id << CMDRESP_COMMAND_SHIFT) | status) >>> 0
      },
      readResponse: () => response,
    }
  }

  private execute(id: number, bufferPaddr: { lo: number; hi: number }): SevStatusCode {
    const command = commandTable.get(id)
    if (!command) return commandName(id) === undefined ? SevStatus.INVALID_COMMAND : SevStatus.UNSUPPORTED
    if (!command.platformStates.includes(this.firmware.state)) return SevStatus.INVALID_PLATFORM_STATE
    if (!command.layout) return this.run(command, {}, 0)

    const at = region(this.firmware.fabric, bufferPaddr, command.layout.bytes)
    if (!at) return SevStatus.INVALID_ADDRESS
    const buffer = parseBuffer(command.layout, untrusted(this.firmware.fabric.read(at.spa, at.length, 0)))
    if (!buffer) return SevStatus.INVALID_PARAM
    return this.run(command, buffer, at.spa)
  }

  private run(command: Command, buffer: Values<Fields>, bufferSpa: number): SevStatusCode {
    const { firmware } = this
    let guest: GuestContext | undefined
    if (command.guestStates) {
      guest = firmware.guests.get(buffer['handle'] as number)
      if (!guest) return SevStatus.INVALID_GUEST
      if (!command.guestStates.includes(guest.state)) return SevStatus.INVALID_GUEST_STATE
    }
    return command.run({ firmware, buffer, reply: (values) => this.reply(command, bufferSpa, values) }, guest)
  }

  /** Writes the named fields, and only them, into the host's command buffer. */
  private reply(command: Command, bufferSpa: number, values: Partial<Values<Fields>>): void {
    const { layout } = command
    if (!layout) return
    const encoded = layout.encode(values)
    for (const key of Object.keys(values)) {
      const field = layout.fields[key]
      if (field) this.firmware.fabric.write(bufferSpa + field.offset, encoded.subarray(field.offset, field.offset + field.bytes), 0)
    }
  }
}
