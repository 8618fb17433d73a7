/**
 * Translated code that outlives what it was translated for. It names neither addresses nor frames nor the guest (GuestCode.constants), so it serves wherever the same bytes stand at
 * the same places of their pages: after the code cache has been cleared, in another process of the guest's, in another guest.
 *
 * A block that begins a region which is kept is looked for here after a few executions, and the region compared with the bytes that stand around it now (Adoption).
 */

import { isFar } from './guest.js'

/** For those that hand modules on, and do not instantiate them. */
export type CompiledModule = WebAssembly.Module

export const compileModule = (bytes: Uint8Array): CompiledModule => new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)

/** What a region was made from: bytes of code, at a place counted from the region's first page. */
export interface KeptBlock {
  readonly position: number
  /** BLOCK_HASH. */
  readonly hash: number
  readonly code: Uint8Array
  /** Where the indirect jump at its end was seen to go, from its start. */
  readonly targets: readonly number[]
}

export const CONSTANT_RECORD = 0
export const CONSTANT_FRAME = 1
export const CONSTANT_IMMEDIATE = 2

/** See CodeConstant; `block` is a number of a block. */
export interface KeptConstant {
  readonly kind: number
  readonly block: number
  /** Of an immediate: place of its four bytes in the block's code. */
  readonly offset: number
  /** What is added to these. */
  readonly addend: number
}

export interface KeptRegion {
  /** Its module exports it as `f<number>`. */
  readonly number: number
  /** State area of the core that its code is for. */
  readonly core: number
  /** MODE_* bits that its blocks were lowered for. */
  readonly mode: number
  readonly guard: number
  /** Number of its RegionSize. */
  readonly size: number
  /** The first is the one that it was made around, on page 0. */
  readonly blocks: readonly KeptBlock[]
  /** Blocks where it may be entered. */
  readonly entries: readonly number[]
  readonly constants: readonly KeptConstant[]
  /** Place of the first of them in those of the module. */
  readonly firstConstant: number
}

export interface KeptModule {
  /** Words that its code reads by `env.constants`. */
  readonly constants: number
  /** Throws nothing: undefined where its code cannot be had any more. */
  module(): CompiledModule | undefined
}

export interface Kept {
  readonly module: KeptModule
  readonly region: KeptRegion
}

/** What has been compiled in this process. */
export interface FreshModule {
  readonly module: CompiledModule
  /** The WebAssembly that it was compiled from. */
  readonly bytes: Uint8Array
  readonly constants: number
  readonly regions: readonly FreshRegion[]
}

export interface FreshRegion {
  readonly region: KeptRegion
  /** What the module exports for it. */
  readonly code: unknown
}

/** WebAssembly of this process's own that is kept in it: what is compiled beyond that serves once. */
const FRESH_BYTES_MAX = 32 << 20

/** All regions that are kept, by the block that they were made around. */
export class KeptCode {
  private readonly byRoot = new Map<number, Kept[]>()
  private readonly used = new Map<KeptModule, Map<number, unknown>>()
  private fresh: FreshModule[] = []
  private freshBytes = 0

  /** The regions that begin with a block of hash `hash` (`blockHash`); the last that was added comes first. */
  beginningWith(hash: number): readonly Kept[] {
    return this.byRoot.get(hash) ?? []
  }

  add(kept: Kept): void {
    const { hash } = kept.region.blocks[0]!
    const others = this.byRoot.get(hash)
    if (others) others.unshift(kept)
    else this.byRoot.set(hash, [kept])
  }

  /** `fresh` has been compiled, and serves again as long as there is room for it. */
  addFresh(fresh: FreshModule): void {
    if (this.freshBytes + fresh.bytes.length > FRESH_BYTES_MAX) return
    this.freshBytes += fresh.bytes.length
    this.fresh.push(fresh)
    const { constants, module, regions } = fresh
    const keptModule = { constants, module: () => module }
    for (const { region } of regions) this.add({ module: keptModule, region })
  }

  /** Region `number` of `module` is in use: `code` is what its instance exports for it. */
  noteUse(module: KeptModule, number: number, code: unknown): void {
    const regions = this.used.get(module)
    if (regions) regions.set(number, code)
    else this.used.set(module, new Map([[number, code]]))
  }

  /** What nobody has taken yet. */
  takeFresh(): readonly FreshModule[] {
    const { fresh } = this
    this.fresh = []
    return fresh
  }

  /** By module: what its regions in use are exported as. */
  get uses(): ReadonlyMap<KeptModule, ReadonlyMap<number, unknown>> {
    return this.used
  }
}

/** The four bytes at `at`, signed. */
export const immediateAt = (code: Uint8Array, at: number): number =>
  code[at]! | (code[at + 1]! << 8) | (code[at + 2]! << 16) | (code[at + 3]! << 24)

/**
 * Hash of a block that has just been lowered to the `count` records at `words`, for `mode`, and begins at `offset` of its page. Far immediates do not count, nor does the first record.
 * Not to be trusted: code is compared.
 */
export function blockHash(words: Int32Array, at: number, count: number, offset: number, mode: number): number {
  let hash = Math.imul(offset ^ (mode << 12), 0x9e3779b1)
  for (let n = at + 4; n < at + count * 4; n += 4) {
    hash = Math.imul(hash ^ words[n]!, 0x01000193)
    hash = Math.imul(hash ^ words[n + 1]!, 0x85ebca6b)
    const first = words[n + 2]!
    const second = words[n + 3]!
    hash = Math.imul(hash ^ (isFar(first) ? 0 : first), 0xc2b2ae35)
    hash = Math.imul(hash ^ (isFar(second) ? 0 : second), 0x27d4eb2f)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}
