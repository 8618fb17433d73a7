/** What a local APIC is connected to. */
import type { ApicMessage } from './apic-message.js'
import type { Scheduler } from './time.js'

/** The sender of an interprocessor interrupt, so that "self" and "all but self" can be told. */
export interface MessageSource {
  readonly id: number
}

/** The 8259 pair as LINT0 sees it. */
export interface LegacyInterrupts {
  readonly pending: boolean
  /** The vector that an acknowledge would give now. */
  peek(): number
  acknowledge(): number
}

export interface LocalApicConnections {
  readonly scheduler: Scheduler
  readonly legacy: LegacyInterrupts
  /** Sends to every local APIC that the message or shorthand addresses. */
  send(message: ApicMessage, shorthand: number, source: MessageSource): void
  /** A level-triggered vector ended: I/O APICs look for it. */
  endOfInterrupt(vector: number): void
  wake(): void
}
