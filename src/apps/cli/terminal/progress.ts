// Progress on stderr for what takes longer than a second: a spinner line on a terminal, plain lines elsewhere.

export class ProgressLine {
  // state
  private message = ''
  private since = 0
  private timer: NodeJS.Timeout | undefined
  private lastTick = -Infinity

  readonly show = (message: string): void => {
    if (!process.stderr.isTTY) {
      process.stderr.write(`cbit: ${message}\n`)
      return
    }
    this.message = message
    this.since = performance.now()
    this.draw()
    this.timer ??= setInterval(() => this.draw(), 250)
    this.timer.unref()
  }

  /** For counters: where lines cannot be rewritten, one a second is enough. */
  readonly tick = (message: string): void => {
    const now = performance.now()
    if (!process.stderr.isTTY && now - this.lastTick < 1000) return
    this.lastTick = now
    this.show(message)
  }

  done(): void {
    if (this.timer) clearInterval(this.timer)
    this.timer = undefined
    if (this.message && process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    this.message = ''
  }

  private draw(): void {
    const seconds = (performance.now() - this.since) / 1000
    process.stderr.write(`\r\x1b[Kcbit: ${this.message} …${seconds >= 1 ? ` ${seconds.toFixed(0)} s` : ''}`)
  }
}
