import { assert } from '../../lib/assert.js'
import { concatBytes, equalBytes } from '../../lib/bytes.js'
import type { PageSet } from '../hypervisor/index.js'
import { type Vm } from '../hypervisor/index.js'
import type { VendorCertificates } from '../sev-driver/index.js'
import { type Frame, FrameChannel } from './frames.js'
import {
  eachPlainRun,
  eachPrivateRun,
  encodePlatform,
  encodeStanding,
  encodeText,
  type Hello,
  messageName,
  MessageType,
  parseHello,
  parseId,
  parseStart,
  type Standing,
} from './messages.js'
import { type Pipe, PipeBroken, ProtocolError } from './pipe.js'

/*
 * The target's side of a live migration (docs/migration.md):
 *
 *   waiting ──HELLO──▶ receiving ──PREPARE, all is here──▶ ready ──COMMIT──▶ running
 *                          │                                 │
 *                          └── connection lost, refused ─────┴──ABORT──▶ discarded
 *
 * A connection that is lost in `ready` changes nothing: the guest may belong to us or not, and only the source's journal knows. We hold it, still,
 * until somebody who has read the journal connects and says so (ASK, then COMMIT or ABORT). Nothing else ever makes it run.
 */
export interface TargetOptions {
  /** Makes a VM without an image, of the kind that `machine` is the state of. Throws an Error whose message may be told to the peer. */
  readonly build: (machine: Uint8Array, encrypted: boolean) => Vm
  /** The vendor's certificates of the chip that was built. */
  readonly vendor: () => VendorCertificates
  /** The guest is ours: whoever waits for it runs it. */
  readonly onRunning: (vm: Vm) => void
  /** It is not and never will be. */
  readonly onDiscarded: (reason: string) => void
  readonly onStanding: (standing: Standing, note: string) => void
}

const PAGE_BYTES = 0x1000
/** As `state/machine-state.ts` bounds it. */
const STATE_BYTES_MAX = 16 << 20

/** One machine that waits for one guest. */
export class IncomingMigration {
  readonly #options: TargetOptions
  // state
  #standing: Standing = 'unknown'
  #id: Uint8Array | undefined
  #vm: Vm | undefined
  #channel: FrameChannel | undefined

  constructor(options: TargetOptions) {
    this.#options = options
  }

  get standing(): Standing {
    return this.#standing
  }

  /** Serves one connection to its end. Never rejects for what a peer does. */
  async serve(pipe: Pipe): Promise<void> {
    const channel = new FrameChannel(pipe, 'target')
    try {
      const first = await channel.receive()
      if (first.type === MessageType.ASK) await this.#answer(channel, parseId(first.payload))
      else if (first.type === MessageType.HELLO) await this.#receive(channel, first.payload)
      else throw new ProtocolError(`a connection begins with ${messageName(first.type)}`)
    } catch (error) {
      await this.#lose(channel, error as Error)
    } finally {
      channel.close()
    }
  }

