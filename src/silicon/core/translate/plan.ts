/**
 * Which blocks a region holds. It grows from a block that has become hot along direct jumps and the targets that indirect ones were seen to have, across
 * pages, over blocks that have run now and then. Short callees are taken in once for each call (a `Context`), so that their returns are jumps of the
 * region too; longer ones once for all calls, whose returns are compared (`connectShared`); other calls stay calls (`returns`).
 */

import { FRAME_BYTES } from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { notedTargets } from './notes.js'
import { type IrBlock, type IrRecord, readBlock, readEnd } from './record.js'

export interface PlanLimits {
  /** Nodes and records of one region: V8's compile time grows faster than the code beyond this. */
  readonly nodes: number
  readonly records: number
  /** Calls within calls that are taken in, and records of a callee. */
  readonly inlineDepth: number
  readonly inlineRecords: number
  /** Records of a callee that becomes part of the region once, for all calls from it. */
  readonly sharedRecords: number
  /** Returns from it that are compared. */
  readonly returnTargets: number
  /** Targets of an indirect jump. */
  readonly jumpTargets: number
  /** Regions of the common size that a block may be part of already. */
  readonly memberships: number
}

/** What becomes of a region: the first size is that of new ones, each other of those that take the place of one of the size before. */
export interface RegionSize {
  readonly limits: PlanLimits
  /** Entries after which such a region is offered again; 0: never. */
  readonly entries: number
}

export const regionLimits: PlanLimits = {
  nodes: 60,
  records: 800,
  inlineDepth: 1,
  inlineRecords: 40,
  sharedRecords: 250,
  returnTargets: 4,
  jumpTargets: 8,
  memberships: 7,
}
/** Of a region that takes the place of one which is entered very often. */
export const wideLimits: PlanLimits = {
  nodes: 120,
  records: 1600,
  inlineDepth: 2,
  inlineRecords: 40,
  sharedRecords: 800,
  returnTargets: 8,
  jumpTargets: 8,
  memberships: Infinity,
}
/** Of one that takes the place of a wide one: at once, such regions would take the memory of V8's compilers beyond the goal. */
export const widestLimits: PlanLimits = { ...wideLimits, nodes: 240, records: 3200 }

/** Pages on either side of the first. */
const PAGES_MAX = 0x70000
/** Positions are far below half of it on either side of zero. */
const CONTEXT_SPREAD = 2 ** 34
/** A neighbour joins the region of a hot block when no more than this part of its count is left. */
const WARM_LEFT = 7 / 8
/** Of the targets of an indirect jump: each has its part of the jumps only. */
const TARGET_WARM_LEFT = 31 / 32

export interface PlanPort {
  readonly words: Int32Array
  /** Executions after which a block is offered. */
  readonly hotAfter: number
  /** The block at (frame, offset) under key and mode, or 0. */
  find(frame: number, offset: number, key: number, mode: number): number
  /** Frame behind the page `pages` away from that of the hot block, as instruction fetches see it, or -1 where that is not at hand. */
  frameAt(pages: number): number
}

/** A call that was taken in: where it returns to. */
export interface Context {
  readonly parent: Context | undefined
  readonly depth: number
  /** First block of the callee. */
  readonly callee: number
  /** Bytes from the region's first page to the return address. */
  readonly returnPosition: number
}

export interface RegionNode {
  readonly block: IrBlock
  /** Bytes from the region's first page to the block's first instruction. */
  readonly position: number
  readonly frame: number
  readonly context: Context | undefined
  /** Nodes that the block's end goes to: by a jump, a taken branch, a call that was taken in or the return from one; and past an untaken branch. -1: none. */
  taken: number
  fall: number
  /** Node behind a call that stays a call, or -1. */
  returns: number
  /** Nodes that an indirect jump has been seen to go to, or where a return may go to whose call is part of the region. */
  readonly targets: number[]
}

/** Page of the region that the node's code begins on, counted from its first. */
export const pageOf = (node: RegionNode): number => Math.floor(node.position / FRAME_BYTES)

/** The pages that the node's code lies on. */
export const pagesOf = (node: RegionNode): readonly number[] =>
  node.block.frame2 === op.BLOCK_NO_FRAME ? [pageOf(node)] : [pageOf(node), pageOf(node) + 1]

