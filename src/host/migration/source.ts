import { assert } from '../../lib/assert.js'
import { equalBytes, u32le } from '../../lib/bytes.js'
import { readU32 } from '../../lib/layout.js'
import { type HostClock, PageSet, type Vm } from '../hypervisor/index.js'
import { FrameChannel } from './frames.js'
import type { Journal } from './journal.js'
import { encodeHello, encodeStart, messageName, MessageType, type MessageTypeName, parsePlatform, parseText } from './messages.js'
import { type PageSource, PageSender } from './page-sender.js'
import { type Pipe, PipeBroken, ProtocolError } from './pipe.js'
import { askStanding, HandOverLost, tellOutcome } from './settle.js'

/*
 * The source's side of a live migration (docs/migration.md):
 *
 *   connecting ──PLATFORM, STARTED──▶ copying ──few pages left──▶ stopping ──PREPARE──▶ deciding ──READY──▶ handing-over ──RUNNING──▶ done
 *        │                              │                           │                     │                     └─ no answer ──▶ unacknowledged
 *        └───────────── any failure, cancel: the journal says abort ┴─────────────────────┴──▶ stayed
 *
 * The guest runs here in connecting and copying, nowhere from stopping to deciding, here again in stayed, and there from handing-over on.
 */
export type Phase = 'connecting' | 'copying' | 'stopping' | 'deciding' | 'handing-over' | 'done' | 'unacknowledged' | 'stayed'

export interface Progress {
  readonly phase: Phase
  readonly round: number
  /** Pages sent in all, and of this round those still to send. */
  readonly pagesSent: number
  readonly pagesLeft: number
  readonly bytesSent: number
  readonly bytesPerSecond: number
  /** What the pause would take if the guest were stopped now. */
  readonly downtimeEstimateMs: number
  /** How long the guest has stood still; undefined while it has not. */
  readonly downtimeMs: number | undefined
}

export interface SourceOptions {
  readonly id: Uint8Array
  readonly connect: () => Promise<Pipe>
  /** Of the outside, even where the guest's time is virtual: it paces and measures. */
  readonly clock: HostClock
  readonly journal: Journal
  /** 0: as fast as it goes. */
  readonly bandwidthBytesPerSecond: number
  readonly downtimeMaxMs: number
  /** After so many rounds the guest is stopped whatever is left: one that writes faster than we send would never move. */
  readonly roundsMax: number
  /** Tries, a second apart, to tell a target that does not answer that the guest is its own. */
  readonly tellTries: number
  readonly onProgress: (progress: Progress) => void
}

export type MigrationResult =
  | { readonly kind: 'done'; readonly progress: Progress }
  /** The guest goes on here. */
  | { readonly kind: 'stayed'; readonly reason: string; readonly progress: Progress; readonly targetKnows: boolean }
  /** It belongs to the target, which has not said that it runs. */
  | { readonly kind: 'unacknowledged'; readonly reason: string; readonly progress: Progress }

const TELL_PAUSE_MS = 1000
const STATE_CHUNK_BYTES = 0x10_0000
/** What a pause costs beside its pages: state, decision, answers. */
const PAUSE_OVERHEAD_MS = 20

export class OutgoingMigration {
  // connections
  readonly #vm: Vm
  readonly #options: SourceOptions
  // state
  readonly #sender: PageSender
  readonly #resent: PageSet
  #channel: FrameChannel | undefined
  #phase: Phase = 'connecting'
  #round = 0
  #pagesLeft = 0
  #sending = false
  #paused = false
  #prepared = false
  #cancelled = false
  #pausedAtMs: number | undefined
  #downtimeMs: number | undefined
  readonly #startedAtMs: number

  constructor(vm: Vm, options: SourceOptions) {
    this.#vm = vm
    this.#options = options
    this.#resent = new PageSet(vm.memory.bytes / 0x1000)
    const source: PageSource = {
      vm,
      clock: options.clock,
      send: (type, payload) => this.#channelNow.send(type, payload),
      between: () => this.#between(),
    }
    this.#sender = new PageSender(source, options.bandwidthBytesPerSecond)
    this.#startedAtMs = this.#now()
  }

  /** Gives up where that is still possible. */
  cancel(): void {
    this.#cancelled = true
  }

