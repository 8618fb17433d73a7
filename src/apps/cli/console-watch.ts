// Reads the guest's console output as it passes and remembers what a caller must know: a kernel panic, a prompt.

const panicPattern = /Kernel panic - not syncing: (.*)/
const panicEndPattern = /---\[ end Kernel panic - not syncing/

/** A console can print without end; only this much of it is looked back upon. */
const windowCharactersMax = 8192

interface Waiting {
  readonly pattern: RegExp
  found(match: RegExpExecArray): void
  failed(error: Error): void
}

/** The guest ended while something was still awaited of it. */
export class ConsoleEnded extends Error {}

function trimmed(text: string): string {
  return text.length > 2 * windowCharactersMax ? text.slice(-windowCharactersMax) : text
}

export class ConsoleWatch {
  // state
  private line = ''
  /** Output since something is awaited of it. */
  private window = ''
  private panicMessage: string | undefined
  private finished = false
  private ended = false
  private waiting: Waiting | undefined

  /** The kernel's last words, once it has spoken them. */
  get panic(): string | undefined {
    return this.panicMessage
  }

  /** The kernel has said all it will say of its panic. */
  get panicFinished(): boolean {
    return this.finished
  }

  /** Takes in a byte of output. It is looked at as Latin-1, so that none can break the search. */
  feed(byte: number): void {
    const character = String.fromCharCode(byte)
    if (byte === 0x0a || byte === 0x0d) this.endLine()
    else this.line = trimmed(this.line + character)
    if (!this.waiting) return
    this.window = trimmed(this.window + character)
    this.offer()
  }

  /** Resolves when `pattern` appears in output after this call; rejects when the guest ends first. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    this.window = ''
    return new Promise((found, failed) => {
      this.waiting = { pattern, found, failed }
      if (this.ended) this.end()
    })
  }

  /** No more output will come. */
  end(): void {
    this.ended = true
    this.endLine()
    this.waiting?.failed(new ConsoleEnded('the guest ended'))
    this.waiting = undefined
  }

  private endLine(): void {
    this.panicMessage ??= panicPattern.exec(this.line)?.[1]?.trim()
    if (this.panicMessage !== undefined && !this.finished) this.finished = panicEndPattern.test(this.line)
    this.line = ''
  }

  private offer(): void {
    const waiting = this.waiting
    const match = waiting?.pattern.exec(this.window)
    if (!waiting || !match) return
    this.waiting = undefined
    waiting.found(match)
  }
}
