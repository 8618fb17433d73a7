// The run itself. In every round each peer is booted, then every workload runs on one peer after the other, so that the noise of the
// machine hits all of them alike. Guests that wait at their prompt use next to no processor time.

import type { GuestFiles, Peer, PeerName } from './peers/peer.js'
import { RunningGuest, type CommandResult, type Elapsed } from './peers/running-guest.js'
import { geometricMean, median } from './statistics.js'
import { setupCommands, type Group, type Workload } from './workloads/workload.js'

export const bootName = 'time to shell'

export interface Measurement {
  readonly name: string
  readonly group: Group | 'boot'
  readonly about: string
  readonly size: number
  /** Milliseconds by the chosen clock, in the order of the rounds. */
  readonly samples: Partial<Record<PeerName, number[]>>
  /** What each peer's guest printed; the same for all where the emulation is right. */
  readonly outputs: Partial<Record<PeerName, string>>
  /** The same samples by both clocks. */
  readonly elapsed: Partial<Record<PeerName, Elapsed[]>>
  agree: boolean
}

export interface Measurements {
  readonly list: readonly Measurement[]
  /** Greatest resident size of each peer's process over all rounds, in MiB. */
  readonly peakResidentMiB: Partial<Record<PeerName, number>>
}

export interface MeasureOptions {
  readonly peers: readonly Peer[]
  readonly filesFor: (peer: Peer) => GuestFiles
  readonly workloads: readonly Workload[]
  readonly quick: boolean
  readonly samples: number
  readonly clock: keyof Elapsed
  readonly progress: (text: string) => void
}

export async function measure(options: MeasureOptions): Promise<Measurements> {
  const boot: Measurement = {
    name: bootName,
    group: 'boot',
    about: 'from the start of the process to the prompt of the shell',
    size: 1,
    samples: {},
    outputs: {},
    elapsed: {},
    agree: true,
  }
  const list = options.workloads.map((workload) => ({ workload, measurement: measurementOf(workload, options.quick) }))
  const { progress, samples } = options
  const peakResidentMiB: Measurements['peakResidentMiB'] = {}
  for (const peer of options.peers) await runEarlier(peer, options)
  for (let round = 1; round <= samples; round++) {
    const guests: RunningGuest[] = []
    try {
      await bootAll(guests, boot, round, options)
      for (const { workload, measurement } of list) {
        for (const guest of rotated(guests, round)) {
          progress(`round ${round} of ${samples}: ${measurement.name} on ${guest.peer.label}`)
          record(measurement, guest.peer.name, options.clock, await runOn(guest, workload, measurement.size))
        }
      }
      for (const guest of guests) {
        const peak = guest.peakResidentMiB()
        if (peak !== undefined) peakResidentMiB[guest.peer.name] = Math.max(peak, peakResidentMiB[guest.peer.name] ?? 0)
        await guest.powerOff()
      }
    } finally {
      for (const guest of guests) guest.kill()
    }
  }
  return { list: [boot, ...list.map(({ measurement }) => measurement)], peakResidentMiB }
}

/** The runs before the first that counts. */
async function runEarlier(peer: Peer, { filesFor, workloads, quick, progress }: MeasureOptions): Promise<void> {
  for (let run = 1; run <= (peer.earlierRuns ?? 0); run++) {
    progress(`run ${run} of ${peer.earlierRuns} that come before those of ${peer.label}`)
    const guest = await RunningGuest.boot(peer, filesFor(peer))
    try {
      await setUp(guest, workloads)
      for (const workload of workloads) await runOn(guest, workload, sizeOf(workload, quick))
      await guest.powerOff()
    } finally {
      guest.kill()
    }
  }
}

async function bootAll(
  guests: RunningGuest[],
  boot: Measurement,
  round: number,
  { peers, filesFor, ...options }: MeasureOptions,
): Promise<void> {
  for (const peer of rotated(peers, round)) {
    options.progress(`round ${round} of ${options.samples}: booting ${peer.label}`)
    const guest = await RunningGuest.boot(peer, filesFor(peer))
    guests.push(guest)
    record(boot, peer.name, options.clock, { elapsed: guest.boot, output: '' })
    await setUp(guest, options.workloads)
  }
}

async function setUp(guest: RunningGuest, workloads: readonly Workload[]): Promise<void> {
  if (workloads.length > 0) for (const command of setupCommands) await guest.run(command)
}

async function runOn(guest: RunningGuest, { prepare, command }: Workload, size: number): Promise<CommandResult> {
  if (prepare) await guest.run(prepare(size))
  return guest.run(command(size))
}

const sizeOf = ({ size, quickSize }: Workload, quick: boolean): number => (quick ? quickSize : size)

function measurementOf(workload: Workload, quick: boolean): Measurement {
  const { name, group, about } = workload
  return { name, group, about, size: sizeOf(workload, quick), samples: {}, outputs: {}, elapsed: {}, agree: true }
}

/** Another peer goes first in each round. */
function rotated<T>(list: readonly T[], round: number): readonly T[] {
  const first = list.length === 0 ? 0 : (round - 1) % list.length
  return [...list.slice(first), ...list.slice(0, first)]
}

function record(measurement: Measurement, peer: PeerName, clock: keyof Elapsed, { elapsed, output }: CommandResult): void {
  ;(measurement.samples[peer] ??= []).push(elapsed[clock])
  ;(measurement.elapsed[peer] ??= []).push(elapsed)
  measurement.outputs[peer] ??= output
  if (Object.values(measurement.outputs).some((other) => other !== output)) measurement.agree = false
}

export function medianOf(measurement: Measurement, peer: PeerName): number | undefined {
  const samples = measurement.samples[peer]
  return samples && median(samples)
}

/** Median time of one peer over that of another. */
export function ratioOf(measurement: Measurement, peer: PeerName, to: PeerName): number | undefined {
  const [above, below] = [medianOf(measurement, peer), medianOf(measurement, to)]
  return above === undefined || below === undefined ? undefined : above / below
}

/** Geometric mean of the ratios of a group's workloads. */
export function meanRatio(list: readonly Measurement[], group: Measurement['group'], peer: PeerName, to: PeerName): number | undefined {
  const ratios = list.filter((one) => one.group === group).map((one) => ratioOf(one, peer, to))
  const known = ratios.filter((ratio) => ratio !== undefined)
  return known.length === 0 ? undefined : geometricMean(known)
}
