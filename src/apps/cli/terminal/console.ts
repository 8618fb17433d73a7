// Joins the process's terminal (or pipes) to a guest's serial console.

import { writeSync } from 'node:fs'
import { EscapeFilter, escapeHelp, escapeName } from './escape.js'

/** The guest's side. */
export interface ConsoleTarget {
  /** Returns how many bytes were taken. */
  input(bytes: Uint8Array): number
  inputEnded(): void
  stop(): void
}

/** Input that the guest has not taken yet; above this much, we stop reading more. */
const pendingBytesMax = 65536
/** Output that waits for the event loop; more is written at once. */
const outputBytesMax = 16384
/** How long the guest is given to take what it has, before it is offered the rest. */
const offerAgainMs = 20

export class Console {
  readonly interactive = Boolean(process.stdin.isTTY)
  // connections
  private target: ConsoleTarget | undefined
  // state
  private readonly filter = new EscapeFilter()
  private pending: Buffer[] = []
  private pendingBytes = 0
  private readonly output = new Uint8Array(outputBytesMax)
  private outputBytes = 0
  private ended = false
  private flushing = false
  private raw = false
  private broken = false
  private again: NodeJS.Timeout | undefined
  private held = false

  /** Begins to pass input on. A pipe's end is no end for the guest. */
  attach(target: ConsoleTarget): void {
    this.target = target
    process.stdin.on('data', this.onData)
    process.stdin.on('end', this.onEnd)
    process.stdin.on('error', this.onEnd)
    if (this.interactive) {
      this.setRaw(true)
      process.on('SIGCONT', this.onContinue)
      process.on('exit', this.restore)
    }
    process.stdout.on('error', this.onBrokenOutput)
    this.pump()
  }

  detach(): void {
    this.flush()
    process.stdin.off('data', this.onData)
    process.stdin.off('end', this.onEnd)
    process.stdin.pause()
    if (this.again) clearTimeout(this.again)
    if (!this.interactive) process.stdin.unref?.()
    process.off('SIGCONT', this.onContinue)
    this.restore()
    process.off('exit', this.restore)
    this.target = undefined
  }

  /** A byte from the guest, kept until the event loop turns. */
  write(byte: number): void {
    if (this.outputBytes === this.output.length) this.flush()
    this.output[this.outputBytes++] = byte
    if (this.flushing) return
    this.flushing = true
    setImmediate(() => {
      this.flushing = false
      this.flush()
    })
  }

  flush(): void {
    const bytes = this.output.slice(0, this.outputBytes)
    this.outputBytes = 0
    if (bytes.length > 0 && !this.broken) process.stdout.write(bytes)
  }

  /** Reads input to its end before the guest starts. */
  async readAll(): Promise<void> {
    for await (const chunk of process.stdin) this.pending.push(chunk as Buffer)
    this.pendingBytes = this.pending.reduce((sum, chunk) => sum + chunk.length, 0)
    this.ended = true
  }

  /** A line to the person at the terminal, outside the guest's output. */
  note(text: string): void {
    this.flush()
    process.stderr.write(this.lines(text))
  }

  /** The same on stdout, for what is the program's own output. */
  say(text: string): void {
    this.flush()
    process.stdout.write(this.lines(text))
  }

  /** While a script types, what the person types is dropped; the escape key still works. */
  hold(held: boolean): void {
    this.held = held
  }

  /** A raw terminal wants carriage returns, and may stand in the middle of a line of the guest's. */
  private lines(text: string): string {
    return this.raw ? `\r\n${text.replaceAll('\n', '\r\n')}\r\n` : `${text}\n`
  }

  /** Queues bytes for the guest as if they had been typed. */
  type(text: string): void {
    this.queue(Buffer.from(text, 'utf8'))
  }

  /** Offers the guest what waits for it. */
  private readonly pump = (): void => {
    while (this.target && this.pending.length > 0) {
      const chunk = this.pending[0]!
      const taken = this.target.input(chunk)
      this.pendingBytes -= taken
      if (taken < chunk.length) {
        this.pending[0] = chunk.subarray(taken)
        this.again ??= setTimeout(() => {
          this.again = undefined
          this.pump()
        }, offerAgainMs)
        break
      }
      this.pending.shift()
    }
    if (this.ended && this.pending.length === 0) this.target?.inputEnded()
    if (!this.ended && this.pendingBytes < pendingBytesMax && process.stdin.isPaused()) process.stdin.resume()
  }

  private readonly onEnd = (): void => {
    this.ended = true
    this.pump()
  }

  private readonly onData = (chunk: Buffer): void => {
    if (!this.interactive) return this.queue(chunk)
    const { bytes, actions } = this.filter.feed(chunk)
    if (bytes.length > 0 && !this.held) this.queue(Buffer.from(bytes))
    for (const action of actions) {
      if (action === 'quit') this.target?.stop()
      else if (action === 'window-size') this.type(this.windowSizeCommand())
      else this.note(escapeHelp)
    }
  }

  private queue(chunk: Buffer): void {
    this.pending.push(chunk)
    this.pendingBytes += chunk.length
    if (this.pendingBytes >= pendingBytesMax) process.stdin.pause()
    this.pump()
  }

  /** A serial line cannot carry the size of a window, so the guest's shell is told in words. */
  windowSizeCommand(): string {
    return `stty rows ${process.stdout.rows ?? 24} cols ${process.stdout.columns ?? 80}\r`
  }

  greeting(): string {
    return `${escapeName} is the escape key: ${escapeHelp}`
  }

  private setRaw(raw: boolean): void {
    process.stdin.setRawMode(raw)
    this.raw = raw
  }

  private readonly onContinue = (): void => {
    if (this.target) this.setRaw(true)
  }

  /** Also runs on 'exit', where nothing asynchronous can happen any more. */
  private readonly restore = (): void => {
    if (!this.raw) return
    this.setRaw(false)
    // The guest may have left colours or a hidden cursor behind.
    if (process.stdout.isTTY) writeSync(1, '\x1b[0m\x1b[?25h')
  }

  private readonly onBrokenOutput = (): void => {
    this.broken = true
    this.target?.stop()
  }
}
