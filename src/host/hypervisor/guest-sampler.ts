import * as V from '../../spec/svm/vmcb.js'
import type { Vmcb } from './vmcb.js'

/** A guest that jumps about at random fills no more than this; what does not fit is counted as lost. */
const PLACES_MAX = 100_000
/** A sample comes after 3/4 to 5/4 of the period, so that no loop of the guest keeps step with it. */
const PERIOD_LEAST = 0.75
const PERIOD_SPREAD = 0.5

export interface SampledPlace {
  readonly rip: bigint
  readonly user: boolean
  /** CR3: tells processes apart. */
  readonly space: bigint
  samples: number
  /** What passed since the sample before: milliseconds in the guest where there is a clock, else instructions. */
  weight: number
}

export interface SampledProfile {
  readonly places: readonly SampledPlace[]
  readonly samples: number
  readonly lost: number
  /** In the unit of the weights. */
  readonly weight: number
}

/**
 * Looks where the guest is after every so many of its instructions: a VMRUN is given that much less to run. Exits of the guest's own
 * making are no samples, since they all lie at the same few instructions; they only use up the period. So each instruction is as likely
 * as any other to be met, and a sample weighs the time since the one before. The guest sees none of it, and under a seed samples fall
 * on the same instructions in every run.
 */
export class GuestSampler {
  readonly #period: number
  readonly #guestMs: (() => number) | undefined
  // state
  readonly #places = new Map<string, SampledPlace>()
  #left: number
  #chance = 1
  #samples = 0
  #lost = 0
  #weight = 0
  #markMs = 0
  #instructions = 0

  /** `guestMs`: time spent in the guest so far; left out where a run must repeat. */
  constructor(period: number, guestMs?: () => number) {
    this.#period = period
    this.#guestMs = guestMs
    this.#left = this.#nextPeriod()
  }

  /** Instructions that the guest may run before the next look. */
  get instructionsLeft(): number {
    return this.#left
  }

  /** A VMRUN has ended after `instructions`; the VMCB's copy is fresh. */
  ran(instructions: number, vmcb: Pick<Vmcb, 'big' | 'u8'>): void {
    this.#left -= instructions
    this.#instructions += instructions
    if (this.#left > 0) return
    this.#left = this.#nextPeriod()
    this.#take(vmcb)
  }

  #take(vmcb: Pick<Vmcb, 'big' | 'u8'>): void {
    const nowMs = this.#guestMs?.()
    const weight = nowMs === undefined ? this.#instructions : nowMs - this.#markMs
    this.#markMs = nowMs ?? 0
    this.#instructions = 0
    this.#samples++
    this.#weight += weight
    const rip = vmcb.big(V.VMCB_RIP)
    const space = vmcb.big(V.VMCB_CR3)
    const key = `${rip} ${space}`
    const known = this.#places.get(key)
    if (known) {
      known.samples++
      known.weight += weight
    } else if (this.#places.size < PLACES_MAX) {
      this.#places.set(key, { rip, user: vmcb.u8(V.VMCB_CPL) === 3, space, samples: 1, weight })
    } else this.#lost++
  }

  /** A generator of our own: the platform's chance would make two runs of one seed differ. */
  #nextPeriod(): number {
    this.#chance = (Math.imul(this.#chance, 1664525) + 1013904223) >>> 0
    return Math.max(1, Math.round(this.#period * (PERIOD_LEAST + (PERIOD_SPREAD * this.#chance) / 0x100000000)))
  }

  profile(): SampledProfile {
    return { places: [...this.#places.values()], samples: this.#samples, lost: this.#lost, weight: this.#weight }
  }
}
