// A guest that runs in a child process, driven through its serial console: boot to the prompt, commands between markers, power off.

import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { BenchError, type GuestFiles, type Peer } from './peer.js'

/** A shell's prompt at the end of all output; busybox asks the terminal for its cursor behind it. */
const promptPattern = /[\w~/)\]][#$] (?:\x1b\[6n)?$/
/** Nothing here comes near it on the slowest machine; a guest that hangs ends the run. */
const waitMsMax = 900_000
const outputCharactersMax = 1 << 20

/** Milliseconds: by the wall clock, and of processor time that the peer's process took. */
export interface Elapsed {
  readonly wall: number
  readonly processor: number
}

export interface CommandResult {
  readonly elapsed: Elapsed
  /** What it printed, without carriage returns. */
  readonly output: string
}

interface Waiting {
  readonly look: (output: string, now: Elapsed) => boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly what: string
}

/** No guest outlives us. */
const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))

export class RunningGuest {
  /** From the start of the process to the shell's prompt. */
  boot: Elapsed = { wall: 0, processor: 0 }
  // configuration
  readonly peer: Peer
  // connections
  private readonly child: ChildProcess
  private readonly started = performance.now()
  private readonly heard: ((text: string) => void) | undefined
  // state
  private output = ''
  private errors = ''
  private waiting: Waiting | undefined
  private commands = 0
  private socket: Socket | undefined
  private ended: string | undefined