export interface RegionPlan {
  readonly nodes: readonly RegionNode[]
  /** Nodes where the region may be entered; the first is the hot block. */
  readonly entries: readonly number[]
}

interface Wanted {
  readonly position: number
  readonly context: Context | undefined
  /** Part of the threshold that may be left. */
  readonly warmLeft: number
}

/** Plans the region around the block at `address`; it is empty where that cannot be part of one. */
export function planRegion(port: PlanPort, address: number, limits: PlanLimits): RegionPlan {
  return new Planner(port, address, limits).plan()
}

class Planner {
  private readonly key: number
  private readonly mode: number
  private readonly frames = new Map<number, number>()
  private readonly nodes: RegionNode[] = []
  private readonly places = new Map<number, number>()
  private readonly contexts = new Map<Context, number>()
  private readonly callees = new Map<RegionNode, Context>()
  private readonly functionReturns = new Map<number, readonly RegionNode[]>()
  /** Calls of what is part of the region for all of them. */
  private readonly shared = new Set<RegionNode>()
  private readonly sizes = new Map<number, number>()
  private readonly queue: Wanted[] = []
  /** Positions that calls which stay calls return to. */
  private readonly returns = new Set<number>()
  private records = 0
  /** Of the node that is being followed: what lies behind the target of an indirect jump is as warm as that. */
  private warmLeft = WARM_LEFT

  constructor(
    private readonly port: PlanPort,
    private readonly root: number,
    private readonly limits: PlanLimits,
  ) {
    this.key = this.header(root, op.BLOCK_KEY)
    this.mode = this.header(root, op.BLOCK_MODE)
    this.frames.set(0, this.header(root, op.BLOCK_FRAME) >>> 0)
  }

  plan(): RegionPlan {
    this.queue.push({ position: this.header(this.root, op.BLOCK_OFFSET), context: undefined, warmLeft: WARM_LEFT })
    for (let n = 0; n < this.queue.length && this.nodes.length < this.limits.nodes; n++) this.take(this.queue[n]!)
    if (this.nodes.length === 0) return { nodes: [], entries: [] }
    for (const node of this.nodes) this.connect(node)
    for (const node of this.shared) this.connectShared(node)
    const entries = [0]
    this.nodes.forEach((node, n) => {
      if (n === 0 || node.context !== undefined || !this.returns.has(node.position)) return
      if (mayBeEntry(this.port.words, node.block.address) && !isEntry(this.port.words, node.block.address)) entries.push(n)
    })
    return { nodes: this.nodes, entries }
  }

  private header(address: number, field: number): number {
    return this.port.words[(address + field) >> 2]!
  }

  private frameOf(position: number): number {
    const page = Math.floor(position / FRAME_BYTES)
    if (Math.abs(page) > PAGES_MAX) return -1
    let frame = this.frames.get(page)
    if (frame === undefined) {
      frame = this.port.frameAt(page)
      this.frames.set(page, frame)
    }
    return frame
  }

  /** Address of the block at `position` that may be part of the region, or 0. */
  private blockAt(position: number, warmLeft = WARM_LEFT): number {
    const frame = this.frameOf(position)
    if (frame < 0) return 0
    const address = this.port.find(frame, position & (FRAME_BYTES - 1), this.key, this.mode) >>> 0
    if (address === 0 || !this.mayJoin(address, position)) return 0
    return address === this.root || this.isWarm(address, warmLeft) ? address : 0
  }

  private mayJoin(address: number, position: number): boolean {
    const second = this.header(address, op.BLOCK_FRAME2) >>> 0
    return (
      this.header(address, op.BLOCK_VALID) !== 0 &&
      (second === op.BLOCK_NO_FRAME || this.frameOf(position + FRAME_BYTES) === second) &&
      (address === this.root || this.header(address, op.BLOCK_REGION_COUNT) < this.limits.memberships)
    )
  }

  /** Has run now and then, or is part of a region already. */
  private isWarm(address: number, warmLeft: number): boolean {
    if (isEntry(this.port.words, address) || !mayBeEntry(this.port.words, address)) return true
    return this.header(address, op.BLOCK_FIRST_RECORD + 8) <= this.port.hotAfter * warmLeft
  }

  private notedTargets(record: IrRecord): number[] {
    return notedTargets(this.port.words, record).slice(0, this.limits.jumpTargets)
  }

  private placeOf(position: number, context: Context | undefined): number {
    return position + (context === undefined ? 0 : this.contexts.get(context)!) * CONTEXT_SPREAD
  }

