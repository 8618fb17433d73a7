/**
 * The machine that interprets. It is led along the log of the other: each VMRUN is cut where the other one was looked at, by its budget, and the states are
 * compared there.
 *
 * A budget counts instructions, and no instruction lies between a fault or an event and the first instruction of its handler. So one machine may stand before
 * the delivery and the other behind it. Both are then compared in all that a delivery leaves alone, and at the next stop in everything.
 */

import * as S from '../../../src/silicon/core/state/layout.js'
import type { Soc } from '../../../src/silicon/soc.js'
import { PAGE_BYTES } from '../../../src/host/hypervisor/physical-memory.js'
import { COPY_WORDS, copyState, ripOf, sameState, stateDifferences } from './compared-state.js'
import { codeAt, LockstepDifference, type Place } from './difference.js'
import { AFTER, BEFORE, ENTERED, LEFT, type StopLog } from './stop-log.js'

const SHOWN_INSTRUCTIONS = 40

export class InterpretedSide {
  /** Stops where all was compared, and where all but what a delivery changes was. */
  compared = 0
  acrossDelivery = 0
  /** Stops that a long string instruction went past. */
  passed = 0
  private soc!: Soc
  private words!: Int32Array
  private s = 0
  private runKernel!: (s: number) => number
  private readonly state = new Int32Array(COPY_WORDS)
  private agreed: Place = { instructions: 0, rip: 0n }
  /** The count of instructions where the present VMRUN has arrived. */
  private count = 0

  constructor(private readonly log: StopLog) {}

  attach(soc: Soc): void {
    const { kernel, cores } = soc.inside
    this.soc = soc
    this.s = cores[0]!.state
    this.words = new Int32Array(kernel.view.buffer)
    this.runKernel = kernel.run.bind(kernel)
    kernel.run = (s) => this.run(s)
  }

  /** One VMRUN, which the other machine has done. */
  private run(s: number): number {
    const { log } = this
    const budget = this.budget
    this.count = this.soc.inside.cores[0]!.instructionsRetired
    const end = this.count + budget
    if (this.step() !== ENTERED || log.count !== this.count || log.detail !== budget) this.differ('the guest is entered otherwise')
    this.compare()
    while (this.step() !== LEFT) {
      if (log.count < this.count) this.passed++
      else if (this.runUntil(s, log.count) !== S.EXIT_BUDGET) this.differ('the interpreting machine leaves the guest')
      else if (this.count > log.count) this.passed++
      else this.compare()
    }
    const reason = this.runUntil(s, end)
    if (reason !== log.detail || this.count !== log.count)
      this.differ(`the guest is left otherwise (interpreted: ${reason}, translated: ${log.detail})`)
    this.compare()
    if (log.vmcb) this.compareVmcb(log.vmcb)
    return reason
  }

  /** On to the next stop of the log, and its kind. */
  private step(): number {
    if (this.log.next()) return this.log.kind
    if (this.log.failure) throw new Error('the translating machine failed; all before is the same', { cause: this.log.failure })
    return this.differ('the translating machine has ended before')
  }

  private get budget(): number {
    return this.words[(this.s + S.BUDGET) >> 2]!
  }

  private runUntil(s: number, count: number): number {
    // Below zero where a string instruction took more than there was.
    const budget = count - this.count
    for (const offset of [S.BUDGET, S.BUDGET_START]) {
      this.words[(s + offset) >> 2] = budget
      this.words[((s + offset) >> 2) + 1] = budget < 0 ? -1 : 0
    }
    const reason = this.runKernel(s)
    this.count = count - this.budget
    return reason
  }

  private compare(): void {
    const { log, state, words, s } = this
    copyState(words, s, state, 0)
    if (sameState(state, 0, log.state, log.stateAt, false)) this.compared++
    else if (this.mayStandAcross() && sameState(state, 0, log.state, log.stateAt, true)) {
      this.acrossDelivery++
      return
    } else this.differ('the states differ')
    this.agreed = { instructions: this.count, rip: ripOf(state, 0) }
  }

  /** The delivery of a fault or an event lies between the places where the machines stand. */
  private mayStandAcross(): boolean {
    const { log, state } = this
    if (ripOf(state, 0) === ripOf(log.state, log.stateAt)) return false
    return log.kind === BEFORE || (log.kind === AFTER && log.detail !== 0)
  }

  private compareVmcb(vmcb: Uint8Array): void {
    const own = this.soc.inside.memory.read(this.words[(this.s + S.VMCB_PA) >> 2]! >>> 0, PAGE_BYTES)
    const at = own.findIndex((byte, n) => byte !== vmcb[n])
    if (at >= 0) this.differ(`the VMCBs differ at byte 0x${at.toString(16)} (interpreted: ${own[at]!}, translated: ${vmcb[at]!})`)
  }

  private differ(what: string): never {
    const { log, state, words, s, agreed } = this
    copyState(words, s, state, 0)
    const at = log.read && log.count === 0 ? agreed : { instructions: log.count, rip: ripOf(log.state, log.stateAt) }
    const fields = stateDifferences(state, 0, log.state, log.stateAt)
    const code = codeAt(this.soc, agreed.rip, Math.min(SHOWN_INSTRUCTIONS, at.instructions - agreed.instructions + 1))
    throw new LockstepDifference(what, agreed, at, fields, code)
  }
}