  get progress(): Progress {
    const seconds = Math.max(1, this.#now() - this.#startedAtMs) / 1000
    return {
      phase: this.#phase,
      round: this.#round,
      pagesSent: this.#sender.pagesSent,
      pagesLeft: this.#pagesLeft,
      bytesSent: this.#channel?.bytesSent ?? 0,
      bytesPerSecond: Math.round((this.#channel?.bytesSent ?? 0) / seconds),
      downtimeEstimateMs: this.#estimate(this.#pagesLeft),
      downtimeMs: this.#downtimeMs,
    }
  }

  /** Resolves when the guest's place is known, or all has been tried to learn it. Rejects for our own faults only, and then the guest stays. */
  async run(): Promise<MigrationResult> {
    let failure: Error | undefined
    try {
      await this.#untilReady()
    } catch (error) {
      failure = error as Error
    }
    // The one moment at which the guest changes hands. A second process may have decided for us (`settle.ts`): its word stands.
    const outcome = this.#prepared ? this.#options.journal.decide(failure ? 'abort' : 'commit') : 'abort'
    if (outcome === 'commit') return this.#handOver()
    const targetKnows = await this.#stay()
    const expected = failure === undefined || isOutside(failure)
    if (!expected) throw failure
    return { kind: 'stayed', reason: failure?.message ?? 'somebody else has decided so', progress: this.progress, targetKnows }
  }

  // ---- before the decision ---------------------------------------------------------------------------------------

  async #untilReady(): Promise<void> {
    const vm = this.#vm
    if (vm.encrypted && !vm.paravirtual.migrationReady)
      throw new MigrationRefused('the guest has not said which of its pages are shared: it knows no migration, or it has not booted yet')
    this.#enter('connecting')
    this.#channel = new FrameChannel(await this.#options.connect(), 'source')
    await this.#greet()
    this.#enter('copying')
    const last = await this.#copyRounds()
    this.#enter('stopping')
    await this.#stopAndCopy(last)
    this.#enter('deciding')
    await this.#prepare()
  }

  get #vmHandle(): number {
    const { sevHandle } = this.#vm
    assert(sevHandle !== undefined, 'an encrypted guest has a handle')
    return sevHandle
  }

  async #greet(): Promise<void> {
    const vm = this.#vm
    const stands = await vm.paused()
    if (!stands) throw new MigrationRefused('the guest has ended')
    const machine = vm.saveState()
    vm.resume()
    await this.#channelNow.send(MessageType.HELLO, encodeHello({ id: this.#options.id, encrypted: vm.encrypted, machine }))
    const platform = await this.#expect('PLATFORM')
    let start: Uint8Array = new Uint8Array(0)
    if (vm.encrypted) {
      const { certificates, vendor } = parsePlatform(platform)
      const { driver } = vm.machine
      // Our secure processor judges the target, by the guest's policy. SevError where it does not admit it.
      const { session, policy } = driver.transfer.sendStart(this.#vmHandle, certificates, vendor)
      this.#sending = true
      start = encodeStart({ policy, pdh: driver.ownership.pdhCertExport().pdh, session })
    }
    await this.#channelNow.send(MessageType.START, start)
    await this.#expect('STARTED')
  }

  /** Sends all pages, then what was written meanwhile, and so on. Returns what is left when it is little enough. */
  async #copyRounds(): Promise<PageSet> {
    const vm = this.#vm
    vm.dirtyLog.start()
    const unwatch = vm.paravirtual.sharedPages.watch((first, count) => {
      for (let page = first; page < first + count; page++) this.#resent.add(page)
    })
    try {
      for (let left = vm.memory.pages(); ; left = this.#written()) {
        this.#pagesLeft = left.count
        if (this.#round > 0 && (this.#estimate(left.count) <= this.#options.downtimeMaxMs || this.#round >= this.#options.roundsMax))
          return left
        this.#round++
        await this.#sendRound(left)
      }
    } finally {
      unwatch()
    }
  }

  /** What must be sent again: written to, or shared where it was private and the other way round. */
  #written(): PageSet {
    const written = this.#vm.dirtyLog.take()
    written.addAll(this.#resent)
    this.#resent.clear()
    return written
  }

  #estimate(pages: number): number {
    return Math.round(PAUSE_OVERHEAD_MS + pages * this.#sender.msPerPage)
  }

  async #sendRound(pages: PageSet): Promise<void> {
    const started = this.#now()
    const asked = pages.count
    await this.#sender.send(pages, (left) => this.#report(left))
    await this.#channelNow.send(MessageType.ROUND_END, u32le(this.#round))
    const answer = await this.#expect('ROUND_DONE')
    if (answer.length !== 4 || readU32(answer, 0) !== this.#round) throw new ProtocolError('the target has lost count of the rounds')
    this.#sender.observe(asked, this.#now() - started)
    this.#report(0)
  }

  async #stopAndCopy(left: PageSet): Promise<void> {
    const vm = this.#vm
    if (!(await vm.paused())) throw new MigrationRefused('the guest has ended')
    this.#paused = true
    this.#pausedAtMs = this.#now()
    left.addAll(this.#written())
    this.#round++
    this.#pagesLeft = left.count
    await this.#sendRound(left)
    const state = vm.saveState()
    for (let at = 0; at < state.length; at += STATE_CHUNK_BYTES)
      await this.#channelNow.send(MessageType.STATE, state.subarray(at, at + STATE_CHUNK_BYTES))
  }

  async #prepare(): Promise<void> {
    const { id, journal } = this.#options
    journal.open()
    this.#prepared = true
    await this.#channelNow.send(MessageType.PREPARE, id)
    const ready = await this.#expect('READY')
    if (!equalBytes(ready, id)) throw new ProtocolError('the target is ready for another migration')
    this.#between()
  }

