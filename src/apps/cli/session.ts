// One run of a machine with a console: from power-on to its ending.

import { createHash } from 'node:crypto'
import { nodeHostLoop, type ExitReport } from '../../host/hypervisor/index.js'
import { ConsoleWatch } from './console-watch.js'
import { serveControl, type ControlServer } from './control/server.js'
import type { Ending } from './ending.js'
import { CliError } from './errors.js'
import type { Machine, MachineOptions } from './machine.js'
import type { Console } from './terminal/console.js'

/** Puts the machine together, once there is somebody to take what it prints. */
export type MakeMachine = (onConsole: MachineOptions['onConsole']) => Machine

export interface SessionOptions {
  readonly make: MakeMachine
  readonly console: Console
  /** Name of the VM for `cbit dram`. */
  readonly name: string | undefined
  /** The guest is measured and waits for its owner's answer over the control socket. */
  readonly onMeasured?: (session: Session) => void
  /** Runs beside the guest, from power-on. */
  readonly script?: (session: Session) => Promise<void>
}

export interface Session {
  readonly machine: Machine
  readonly watch: ConsoleWatch
  readonly name: string
}

export interface SessionResult {
  readonly ending: Ending
  readonly report: ExitReport
  readonly elapsedMs: number
  readonly machine: Machine
}

export async function runSession(options: SessionOptions): Promise<SessionResult> {
  const { make, console } = options
  const watch = new ConsoleWatch()
  const machine: Machine = make(consoleTap(console, watch, () => machine))
  return attend(machine, watch, options)
}

/** Where the bytes of a guest's console go. */
export function consoleTap(console: Console, watch: ConsoleWatch, machine: () => Machine | undefined): (byte: number) => void {
  return (byte) => {
    console.write(byte)
    watch.feed(byte)
    // The kernel has said that nothing follows: with panic=0 it would spin for ever.
    if (watch.panicFinished) machine()?.stop()
  }
}

export type AttendOptions = Pick<SessionOptions, 'console' | 'name' | 'onMeasured' | 'script'>

/** Runs a machine whose guest is there, from its first instruction here to its end. */
export async function attend(machine: Machine, watch: ConsoleWatch, options: AttendOptions): Promise<SessionResult> {
  const { console, script, onMeasured } = options
  const name = (machine.migrations.name = options.name ?? machine.migrations.name)
  const control = await openControl(machine, name, console)
  if (machine.awaitsOwner()) {
    if (!control) throw new CliError('nobody can answer for the guest: its control socket could not be opened')
    onMeasured?.({ machine, watch, name })
  }
  const stop = (): void => machine.stop()
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  console.attach(machine)
  const started = performance.now()
  try {
    const running = machine.run()
    const scripted = script?.({ machine, watch, name }).catch((error: unknown) => {
      machine.stop()
      throw error
    })
    const report = await running
    watch.end()
    await scripted
    await machine.migrations.finished()
    return { ending: endingOf(report, watch), report, elapsedMs: performance.now() - started, machine }
  } finally {
    // A snapshot that has just ended the guest is still to be told of.
    await machine.settled()
    await nodeHostLoop.breathe()
    console.detach()
    for (const signal of signals) process.off(signal, stop)
    control?.close()
    machine.keepCode()
  }
}

/** A VM without a control socket still runs; only `cbit dram` cannot see it. */
async function openControl(machine: Machine, name: string, console: Console): Promise<ControlServer | undefined> {
  try {
    return await serveControl(machine, name)
  } catch (error) {
    if (error instanceof CliError) throw error
    console.note(`cbit: 'cbit dram' will not see this VM: ${(error as Error).message}`)
    return undefined
  }
}

function endingOf(report: ExitReport, watch: ConsoleWatch): Ending {
  const detail = report.explanation
  // After a panic the kernel resets, halts or is stopped by us: the panic is what matters.
  if (watch.panic !== undefined && report.reason !== 'shutdown' && report.reason !== 'debug-exit')
    return { kind: 'panic', message: watch.panic }
  switch (report.reason) {
    case 'shutdown':
      return { kind: 'power-off' }
    case 'debug-exit':
      return { kind: 'debug-exit', value: report.value ?? 0 }
    case 'reset':
      return { kind: 'reset' }
    case 'triple-fault':
      return { kind: 'triple-fault', detail }
    case 'halted-for-ever':
      return { kind: 'halted', detail }
    case 'stopped':
      return { kind: 'stopped' }
    case 'moved':
      return { kind: 'moved' }
    case 'internal-error':
      return { kind: 'failed', detail }
  }
}

/** SHA-256 of all DRAM, in hex. */
export function dramHash(machine: Machine): string {
  const hash = createHash('sha256')
  const chunk = 4 << 20
  for (let at = 0; at < machine.dramBytes; at += chunk) hash.update(machine.readDram(at, Math.min(chunk, machine.dramBytes - at)))
  return hash.digest('hex')
}
