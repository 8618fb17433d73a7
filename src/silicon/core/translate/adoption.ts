/** Puts kept regions into use where the bytes that they were made from stand around a core's RIP. */

import { FRAME_BYTES } from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { codeAt, type CodePlace, codePlace, frameAt } from './code-pages.js'
import { isFar } from './guest.js'
import {
  CONSTANT_FRAME,
  CONSTANT_IMMEDIATE,
  CONSTANT_RECORD,
  immediateAt,
  type Kept,
  type KeptCode,
  type KeptConstant,
  type KeptModule,
  type KeptRegion,
} from './kept-code.js'
import { noteTargets } from './notes.js'
import { makeWarm } from './plan.js'
import { readEnd } from './record.js'
import type { ModuleInstance, StandingRegions } from './standing-regions.js'

export interface AdoptionPort {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  /** Executions after which a block is offered. */
  readonly hotAfter: number
  /** The block at (frame, offset) under key and mode, or 0. */
  find(frame: number, offset: number, key: number, mode: number): number
  /** Makes the block of what stands at `place`; 0 where that cannot be. Undefined: the code cache has been cleared instead. */
  make(place: CodePlace, key: number, mode: number): number | undefined
}

export type Adopted =
  | 'adopted'
  /** Nothing kept is like what stands here. */
  | 'none'
  /** It may be, but pages of it are not at hand. */
  | 'later'
  /** The code cache has been, or is to be cleared. */
  | 'full'
  | 'cleared'

interface InUse {
  readonly instance: ModuleInstance
  /** Regions that stand, by number. */
  readonly regions: Set<number>
}

export class Adoption {
  /** The last instance of each module. */
  private readonly instances = new Map<KeptModule, InUse>()
  private count = 0

  constructor(
    private readonly port: AdoptionPort,
    private readonly kept: KeptCode,
    private readonly standing: StandingRegions,
  ) {}

  /** Regions since the start. */
  get adopted(): number {
    return this.count
  }

  cleared(): void {
    this.instances.clear()
  }

  /** Looks for a region of `size` or larger that begins with the block at `address`, where core `s` stands. */
  adopt(s: number, address: number, size: number): Adopted {
    const { words } = this.port
    const field = (offset: number): number => words[(address + offset) >> 2]! >>> 0
    if (field(op.BLOCK_FRAME2) !== op.BLOCK_NO_FRAME) return 'none'
    let answer: Adopted = 'none'
    for (const candidate of this.kept.beginningWith(field(op.BLOCK_HASH))) {
      if (candidate.region.size < size) continue
      const found = this.match(s, candidate.region, field(op.BLOCK_KEY), field(op.BLOCK_MODE))
      if (found === 'cleared') return found
      if (typeof found === 'string') {
        if (found === 'later') answer = found
        continue
      }
      if (found[0] !== address) continue
      const { length } = candidate.region.blocks
      if (!this.standing.hasRoom(1, length, candidate.module.constants)) return 'full'
      if (this.install(s, candidate, found)) return 'adopted'
    }
    return answer
  }

  /** Addresses of the blocks that `region` was made from. */
  private match(s: number, region: KeptRegion, key: number, mode: number): number[] | 'none' | 'later' | 'cleared' {
    const { words, bytes } = this.port
    if (region.mode !== mode || region.core !== s) return 'none'
    const places: CodePlace[] = []
    for (let block = 0; block < region.blocks.length; block++) {
      const { position, code } = region.blocks[block]!
      const place = codePlace(words, s, position, code.length)
      if (!place) return 'later'
      if (!sameCode(codeAt(bytes, place, code.length), code, immediatesOf(region, block))) return 'none'
      places.push(place)
    }
    const found: number[] = []
    for (let block = 0; block < region.blocks.length; block++) {
      const { hash, code } = region.blocks[block]!
      const place = places[block]!
      let address: number | undefined = this.port.find(place.frame, place.at % FRAME_BYTES, key, mode) >>> 0
      if (address === 0) address = this.port.make(place, key, mode)
      if (address === undefined) return 'cleared'
      const field = (offset: number): number => words[(address! + offset) >> 2]! >>> 0
      const second = place.second?.frame ?? op.BLOCK_NO_FRAME
      if (address === 0 || field(op.BLOCK_LENGTH) !== code.length || field(op.BLOCK_HASH) !== hash || field(op.BLOCK_FRAME2) !== second)
        return 'none'
      found.push(address)
    }
    return found
  }

  private install(s: number, { module, region }: Kept, blocks: readonly number[]): boolean {
    const instance = this.instanceFor(module, region.number)
    if (!instance) return false
    const { words } = this.port
    region.constants.forEach((constant, n) => {
      words[(instance.constants >> 2) + region.firstConstant + n] = this.valueOf(s, region, constant, blocks)
    })
    const code = instance.exports[`f${region.number}`]
    this.kept.noteUse(module, region.number, code)
    this.standing.install({
      code,
      guard: region.guard,
      size: region.size,
      core: s,
      blocks: [...new Set(blocks)],
      entries: region.entries.map((block) => blocks[block]!),
    })
    this.standing.changed()
    this.tellPlanner(region, blocks)
    this.count++
    return true
  }

  /** What the planner would know of these blocks, had they been interpreted until they were hot. */
  private tellPlanner({ blocks }: KeptRegion, addresses: readonly number[]): void {
    const { words, hotAfter } = this.port
    addresses.forEach((address, n) => {
      makeWarm(words, address, hotAfter)
      const { targets } = blocks[n]!
      if (targets.length > 0) noteTargets(words, readEnd(words, address).last, targets)
    })
  }

  private valueOf(s: number, region: KeptRegion, { kind, block, offset, addend }: KeptConstant, blocks: readonly number[]): number {
    const { words, bytes } = this.port
    if (kind === CONSTANT_FRAME) return frameAt(words, s, offset)
    if (kind === CONSTANT_RECORD) return blocks[block]! + offset
    const { position, code } = region.blocks[block]!
    return immediateAt(codeAt(bytes, codePlace(words, s, position, code.length)!, code.length), offset) + addend
  }

  /** One in which region `number` does not stand yet: its constants are those of one place. */
  private instanceFor(module: KeptModule, number: number): ModuleInstance | undefined {
    let use = this.instances.get(module)
    if (!use || use.regions.has(number)) {
      const compiled = module.module()
      if (!compiled) return undefined
      use = { instance: this.standing.instantiate(compiled, module.constants), regions: new Set() }
      this.instances.set(module, use)
    }
    use.regions.add(number)
    return use.instance
  }
}

/** Places in the code of block number `block` whose bytes are read where the code runs. */
const immediatesOf = ({ constants }: KeptRegion, block: number): readonly number[] =>
  constants.filter((constant) => constant.kind === CONSTANT_IMMEDIATE && constant.block === block).map(({ offset }) => offset)

/** `there` is `code`, but for far immediates at `places`. */
function sameCode(there: Uint8Array, code: Uint8Array, places: readonly number[]): boolean {
  for (let n = 0; n < code.length; n++) {
    if (there[n] === code[n]) continue
    const place = places.find((from) => n >= from && n < from + 4)
    if (place === undefined || !isFar(immediateAt(there, place))) return false
  }
  return true
}