  private take({ position, context, warmLeft }: Wanted): void {
    const place = this.placeOf(position, context)
    if (this.places.has(place)) return
    const address = this.blockAt(position, warmLeft)
    if (address === 0) return
    const block = readBlock(this.port.words, address)
    const full = this.nodes.length > 0 && this.records + block.records.length > this.limits.records
    if (full || !isTranslatable(block)) return
    this.records += block.records.length
    const node: RegionNode = {
      block,
      position,
      frame: this.frameOf(position),
      context,
      taken: -1,
      fall: -1,
      returns: -1,
      targets: [],
    }
    this.places.set(place, this.nodes.length)
    this.nodes.push(node)
    this.warmLeft = warmLeft
    this.follow(node)
  }

  private want(position: number, context: Context | undefined, warmLeft = this.warmLeft): void {
    this.queue.push({ position, context, warmLeft })
  }

  private follow(node: RegionNode): void {
    const { block, position, context } = node
    const last = block.records.at(-1)
    if (block.branch) {
      this.want(position + block.branch.takenDelta, context)
      this.want(position + block.branch.fallDelta, context)
    } else if (last?.op === op.OP_JMP || last?.op === op.OP_NEXT) {
      // Where the dispatcher must look first, it comes back.
      if (last.imm2 === op.LINK_NEVER) this.returnsTo(position + last.imm, context)
      else this.want(position + last.imm, context)
    } else if (last?.op === op.OP_CALL) this.followCall(node, position + last.imm, position + (last.a | (last.b << 8)))
    else if (last?.op === op.OP_CALLI) {
      if (last.imm2 !== 0) this.followCall(node, position + last.imm2, position + last.imm)
      this.returnsTo(position + last.imm, context)
    } else if (last?.op === op.OP_JMPI) for (const delta of this.notedTargets(last)) this.want(position + delta, context, TARGET_WARM_LEFT)
  }

  private followCall(node: RegionNode, target: number, returnPosition: number): void {
    const { context } = node
    const callee = this.blockAt(target)
    if (callee === 0 || !this.mayInline(callee, target, context)) {
      if (callee !== 0 && this.sizeOf(callee, target) <= this.limits.sharedRecords) {
        this.shared.add(node)
        this.want(target, undefined)
      }
      return this.returnsTo(returnPosition, context)
    }
    const called: Context = { parent: context, depth: (context?.depth ?? 0) + 1, callee, returnPosition }
    this.contexts.set(called, this.contexts.size + 1)
    this.callees.set(node, called)
    this.want(target, called)
    this.want(returnPosition, context)
  }

  /** A call stays a call. Where the way back is another than that of the call, the region is entered again behind it. */
  private returnsTo(position: number, context: Context | undefined): void {
    if (context === undefined) this.returns.add(position)
    this.want(position, context)
  }

  private mayInline(callee: number, position: number, context: Context | undefined): boolean {
    if ((context?.depth ?? 0) >= this.limits.inlineDepth || callee === this.root) return false
    for (let around = context; around; around = around.parent) if (around.callee === callee) return false
    return this.sizeOf(callee, position) <= this.limits.inlineRecords
  }

  /** Records of the function at `position` up to its returns, as far as they matter. */
  private sizeOf(callee: number, position: number): number {
    const known = this.sizes.get(callee)
    if (known !== undefined) return known
    const seen = new Set<number>()
    const open = [position]
    let size = 0
    while (open.length > 0 && size <= this.limits.sharedRecords) {
      const at = open.pop()!
      const address = seen.has(at) ? 0 : this.blockAt(at)
      seen.add(at)
      if (address === 0) continue
      const { records, last, branch } = readEnd(this.port.words, address)
      size += records
      if (branch) open.push(at + branch.takenDelta, at + branch.fallDelta)
      else if (last.op === op.OP_JMP || last.op === op.OP_NEXT) open.push(at + last.imm)
      else if (last.op === op.OP_CALL) open.push(at + (last.a | (last.b << 8)))
      else if (last.op === op.OP_CALLI) open.push(at + last.imm)
    }
    this.sizes.set(callee, size)
    return size
  }

