/**
 * One WebAssembly function for the nodes of a region (64-bit mode):
 *
 *   load budget and flags · block $exit · block $fault · blocks for what follows · dispatch on the entry, registers loaded · nodes and loops in order ·
 *   end $fault · PC, budget and flags of what L_R names · end $exit · store PC, budget, flags · return L_R
 *
 * Jumps forward are branches out of a block that ends where they go; jumps back are branches to a loop, and look at the budget.
 */

import type { ByteWriter, FunctionBody } from '../../../lib/wasm-encoder.js'
import { FRAME_BYTES } from '../../fabric-layout.js'
import { R_JUMP, R_NEXT, R_RETURNED } from '../ir/results.js'
import * as S from '../state/layout.js'
import { BlockCode, type Ways } from './block-code.js'
import { type FlagsKnown, Flags } from './flags.js'
import { type CodeConstant, GuestCode, L_BUDGET, L_ENTRY, L_P, L_PAGE, L_PAGES, L_PC, L_R, LOCAL_DECLARATIONS } from './guest.js'
import { storeLazyFlags } from './lazy-flags.js'
import { leaveMidway, repetitionOf, resumptionAt } from './leaving.js'
import { flagsLiveAtEnds } from './liveness.js'
import { F_CALL } from './kernel-functions.js'
import { owedAtStarts } from './owed.js'
import { PAGE_FUNCTION } from './own-functions.js'
import { pageOf, pagesOf, type RegionNode, type RegionPlan } from './plan.js'
import type { IrRecord } from './record.js'
import { RegisterLiveness } from './register-liveness.js'
import { type Item, placesOf, structure } from './structure.js'
import * as w from './wasm-ops.js'

/** The interpreter's own limit (kernel/records.ts): below it the dispatcher decides block by block. */
const BUDGET_LOW = 64

/** Of L_PAGES. */
const PAGE_BITS = 32

type Label =
  { readonly kind: 'item'; readonly item: Item } | { readonly kind: 'loop'; readonly heads: readonly number[] } | { readonly kind: 'plain' }

export class RegionCode implements Ways {
  private readonly g: GuestCode
  private readonly flags: Flags
  private readonly blocks: BlockCode
  private readonly registers: RegisterLiveness
  private readonly items: readonly Item[]
  private readonly places: ReadonlyMap<number, number>
  /** Most instructions from the start of a node to its region's exit or the next look at the budget. */
  private readonly longest: readonly number[]
  /** Flags that a node leaves may be seen. */
  private readonly flagsLive: readonly boolean[]
  /** Open constructs around the present node, outermost first; within a node's code g.depth counts more. */
  private readonly labels: Label[] = []
  /** What is known of the flags where jumps forward reach a node; undefined where they differ. */
  private readonly arriving = new Map<number, FlagsKnown | undefined>()
  /** By page of the region, counted from its first. */
  private readonly pageBits: ReadonlyMap<number, number>
  /** Instructions that have run and are not charged for yet, at the start of each node. */
  private readonly owedAtStart: readonly number[]
  private current = 0
  /** The same at the present place of the present node. */
  private owed = 0
  /** Code of the present node may leave at an instruction. */
  private troubled = false
  /** It may leave for the interpreter there. */
  private resumes = false

  /** `out`: where the code goes; empty. `s`: state area of the core that will run it. `fuses`, `firstConstant`, `inKernel`: see GuestCode. */
  constructor(
    private readonly plan: RegionPlan,
    out: ByteWriter,
    s: number,
    fuses: boolean,
    firstConstant: number,
    inKernel: boolean,
  ) {
    this.g = new GuestCode(out, s, fuses, firstConstant, inKernel)
    this.flags = new Flags(this.g)
    const { nodes, entries } = plan
    const blocks = nodes.map((node) => node.block)
    this.registers = new RegisterLiveness(nodes)
    this.items = structure(
      nodes.map((node) => [node.taken, node.fall, node.returns, ...node.targets].filter((next) => next >= 0)),
      entries,
    )
    this.places = placesOf(this.items)
    this.longest = this.longestPaths()
    this.owedAtStart = owedAtStarts(nodes, entries, [...this.places.keys()], (from, to) => this.isForward(from, to))
    this.pageBits = new Map([...new Set(nodes.flatMap(pagesOf))].slice(0, PAGE_BITS).map((page, n) => [page, 1 << n]))
    this.flagsLive = flagsLiveAtEnds(nodes, (from, to) => !this.isForward(from, to) || this.changesPage(from, to))
    for (const entry of entries) this.arriving.set(entry, undefined)
    this.blocks = new BlockCode(this.g, this.flags, this, {
      blocks,
      leave: (record) => this.leaveAt(record),
      reloadAfter: (record) => this.reloadRegisters(this.registers.after(this.current, record)),
    })
  }

