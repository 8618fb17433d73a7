import type { Fields, Layout, Values } from '../../lib/layout.js'
import { word64, type Word64 } from '../../lib/word64.js'
import type { HostPort } from '../../silicon/doors/host.js'
import type { SevCommandName } from '../../spec/sev/command-ids.js'
import { SevStatus } from '../../spec/sev/status.js'
import { SevError } from './sev-error.js'
import { type ScratchAllocator, SevMailbox } from './sev-mailbox.js'

/** Room for the largest command: certificates of a whole chain, or a packet of 16 KiB with its header. */
const EXCHANGE_BYTES = 0x6000
const ALIGNMENT = 16

/** Commands as calls: what a refusal is, and memory for what commands point to. */
export class SevCalls {
  readonly host: HostPort
  readonly mailbox: SevMailbox
  private readonly scratch: ScratchAllocator
  /** Allocated when a command first needs it: a plain launch does not. */
  private exchangeSpa: number | undefined

  constructor(host: HostPort, scratch: ScratchAllocator) {
    this.host = host
    this.scratch = scratch
    this.mailbox = new SevMailbox(host, scratch)
  }

  call<F extends Fields>(command: SevCommandName, layout: Layout<F>, values: Partial<Values<F>>): Values<F> {
    const { status, buffer } = this.mailbox.issue(command, layout.encode(values))
    if (status !== SevStatus.SUCCESS) throw new SevError(command, status)
    return layout.decode(buffer)
  }

  callPlain(command: SevCommandName): void {
    const { status } = this.mailbox.issue(command)
    if (status !== SevStatus.SUCCESS) throw new SevError(command, status)
  }

  /** Lays areas into the exchange memory: given bytes, or room for so many. They stand until the next call of `lay`. */
  lay(...areas: readonly (Uint8Array | number)[]): readonly Area[] {
    this.exchangeSpa ??= this.scratch.allocate(EXCHANGE_BYTES)
    let at = this.exchangeSpa
    return areas.map((area) => {
      const length = typeof area === 'number' ? area : area.length
      const spa = at
      at += Math.ceil(length / ALIGNMENT) * ALIGNMENT
      if (at > this.exchangeSpa! + EXCHANGE_BYTES) throw new RangeError('a command needs more memory than the driver has for it')
      if (typeof area !== 'number' && length > 0) this.host.write(spa, area)
      return new Area(this.host, spa, length)
    })
  }
}

export class Area {
  readonly spa: number
  readonly length: number
  private readonly host: HostPort

  constructor(host: HostPort, spa: number, length: number) {
    this.host = host
    this.spa = spa
    this.length = length
  }

  get paddr(): Word64 {
    return word64(this.spa)
  }

  read(): Uint8Array {
    return this.host.read(this.spa, this.length)
  }

  /** Into the beginning of `target`: returns what was read. */
  readInto(target: Uint8Array): Uint8Array {
    const content = target.subarray(0, this.length)
    this.host.readInto(this.spa, content)
    return content
  }
}