  private constructor(peer: Peer, guest: GuestFiles, server: Server | undefined, heard?: (text: string) => void) {
    this.peer = peer
    this.heard = heard
    const [program, ...words] = peer.command(guest, server ? (server.address() as AddressInfo).port : 0)
    this.child = spawn(program!, words, {
      env: { ...process.env, ...peer.environment },
      stdio: [server ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    if (server) this.listen(server)
    else this.child.stdout!.on('data', (chunk: Buffer) => this.take(chunk))
    this.child.stderr!.on('data', (chunk: Buffer) => (this.errors = (this.errors + chunk.toString('latin1')).slice(-4096)))
    this.child.stdin?.on('error', () => undefined)
    this.child.on('error', (error) => this.end(error.message))
    running.add(this.child)
    this.child.on('close', () => running.delete(this.child))
    this.child.on('close', (code, signal) => this.end(signal ? `it was ended by ${signal}` : `it ended with code ${code}`))
  }

  /** The serial console comes by the first connection. */
  private listen(server: Server): void {
    // What the program itself prints is of use when it fails.
    this.child.stdout!.on('data', (chunk: Buffer) => (this.errors = (this.errors + chunk.toString('latin1')).slice(-4096)))
    server.once('connection', (socket) => {
      server.close()
      this.socket = socket.setNoDelay(true)
      socket.on('data', (chunk: Buffer) => this.take(chunk))
      socket.on('error', () => undefined)
    })
    this.child.on('close', () => server.close())
  }

  private type(text: string): void {
    const console = this.socket ?? this.child.stdin
    console?.write(text)
  }

  /** `heard` gets all that the guest prints, as it comes. */
  static async boot(peer: Peer, files: GuestFiles, heard?: (text: string) => void): Promise<RunningGuest> {
    const server = peer.serial === 'socket' ? await listening() : undefined
    const guest = new RunningGuest(peer, files, server, heard)
    try {
      await guest.until('the prompt', (output, now) => {
        if (!promptPattern.test(output.slice(-80))) return false
        guest.boot = now
        return true
      })
      // Kernel messages would stand between what the commands print.
      await guest.run('dmesg -n 1')
      return guest
    } catch (error) {
      guest.kill()
      throw error
    }
  }

  /** Runs `command` in the guest's shell. The time is that between its two markers as they reach us. */
  async run(command: string): Promise<CommandResult> {
    const number = ++this.commands
    this.output = ''
    // The echo of what is typed has quotation marks inside the markers, so only the shell's output matches.
    this.type(`echo "<<"B${number}; { ${command}; }; echo "<<"E${number} $?\n`)
    let begin: Elapsed | undefined
    let end: Elapsed | undefined
    let match: RegExpExecArray | null = null
    const begun = `<<B${number}\r`
    const finished = new RegExp(`<<B${number}\\r*\\n([^]*)<<E${number} (\\d+)\\r`)
    await this.until(`'${command}'`, (output, now) => {
      if (begin === undefined && output.includes(begun)) begin = now
      if (begin === undefined) return false
      match = finished.exec(output)
      end = now
      return match !== null
    })
    const [, text, status] = match!
    const printed = text!.replaceAll('\r', '').trim()
    if (status !== '0') throw new BenchError(`${this.peer.label}: '${command}' failed with status ${status}: ${printed.slice(-200)}`)
    await this.until('the prompt', (output) => promptPattern.test(output.slice(-80)))
    return { elapsed: { wall: end!.wall - begin!.wall, processor: end!.processor - begin!.processor }, output: printed }
  }

  /** Lets the guest wait at its prompt; how often its process woke meanwhile, and for how long in all. */
  async idle(seconds: number): Promise<{ readonly elapsed: Elapsed; readonly wakes: number }> {
    const before = { ...this.now(), wakes: voluntarySwitches(this.child.pid) }
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const { wall, processor } = this.now()
    const elapsed = { wall: wall - before.wall, processor: processor - before.processor }
    return { elapsed, wakes: voluntarySwitches(this.child.pid) - before.wakes }
  }

  private now(): Elapsed {
    return { wall: performance.now() - this.started, processor: processorMs(this.child.pid) }
  }

  /** Greatest resident size of the process so far, in MiB; undefined where the kernel does not say. */
  peakResidentMiB(): number | undefined {
    return memoryMiB(this.child.pid, 'VmHWM')
  }

  residentMiB(): number | undefined {
    return memoryMiB(this.child.pid, 'VmRSS')
  }

  /** Ends the guest by its own means. */
  async powerOff(): Promise<void> {
    // Not every emulator ends with its guest.
    if (this.peer.apart) return this.kill()
    const closed = new Promise<void>((resolve) => this.child.once('close', () => resolve()))
    this.type('poweroff\n')
    const patience = setTimeout(() => this.kill(), 60_000)
    if (this.ended === undefined) await closed
    clearTimeout(patience)
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private async until(what: string, look: Waiting['look']): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const patience = setTimeout(() => reject(this.failure(what, 'it took too long')), waitMsMax)
      const done = (action: () => void): void => {
        clearTimeout(patience)
        this.waiting = undefined
        action()
      }
      this.waiting = { what, look, resolve: () => done(resolve), reject: (error) => done(() => reject(error)) }
      if (this.ended !== undefined) this.waiting.reject(this.failure(what, this.ended))
      else if (look(this.output, this.now())) this.waiting.resolve()
    })
  }

  private take(chunk: Buffer): void {
    const now = this.now()
    this.heard?.(chunk.toString('latin1'))
    this.output = (this.output + chunk.toString('latin1')).slice(-outputCharactersMax)
    if (this.waiting?.look(this.output, now)) this.waiting.resolve()
  }

  private end(why: string): void {
    this.ended ??= why
    this.waiting?.reject(this.failure(this.waiting.what, why))
  }

  private failure(what: string, why: string): BenchError {
    const last = (this.output + this.errors).replaceAll('\r', '').trim().split('\n').slice(-6).join('\n  ')
    return new BenchError(`${this.peer.label} did not come to ${what}: ${why}${last && `. Its last words:\n  ${last}`}`)
  }
}

function memoryMiB(pid: number | undefined, field: 'VmHWM' | 'VmRSS'): number | undefined {
  try {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) / 1024
  } catch {
    return undefined
  }
}

async function listening(): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return server
}

/** Times that the threads of a process have gone to sleep; 0 where the kernel does not say. */
function voluntarySwitches(pid: number | undefined): number {
  try {
    const folder = `/proc/${pid}/task`
    const of = (thread: string): number =>
      Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${folder}/${thread}/status`, 'utf8'))?.[1] ?? 0)
    return readdirSync(folder).reduce((sum, thread) => sum + of(thread), 0)
  } catch {
    return 0
  }
}

/** Time on a processor of all threads of a process; 0 where the kernel does not say. */
function processorMs(pid: number | undefined): number {
  try {
    const folder = `/proc/${pid}/task`
    return readdirSync(folder).reduce(
      (sum, thread) => sum + Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
      0,
    )
  } catch {
    return 0
  }
}