  /** Instructions that one pass through the region may take: it may be entered only with this much budget. */
  get guard(): number {
    return Math.max(...this.plan.entries.map((entry) => this.longest[entry]!)) + BUDGET_LOW
  }

  /** What the code reads from the module's constants, from place `firstConstant` on; complete once it is built. */
  get constants(): readonly CodeConstant[] {
    return this.g.constants
  }

  /** The function's body. Throws UntranslatableError for a record that regions do not know. */
  build(): FunctionBody {
    const { g, items } = this
    this.prologue()
    this.open(w.BLOCK, { kind: 'plain' })
    this.open(w.BLOCK, { kind: 'plain' })
    for (let n = items.length - 1; n >= 0; n--) this.open(w.BLOCK, { kind: 'item', item: items[n]! })
    this.dispatch()
    this.emitItems(items, true)
    this.close()
    leaveMidway(g)
    this.close()
    this.epilogue()
    return { locals: [...LOCAL_DECLARATIONS, ...this.blocks.calls.vectors.declarations], code: g.out, hints: g.hints }
  }

  private longestPaths(): number[] {
    const { nodes } = this.plan
    const longest = nodes.map((node) => node.block.instructions)
    const backwards = [...this.places.keys()].reverse()
    for (const n of backwards) {
      const { taken, fall, targets, block } = nodes[n]!
      let ahead = 0
      const note = (next: number): void => {
        if (next >= 0 && longest[next]! > ahead && this.isForward(n, next)) ahead = longest[next]!
      }
      note(taken)
      note(fall)
      targets.forEach(note)
      longest[n] = block.instructions + ahead
    }
    return longest
  }

  private changesPage(from: number, to: number): boolean {
    return this.newPages(from, to).length > 0
  }

  /** Pages of node `to` that are not that of node `from`. */
  private newPages(from: number, to: number): readonly number[] {
    const page = pageOf(this.plan.nodes[from]!)
    return pagesOf(this.plan.nodes[to]!).filter((other) => other !== page)
  }

  private isForward(from: number, to: number): boolean {
    return this.places.get(to)! > this.places.get(from)!
  }

  private prologue(): void {
    const { g } = this
    this.loadState()
    g.loadState(w.I64_LOAD, S.PC)
    g.i64(-FRAME_BYTES)
    g.op(w.I64_AND)
    g.set(L_PAGE)
  }

  private reloadRegisters(mask: number): void {
    for (let n = 0; mask >> n !== 0; n++) if ((mask >> n) & 1) this.g.reload(n << 3)
  }

  /** What the state area says of budget, flags and vectors comes into the locals. */
  private loadState(): void {
    const { g } = this
    this.blocks.calls.vectors.reloadAll()
    g.loadState(w.I64_LOAD, S.BUDGET)
    g.set(L_BUDGET)
    this.flags.load()
  }

  private epilogue(): void {
    this.storeState()
    this.g.get(L_R)
  }

  private storeState(): void {
    const { g } = this
    this.blocks.calls.vectors.spillAll()
    g.state()
    g.get(L_PC)
    g.stateMemory(w.I64_STORE, S.PC)
    g.state()
    g.get(L_BUDGET)
    g.stateMemory(w.I64_STORE, S.BUDGET)
    storeLazyFlags(g)
  }

  // ---- structure

  private open(code: number, label: Label): void {
    this.g.op(code, w.TYPE_EMPTY)
    this.labels.push(label)
  }

  private close(): void {
    this.g.op(w.END)
    this.labels.pop()
  }

