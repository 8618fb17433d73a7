import { concatBytes } from '../../lib/bytes.js'
import type { HostClock, PageSet, Vm } from '../hypervisor/index.js'
import { encodePlainRun, encodePrivateRun, MessageType, PLAIN_RUN_PAGES_MAX, PRIVATE_RUN_PAGES_MAX } from './messages.js'
import { ProtocolError } from './pipe.js'

/** What a sender of pages needs of its migration. */
export interface PageSource {
  readonly vm: Vm
  readonly clock: HostClock
  send(type: number, payload: Uint8Array): Promise<void>
  /** Throws where the migration is not to go on. */
  between(): void
}

const PAGE_BYTES = 0x1000
/** A frame is sent when it holds so much. */
const FRAME_BYTES = 0x4_0000
/** The guest's own slices are as long: a guest that computes keeps half of the time while its pages are sent. */
const TURN_MS = 10
/** A guess for the first estimate, on the slow side: 40 MiB/s. */
const MS_PER_PAGE_GUESS = 0.1
/** Rounds of fewer pages tell nothing of the speed. */
const PAGES_TO_OBSERVE = 256

/** Sends pages in frames: private ones sealed by the secure processor, plain ones as they stand, with no more than so many bytes a second. */
export class PageSender {
  // configuration
  readonly #source: PageSource
  readonly #bytesPerSecond: number
  // state
  readonly #room = new Uint8Array(PRIVATE_RUN_PAGES_MAX * PAGE_BYTES)
  pagesSent = 0
  #msPerPage = MS_PER_PAGE_GUESS
  /** The bandwidth limit: no frame before this moment of the host's clock. */
  #freeAtMs = 0
  #turnEndsMs = 0
  /** Time of this round that others had: the guest's slices, and waiting for bandwidth. */
  #othersMs = 0
  #gathered = new Map<number, { parts: Uint8Array[]; bytes: number }>()

  constructor(source: PageSource, bytesPerSecond: number) {
    this.#source = source
    this.#bytesPerSecond = bytesPerSecond
  }

  /** What a page takes while the guest stands still, by the last round that was large enough to tell. */
  get msPerPage(): number {
    return this.#bytesPerSecond > 0 ? Math.max(this.#msPerPage, (1000 * PAGE_BYTES) / this.#bytesPerSecond) : this.#msPerPage
  }

  /** Empties `pages`. While the guest runs it has its turn in between. */
  async send(pages: PageSet, report: (left: number) => void): Promise<void> {
    this.#othersMs = 0
    this.#turnEndsMs = this.#now() + TURN_MS
    for (let from = 0; pages.count > 0;) {
      const isPrivate = (page: number): boolean => this.#isPrivate(page)
      const run = pages.takeRun(from, PLAIN_RUN_PAGES_MAX, isPrivate)
      if (!run) throw new ProtocolError('a page was added before the place where the sender is')
      from = run.first + run.pages
      if (isPrivate(run.first)) await this.#sendPrivate(run.first, run.pages)
      else await this.#gather(MessageType.PLAIN_PAGES, encodePlainRun(run.first, this.#readPlain(run.first, run.pages)))
      this.pagesSent += run.pages
      if (this.#now() >= this.#turnEndsMs) await this.#giveTurn(() => report(pages.count))
    }
    for (const type of this.#gathered.keys()) await this.#flush(type)
  }

  /** How long a round took, from its first page to the target's answer. */
  observe(pages: number, ms: number): void {
    if (pages >= PAGES_TO_OBSERVE) this.#msPerPage = Math.max(0, ms - this.#othersMs) / pages
  }

  async #sendPrivate(first: number, pages: number): Promise<void> {
    const { machine, memory, sevHandle } = this.#source.vm
    for (let done = 0; done < pages; done += PRIVATE_RUN_PAGES_MAX) {
      const count = Math.min(PRIVATE_RUN_PAGES_MAX, pages - done)
      const at = memory.base + (first + done) * PAGE_BYTES
      const { header, data } = machine.driver.transfer.sendUpdateData(sevHandle!, at, count * PAGE_BYTES, this.#room)
      await this.#gather(MessageType.PRIVATE_PAGES, encodePrivateRun({ first: first + done, pages: count, header, data }))
    }
  }

  #readPlain(first: number, pages: number): Uint8Array {
    const { memory, machine } = this.#source.vm
    return machine.port.read(memory.base + first * PAGE_BYTES, pages * PAGE_BYTES)
  }

  async #gather(type: number, record: Uint8Array): Promise<void> {
    const held = this.#gathered.get(type) ?? { parts: [], bytes: 0 }
    held.parts.push(record)
    held.bytes += record.length
    this.#gathered.set(type, held)
    if (held.bytes >= FRAME_BYTES) await this.#flush(type)
  }

  async #flush(type: number): Promise<void> {
    const held = this.#gathered.get(type)
    if (!held || held.bytes === 0) return
    this.#gathered.delete(type)
    this.#source.between()
    await this.#awaitBandwidth(held.bytes)
    await this.#source.send(type, concatBytes(...held.parts))
  }

  async #awaitBandwidth(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === 0) return
    const now = this.#now()
    const wait = this.#freeAtMs - now
    this.#freeAtMs = Math.max(this.#freeAtMs, now) + (1000 * bytes) / this.#bytesPerSecond
    if (wait > 0) await this.#others(() => this.#source.vm.options.loop.sleep(wait).done)
  }

  async #giveTurn(report: () => void): Promise<void> {
    report()
    await this.#others(() => this.#source.vm.options.loop.breathe())
    this.#turnEndsMs = this.#now() + TURN_MS
  }

  async #others(wait: () => Promise<void>): Promise<void> {
    const started = this.#now()
    await wait()
    this.#othersMs += this.#now() - started
  }

  #isPrivate(page: number): boolean {
    const { vm } = this.#source
    return vm.encrypted && !vm.paravirtual.sharedPages.has(page)
  }

  #now(): number {
    return this.#source.clock.monotonicMs()
  }
}
