// How fast a guest is saved and restored: the whole way to a file on the disk and back, in this process.

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { bootFiles } from '../src/apps/cli/boot-files.js'
import { openChip } from '../src/apps/cli/chip-folder.js'
import { ConsoleWatch } from '../src/apps/cli/console-watch.js'
import { createMachine, type SevMode } from '../src/apps/cli/machine.js'
import { restoreMachine } from '../src/apps/cli/snapshot/restore.js'
import type { Goal } from './goals.js'
import type { GuestFiles } from './peers/peer.js'
import { median } from './statistics.js'

/** Times in milliseconds, by the clock on the wall and by what the process spent on processors. */
export interface Times {
  readonly wall: number
  readonly processor: number
}

export interface SnapshotMeasurement {
  readonly sev: SevMode
  readonly memoryMiB: number
  /** Pages that the file holds. */
  readonly pagesMiB: number
  readonly fileMiB: number
  readonly save: readonly Times[]
  readonly restore: readonly Times[]
}

export interface SnapshotMeasureOptions {
  readonly files: GuestFiles
  readonly samples: number
  readonly progress: (text: string) => void
}

/** Fills some memory, so that the guest is one that has worked, and waits. */
const busy = "head -c 100000000 /dev/urandom > /tmp/data; echo rea''dy; while :; do sleep 1; done"

function clock(): () => Times {
  const [wall, processor] = [performance.now(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(processor)
    return { wall: performance.now() - wall, processor: (user + system) / 1000 }
  }
}

export async function measureSnapshots(options: SnapshotMeasureOptions): Promise<SnapshotMeasurement[]> {
  const list: SnapshotMeasurement[] = []
  for (const sev of ['none', 'sev'] as const) list.push(await measureSnapshot(sev, options))
  return list
}

async function measureSnapshot(sev: SevMode, { files, samples, progress }: SnapshotMeasureOptions): Promise<SnapshotMeasurement> {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-bench-'))
  try {
    const { kernel, initrd, memoryMiB } = files
    const chip = openChip(join(folder, 'chip'))
    const boot = await bootFiles({ kernel, initrd, append: `quiet cbit.run="${busy}"` }, () => undefined)
    const watch = new ConsoleWatch()
    const machine = createMachine({
      ...boot,
      sev,
      memoryBytes: memoryMiB << 20,
      seed: undefined,
      debugAllowed: false,
      chip,
      onConsole: (byte) => watch.feed(byte),
    })
    progress(`booting a guest to save, --sev ${sev}`)
    const running = machine.run()
    await watch.waitFor(/ready\r?\n/)
    const file = join(folder, 'guest.snap')
    const [save, restore]: [Times[], Times[]] = [[], []]
    let pages = 0
    for (let n = 0; n < samples; n++) {
      progress(`saving and restoring, --sev ${sev}, ${n + 1} of ${samples}`)
      const saved = clock()
      const result = await machine.snapshot(file, { stop: false, signal: new AbortController().signal, progress: () => undefined })
      save.push({ ...saved(), wall: result.elapsedMs })
      pages = result.sealed + result.clear
      const restored = clock()
      restoreMachine(file, { chip, onConsole: () => undefined }, () => undefined)
      restore.push(restored())
    }
    machine.stop()
    await running
    watch.end()
    return { sev, memoryMiB, pagesMiB: (pages * 4096) / 2 ** 20, fileMiB: statSync(file).size / 2 ** 20, save, restore }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const saveMiBPerSecondMin = 150

const rate = (mib: number, times: readonly Times[], clock: keyof Times): number => mib / (median(times.map((time) => time[clock])) / 1000)

/** The rate over what is really written; over the guest's whole memory it is higher, as most of it was never touched. */
export function snapshotGoals(list: readonly SnapshotMeasurement[], clock: keyof Times): Goal[] {
  return list.map(({ sev, memoryMiB, pagesMiB, save }) => ({
    what: `snapshot of a ${memoryMiB} MiB guest, --sev ${sev}, over pages written`,
    bound: 'at least',
    limit: saveMiBPerSecondMin,
    unit: 'MiB/s',
    measured: rate(pagesMiB, save, clock),
  }))
}

export function snapshotLines(list: readonly SnapshotMeasurement[], clock: keyof Times): string[] {
  return list.map(({ sev, memoryMiB, pagesMiB, save, restore }) => {
    const seconds = (times: readonly Times[]): string => (median(times.map((time) => time[clock])) / 1000).toFixed(2)
    return (
      `snapshot, --sev ${sev}: ${pagesMiB.toFixed(0)} MiB of pages saved in ${seconds(save)} s (${rate(pagesMiB, save, clock).toFixed(0)} MiB/s; ` +
      `${rate(memoryMiB, save, clock).toFixed(0)} MiB/s of the guest's ${memoryMiB} MiB), restored in ${seconds(restore)} s (${rate(pagesMiB, restore, clock).toFixed(0)} MiB/s)`
    )
  })
}