  /** From the head of the function to the entry that was asked for. */
  private dispatch(): void {
    const { g, plan } = this
    const { entries } = plan
    if (entries.length > 1) {
      entries.forEach(() => this.open(w.BLOCK, { kind: 'plain' }))
      g.get(L_ENTRY)
      g.op(w.BR_TABLE)
      g.out.u32(entries.length - 1)
      entries.forEach((_, n) => g.out.u32(n))
    }
    for (const entry of entries) {
      if (entries.length > 1) this.close()
      const page = Math.floor(plan.nodes[entry]!.position / FRAME_BYTES)
      if (page !== 0) {
        g.get(L_PAGE)
        g.i64(-page * FRAME_BYTES)
        g.op(w.I64_ADD)
        g.set(L_PAGE)
      }
      g.i32(this.pageBit(page))
      g.set(L_PAGES)
      this.reloadRegisters(this.registers.at(entry))
      this.branchTo(entry)
    }
  }

  /** The code of `items`, each behind the end of its block; `first`: the first has one too. */
  private emitItems(items: readonly Item[], first: boolean): void {
    items.forEach((item, n) => {
      if (n > 0 || first) this.close()
      if (item.kind === 'node') this.emitNode(item.node)
      else this.emitLoop(item.heads, item.body)
    })
  }

  private emitLoop(heads: readonly number[], body: readonly Item[]): void {
    const { g } = this
    const several = heads.length > 1
    for (const head of heads) this.arriving.set(head, undefined)
    this.open(w.LOOP, { kind: 'loop', heads })
    for (let n = body.length - 1; n >= (several ? 0 : 1); n--) this.open(w.BLOCK, { kind: 'item', item: body[n]! })
    if (several) {
      g.get(L_ENTRY)
      g.op(w.BR_TABLE)
      g.out.u32(heads.length - 1)
      for (const head of heads) g.out.u32(this.depthOf((label) => label.kind === 'item' && reaches(label.item, head)))
    }
    this.emitItems(body, several)
    this.close()
    g.op(w.UNREACHABLE)
  }

  private emitNode(n: number): void {
    const { g } = this
    const node = this.plan.nodes[n]!
    this.current = n
    this.owed = this.owedAtStart[n]!
    this.troubled = false
    this.resumes = false
    this.flags.assume(this.arriving.get(n))
    g.assumeClean()
    this.open(w.BLOCK, { kind: 'plain' })
    this.blocks.emit(node, this.flagsLive[n]!)
    g.op(w.UNREACHABLE)
    this.close()
    if (!this.troubled) return g.op(w.UNREACHABLE)
    this.pay(this.owedAtStart[n]!)
    g.pageAddress(node.position)
    g.set(L_PC)
    if (this.resumes) {
      g.recordAddress(node.block.address)
      g.set(L_P)
    }
    g.op(w.BR)
    g.out.u32(this.labels.length - 2)
  }

  /** Labels between the present place and the innermost that fits. */
  private depthOf(fits: (label: Label) => boolean): number {
    for (let n = this.labels.length - 1; n >= 0; n--) if (fits(this.labels[n]!)) return this.labels.length - 1 - n + this.g.depth
    throw new Error('translator: a jump to nowhere')
  }

  /** Branches to node `to`, be it ahead or the head of a loop around. */
  private branchTo(to: number): void {
    const { g } = this
    const fits = (label: Label): boolean =>
      label.kind === 'loop' ? label.heads.includes(to) : label.kind === 'item' && reaches(label.item, to)
    const depth = this.depthOf(fits)
    const label = this.labels[this.labels.length - 1 - (depth - g.depth)]!
    const heads = label.kind === 'loop' ? label.heads : label.kind === 'item' && label.item.kind === 'loop' ? label.item.heads : []
    if (heads.length > 1) {
      g.i32(heads.indexOf(to))
      g.set(L_ENTRY)
    }
    g.op(w.BR)
    g.out.u32(depth)
  }

  // ---- ways out of a node

  out(result: number): void {
    const { g } = this
    g.flush()
    this.flags.settle()
    this.pay(this.owed)
    g.i32(result)
    g.set(L_R)
    g.op(w.BR)
    g.out.u32(this.labels.length - 1 + g.depth)
  }

  leaveAt(record: IrRecord): void {
    const { g } = this
    this.troubled = true
    g.flush()
    g.i32(repetitionOf(record, this.flags.settled()))
    g.set(L_R)
    g.op(w.BR)
    g.out.u32(this.troubleDepth)
  }

  resumption(record: IrRecord): number {
    this.troubled = true
    this.resumes = true
    return resumptionAt(record.address - this.node.block.address, this.flags.settled())
  }

  /** The node's own block is the innermost. */
  get troubleDepth(): number {
    return this.g.depth
  }