  /** The operator gives the guest up. */
  discard(reason: string): void {
    if (this.#standing !== 'receiving' && this.#standing !== 'ready') return
    this.#enter('discarded', reason)
    const vm = this.#vm
    this.#vm = undefined
    if (vm) {
      vm.stop('the migration was given up')
      vm.release()
    }
    this.#channel?.close()
    this.#options.onDiscarded(reason)
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  async #receive(channel: FrameChannel, payload: Uint8Array): Promise<void> {
    const hello = parseHello(payload)
    if (this.#standing !== 'unknown')
      return channel.send(MessageType.REFUSED, encodeText('this machine waits for another guest, or has one'))
    this.#id = hello.id
    this.#channel = channel
    this.#enter('receiving', '')
    const vm = await this.#open(channel, hello)
    const reception = new Reception(vm)
    for (;;) {
      const frame = await channel.receive()
      if (this.standing !== 'receiving') throw new PipeBroken('the guest has been given up')
      if (frame.type === MessageType.PREPARE) break
      if (frame.type === MessageType.ABORT) return this.#abort(channel, frame.payload)
      await reception.take(channel, frame)
    }
    vm.takeState(reception.complete())
    this.#enter('ready', '')
    await channel.send(MessageType.READY, hello.id)
    await this.#obey(channel, await channel.receive())
  }

  /** Builds the machine, shows its platform, and opens it with the source's session. */
  async #open(channel: FrameChannel, { machine, encrypted }: Hello): Promise<Vm> {
    const vm = (this.#vm = this.#options.build(machine, encrypted))
    const { driver } = vm.machine
    const platform = encrypted
      ? encodePlatform({ certificates: driver.ownership.pdhCertExport(), vendor: this.#options.vendor() })
      : new Uint8Array(0)
    await channel.send(MessageType.PLATFORM, platform)
    const { type, payload } = await channel.receive()
    if (type === MessageType.ABORT) throw new PipeBroken('the source has given up')
    if (type !== MessageType.START) throw new ProtocolError(`the source sends ${messageName(type)} where START is due`)
    if (encrypted) {
      const { policy, pdh: senderPdh, session } = parseStart(payload)
      vm.beginArrival({ policy, senderPdh, session })
    } else vm.beginArrival()
    await channel.send(MessageType.STARTED)
    return vm
  }

  // ---- the decision ----------------------------------------------------------------------------------------------

  /** A connection that asks after a migration, and may tell its outcome. */
  async #answer(channel: FrameChannel, id: Uint8Array): Promise<void> {
    const ours = this.#id !== undefined && equalBytes(this.#id, id)
    await channel.send(MessageType.STANDING, encodeStanding(ours ? this.#standing : 'unknown'))
    if (ours) await this.#obey(channel, await channel.receive())
  }

  async #obey(channel: FrameChannel, { type, payload }: Frame): Promise<void> {
    if (!this.#id || !equalBytes(parseId(payload), this.#id)) throw new ProtocolError('an outcome of another migration')
    if (type === MessageType.ABORT) return this.#abort(channel, payload)
    if (type !== MessageType.COMMIT) throw new ProtocolError(`the source sends ${messageName(type)} where the outcome is due`)
    if (this.#standing === 'ready') this.#start()
    if (this.standing !== 'running') throw new ProtocolError('COMMIT of a guest that is not here')
    await channel.send(MessageType.RUNNING, payload)
  }

  #start(): void {
    const vm = this.#vm
    assert(vm, 'a guest that is ready is here')
    vm.completeArrival()
    this.#enter('running', '')
    this.#options.onRunning(vm)
  }

  async #abort(channel: FrameChannel, payload: Uint8Array): Promise<void> {
    if (!this.#id || !equalBytes(parseId(payload), this.#id)) throw new ProtocolError('an outcome of another migration')
    if (this.#standing === 'running') throw new ProtocolError('ABORT of a guest that runs')
    await channel.send(MessageType.DISCARDED, payload)
    this.discard('the source keeps the guest')
  }

  /** The connection has ended before its time. */
  async #lose(channel: FrameChannel, error: Error): Promise<void> {
    if (!(error instanceof PipeBroken)) await channel.send(MessageType.REFUSED, encodeText(error.message)).catch(() => undefined)
    if (channel !== this.#channel) return
    if (this.#standing === 'receiving') this.discard(error.message)
    else if (this.#standing === 'ready')
      this.#enter('ready', `${error.message}: whether the guest is ours the source's journal alone knows`)
  }

  #enter(standing: Standing, note: string): void {
    this.#standing = standing
    this.#options.onStanding(standing, note)
  }
}

/** What has come of a guest so far. */
class Reception {
  readonly #vm: Vm
  readonly #missing: PageSet
  #state: Uint8Array[] = []
  #stateBytes = 0

  constructor(vm: Vm) {
    this.#vm = vm
    this.#missing = vm.memory.pages()
  }

  async take(channel: FrameChannel, { type, payload }: Frame): Promise<void> {
    const { memory, machine, sevHandle, encrypted } = this.#vm
    const pageCount = memory.bytes / PAGE_BYTES
    switch (type) {
      case MessageType.PRIVATE_PAGES:
        if (!encrypted || sevHandle === undefined) throw new ProtocolError('private pages of a guest that has none')
        eachPrivateRun(payload, pageCount, ({ first, pages, header, data }) => {
          const spa = this.#place(first, pages)
          machine.driver.transfer.receiveUpdateData(sevHandle, spa, { header, data })
        })
        return
      case MessageType.PLAIN_PAGES:
        eachPlainRun(payload, pageCount, ({ first, pages, data }) => {
          machine.port.write(this.#place(first, pages), data ?? new Uint8Array(pages * PAGE_BYTES))
        })
        return
      case MessageType.STATE:
        this.#stateBytes += payload.length
        if (this.#stateBytes > STATE_BYTES_MAX) throw new ProtocolError('more state than any machine has')
        this.#state.push(payload)
        return
      case MessageType.ROUND_END:
        if (payload.length !== 4) throw new ProtocolError('a ROUND_END that no peer sends')
        return channel.send(MessageType.ROUND_DONE, payload)
      default:
        throw new ProtocolError(`the source sends ${messageName(type)} where pages are due`)
    }
  }

  /** The machine's state, where every page has come at least once. */
  complete(): Uint8Array {
    if (this.#missing.count > 0) throw new ProtocolError(`${this.#missing.count} pages of the guest have never come`)
    return concatBytes(...this.#state)
  }

  #place(first: number, pages: number): number {
    const { memory } = this.#vm
    if (!memory.isRam(first * PAGE_BYTES, pages * PAGE_BYTES)) throw new ProtocolError('pages that the VM does not have')
    for (let page = first; page < first + pages; page++) this.#missing.remove(page)
    return memory.base + first * PAGE_BYTES
  }
}