  /** A call of a callee in the region stays a call where its return would not come back. */
  private connectShared(node: RegionNode): void {
    const last = node.block.records.at(-1)!
    const target = this.nodeAt(node.position + (last.op === op.OP_CALL ? last.imm : last.imm2), undefined)
    if (target < 0 || node.returns < 0) return
    const returns = this.returnsOf(target)
    const room = returns.filter(({ targets }) => targets.includes(node.returns) || targets.length < this.limits.returnTargets)
    if (room.length === 0 || room.length < returns.length) return
    for (const { targets } of returns) if (!targets.includes(node.returns)) targets.push(node.returns)
    node.taken = target
    if (last.op === op.OP_CALL) node.returns = -1
  }

  /** The returns of the function that begins at node `entry`, as far as they are part of the region. */
  private returnsOf(entry: number): readonly RegionNode[] {
    const known = this.functionReturns.get(entry)
    if (known) return known
    const found: RegionNode[] = []
    const seen = new Set([entry])
    for (const n of seen) {
      const node = this.nodes[n]!
      const { op: code } = node.block.records.at(-1)!
      const calls = code === op.OP_CALL || code === op.OP_CALLI
      if (code === op.OP_RET && !node.context) found.push(node)
      else {
        const shared = this.shared.has(node)
        const next = calls && shared ? [this.returnNode(node)] : [node.taken, node.fall, node.returns, ...node.targets]
        for (const to of next) if (to >= 0) seen.add(to)
      }
    }
    this.functionReturns.set(entry, found)
    return found
  }

  /** Node behind the call that ends `node`, or -1. */
  private returnNode({ block, position, context }: RegionNode): number {
    const last = block.records.at(-1)!
    return this.nodeAt(position + (last.op === op.OP_CALL ? last.a | (last.b << 8) : last.imm), context)
  }

  private nodeAt(position: number, context: Context | undefined): number {
    return this.places.get(this.placeOf(position, context)) ?? -1
  }

  private connect(node: RegionNode): void {
    const { block, position, context } = node
    const last = block.records.at(-1)
    if (block.branch) {
      node.taken = this.nodeAt(position + block.branch.takenDelta, context)
      node.fall = this.nodeAt(position + block.branch.fallDelta, context)
    } else if (last?.op === op.OP_JMP || last?.op === op.OP_NEXT) {
      if (last.imm2 !== op.LINK_NEVER) node.taken = this.nodeAt(position + last.imm, context)
    } else if (last?.op === op.OP_CALL) {
      const called = this.callees.get(node)
      if (called) node.taken = this.nodeAt(position + last.imm, called)
      else node.returns = this.nodeAt(position + (last.a | (last.b << 8)), context)
    } else if (last?.op === op.OP_CALLI) {
      const called = this.callees.get(node)
      if (called) node.taken = this.nodeAt(position + last.imm2, called)
      node.returns = this.nodeAt(position + last.imm, context)
    } else if (last?.op === op.OP_JMPI) {
      for (const delta of this.notedTargets(last)) {
        const target = this.nodeAt(position + delta, context)
        if (target >= 0) node.targets.push(target)
      }
    } else if (last?.op === op.OP_RET && context) node.taken = this.nodeAt(context.returnPosition, context.parent)
  }
}

/** Counts the block at `address` as one that has run now and then. */
export function makeWarm(words: Int32Array, address: number, hotAfter: number): void {
  const left = (address + op.BLOCK_FIRST_RECORD + 8) >> 2
  if (mayBeEntry(words, address) && !isEntry(words, address)) words[left] = Math.min(words[left]!, Math.floor(hotAfter * WARM_LEFT))
}

const firstOperation = (words: Int32Array, address: number): number => words[(address + op.BLOCK_FIRST_RECORD) >> 2]! & 0xffff

/** The block is where some region may be entered. */
export function isEntry(words: Int32Array, address: number): boolean {
  return firstOperation(words, address) === op.OP_REGION
}

/**
 * A block that runs over into another page has one instruction, no count in front of it, and cannot be where a region is entered: whoever enters has looked at one
 * page only.
 */
const mayBeEntry = (words: Int32Array, address: number): boolean => words[(address + op.BLOCK_FRAME2) >> 2]! >>> 0 === op.BLOCK_NO_FRAME

/** Records that regions do not know keep a block out. */
function isTranslatable(block: IrBlock): boolean {
  return block.records.every((record) => record.op !== op.OP_RAISE && record.op !== op.OP_SEGMENT && record.op !== op.OP_LEAVE)
}