  leaveTo(delta: number, result = R_JUMP): void {
    const { g } = this
    g.pageAddress(this.node.position + delta)
    g.set(L_PC)
    this.out(result)
  }

  charge(instructions: number): void {
    this.owed = this.owedAtStart[this.current]! + instructions
  }

  private pay(instructions: number): void {
    const { g } = this
    if (instructions === 0) return
    g.get(L_BUDGET)
    g.i64(instructions)
    g.op(w.I64_SUB)
    g.set(L_BUDGET)
  }

  goTo(to: number, delta: number, spent: boolean): void {
    if (to < 0) return this.leaveTo(delta, R_NEXT)
    this.g.flush()
    this.checkPages(this.newPages(this.current, to), delta)
    return this.enter(to, delta, spent)
  }

  goBack(to: number, spent: boolean): void {
    const target = this.plan.nodes[to]!
    const delta = target.position - this.node.position
    // The call's page has been looked at: that of its return address, unless the call ends with it.
    this.checkPages(target.position % FRAME_BYTES === 0 ? pagesOf(target) : pagesOf(target).slice(1), delta)
    this.enter(to, delta, spent)
  }

  positionOf(n: number): number {
    return this.plan.nodes[n]!.position
  }

  call(delta: number): void {
    const { g } = this
    g.flush()
    this.flags.settle()
    this.pay(this.owed)
    this.owed = 0
    this.storeState()
    g.core()
    g.pageAddress(this.node.position + delta)
    g.call(F_CALL)
    g.tee(L_R)
    g.i32(R_RETURNED)
    g.op(w.I32_NE)
    g.ifUnlikely()
    g.get(L_R)
    g.op(w.RETURN)
    g.end()
    const to = this.node.returns
    this.loadState()
    this.reloadRegisters(this.registers.at(to))
    this.checkPages(this.newPages(this.current, to), delta)
    this.enter(to, delta, true)
  }

  private enter(to: number, delta: number, spent: boolean): void {
    const forward = this.isForward(this.current, to)
    this.g.flush()
    // A string instruction may have used up more than was allowed for.
    if (!forward || spent) this.leaveBelow(this.longest[to]! + BUDGET_LOW, delta)
    this.pay(this.owed - this.owedAtStart[to]!)
    this.flags.settle()
    if (forward) this.arrive(to)
    this.branchTo(to)
  }

  private arrive(to: number): void {
    const known = this.flags.known()
    if (!this.arriving.has(to)) this.arriving.set(to, known)
    else if (!sameFlags(this.arriving.get(to), known)) this.arriving.set(to, undefined)
  }

  private get node(): RegionNode {
    return this.plan.nodes[this.current]!
  }

  /** Leaves for the dispatcher, at `delta` from the start of the block, when fewer than `instructions` may still run. */
  private leaveBelow(instructions: number, delta: number): void {
    const { g } = this
    g.get(L_BUDGET)
    g.i64(instructions + this.owed)
    g.op(w.I64_LT_S)
    g.ifUnlikely()
    this.leaveTo(delta)
    g.end()
  }

  /** Bit of L_PAGES for `page`; 0: there are too many. */
  private pageBit(page: number): number {
    return this.pageBits.get(page) ?? 0
  }

  private checkPages(pages: readonly number[], delta: number): void {
    for (const page of pages) this.checkPage(page, delta)
  }

  /** Leaves where `page` is no longer the one that the region was made from. Mappings stand while a region runs, so each is looked at once. */
  private checkPage(page: number, delta: number): void {
    const { g } = this
    const bit = this.pageBit(page)
    g.get(L_PAGES)
    g.i32(bit)
    g.op(w.I32_AND, w.I32_EQZ)
    g.ifUnlikely()
    g.core()
    g.pageAddress(page * FRAME_BYTES)
    g.frameOf(page)
    g.callOwn(PAGE_FUNCTION)
    g.if()
    this.leaveTo(delta, R_NEXT)
    g.end()
    g.get(L_PAGES)
    g.i32(bit)
    g.op(w.I32_OR)
    g.set(L_PAGES)
    g.end()
  }
}

const reaches = (item: Item, node: number): boolean => (item.kind === 'node' ? item.node === node : item.heads.includes(node))

const sameFlags = (a: FlagsKnown | undefined, b: FlagsKnown | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.kind === b.kind && a.exact === b.exact)
