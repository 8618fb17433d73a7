import { CMDRESP_COMMAND_SHIFT, CMDRESP_DONE, CMDRESP_STATUS_MASK } from '../../spec/sev/mailbox.js'
import { SevCommand, type SevCommandName } from '../../spec/sev/command-ids.js'
import type { HostPort } from '../../silicon/doors/host.js'

/** Where the driver's command buffer and one page of data for the secure processor stand. Both are the driver's alone. */
export interface ScratchAllocator {
  /** System physical address of `bytes` of page-aligned memory, in one piece. */
  allocate(bytes: number): number
}

const PAGE_BYTES = 0x1000

/** One command at a time through the mailbox registers (Linux drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked). */
export class SevMailbox {
  private readonly host: HostPort
  private readonly bufferSpa: number
  /** A page for what commands return by address. */
  readonly dataSpa: number

  constructor(host: HostPort, scratch: ScratchAllocator) {
    this.host = host
    this.bufferSpa = scratch.allocate(PAGE_BYTES)
    this.dataSpa = scratch.allocate(PAGE_BYTES)
  }

  /** Status code, and the buffer as the secure processor left it. */
  issue(command: SevCommandName | number, buffer: Uint8Array = new Uint8Array(0)): { status: number; buffer: Uint8Array } {
    const id = typeof command === 'number' ? command : SevCommand[command]
    if (buffer.length > PAGE_BYTES) throw new RangeError(`a command buffer of ${buffer.length} bytes does not fit a page`)
    const { mailbox } = this.host
    if (buffer.length) this.host.write(this.bufferSpa, buffer)
    mailbox.writeAddressLow(this.bufferSpa >>> 0)
    mailbox.writeAddressHigh(Math.floor(this.bufferSpa / 0x1_0000_0000))
    mailbox.writeCommand(id << CMDRESP_COMMAND_SHIFT)
    const response = mailbox.readResponse()
    if ((response & CMDRESP_DONE) === 0) throw new Error('the secure processor does not answer')
    return { status: response & CMDRESP_STATUS_MASK, buffer: this.host.read(this.bufferSpa, buffer.length) }
  }
}
