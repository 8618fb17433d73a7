// Progress on stderr for what takes longer than a second: a spinner line on a terminal, plain lines elsewhere.

export class ProgressLine {
  // state
  private message = ''
  private since = 0
  private timer: NodeJS.Timeout | undefined

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