  // ---- after the decision ----------------------------------------------------------------------------------------

  /** The guest stays: it goes on as if nothing had been. The target is told; whether it hears changes nothing here, and is returned. */
  async #stay(): Promise<boolean> {
    const vm = this.#vm
    if (this.#sending && !vm.vcpu.end) vm.machine.driver.transfer.sendCancel(this.#vmHandle)
    if (vm.dirtyLog.running) vm.dirtyLog.stop()
    if (this.#paused) vm.resume()
    this.#downtimeMs = this.#pausedAtMs === undefined ? undefined : this.#now() - this.#pausedAtMs
    this.#enter('stayed')
    this.#channel?.close()
    // Before PREPARE a target that loses the connection gives up by itself.
    if (!this.#prepared) return true
    return this.#tell('abort').then(
      () => true,
      () => false,
    )
  }

  /** The guest is the target's. Here it never runs again: the secure processor sees to that. */
  async #handOver(): Promise<MigrationResult> {
    const vm = this.#vm
    this.#enter('handing-over')
    if (this.#sending) vm.machine.driver.transfer.sendFinish(this.#vmHandle)
    try {
      await this.#tellTarget()
    } catch (error) {
      if (!isOutside(error as Error)) throw error
      this.#enter('unacknowledged')
      vm.depart()
      return { kind: 'unacknowledged', reason: (error as Error).message, progress: this.progress }
    }
    this.#downtimeMs = this.#pausedAtMs === undefined ? 0 : this.#now() - this.#pausedAtMs
    this.#enter('done')
    vm.depart()
    return { kind: 'done', progress: this.progress }
  }

  /** COMMIT on the connection that stands, or on new ones until the target has said that the guest runs. */
  async #tellTarget(): Promise<void> {
    const { id } = this.#options
    try {
      await this.#channelNow.send(MessageType.COMMIT, id)
      await this.#expect('RUNNING')
      this.#channelNow.close()
      return
    } catch (error) {
      if (!isOutside(error as Error)) throw error
      this.#channel?.close()
    }
    for (let tries = 1; ; tries++) {
      try {
        return await this.#tell('commit')
      } catch (error) {
        if (error instanceof HandOverLost || tries >= this.#options.tellTries || !isOutside(error as Error)) throw error
        await this.#vm.options.loop.sleep(TELL_PAUSE_MS).done
      }
    }
  }

  async #tell(outcome: 'commit' | 'abort'): Promise<void> {
    const channel = new FrameChannel(await this.#options.connect(), 'source')
    try {
      const standing = await askStanding(channel, this.#options.id)
      await tellOutcome(channel, this.#options.id, outcome, standing)
    } finally {
      channel.close()
    }
  }

  // ---- small things ----------------------------------------------------------------------------------------------

  get #channelNow(): FrameChannel {
    assert(this.#channel, 'there is a connection')
    return this.#channel
  }

  async #expect(name: MessageTypeName): Promise<Uint8Array> {
    const { type, payload } = await this.#channelNow.receive()
    if (type === MessageType.REFUSED) throw new MigrationRefused(`the target refuses: ${parseText(payload)}`)
    if (type !== MessageType[name]) throw new ProtocolError(`the target sends ${messageName(type)} where ${name} is due`)
    return payload
  }

  #now(): number {
    return this.#options.clock.monotonicMs()
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#options.onProgress(this.progress)
  }

  #report(left: number): void {
    this.#pagesLeft = left
    this.#options.onProgress(this.progress)
  }

  #between(): void {
    if (this.#cancelled) throw new MigrationRefused('the migration was cancelled')
    if (this.#vm.vcpu.end) throw new MigrationRefused('the guest has ended')
  }
}

/** Something outside us says no: the peer, the secure processor, the guest, the operator. */
export class MigrationRefused extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MigrationRefused'
  }
}

/** Is this a failure of others, and not a mistake of ours? */
function isOutside(error: Error): boolean {
  return (
    error instanceof PipeBroken ||
    error instanceof ProtocolError ||
    error instanceof MigrationRefused ||
    error instanceof HandOverLost ||
    error.name === 'SevError' ||
    error.name === 'StateError'
  )
}
