import { equalBytes } from '../../lib/bytes.js'
import type { FrameChannel } from './frames.js'
import type { Outcome } from './journal.js'
import { messageName, MessageType, parseStanding, type Standing } from './messages.js'
import { ProtocolError } from './pipe.js'

/** The guest belonged to the target, and the target no longer has it. */
export class HandOverLost extends Error {
  constructor(standing: Standing) {
    super(`the guest was handed over, and the target no longer has it (${standing}): its process ended after the decision`)
    this.name = 'HandOverLost'
  }
}

/** What the target says of the migration `id`, on a new connection. */
export async function askStanding(channel: FrameChannel, id: Uint8Array): Promise<Standing> {
  await channel.send(MessageType.ASK, id)
  const { type, payload } = await channel.receive()
  if (type !== MessageType.STANDING) throw new ProtocolError(`the target sends ${messageName(type)} where STANDING is due`)
  return parseStanding(payload)
}

/** Tells a target that stands so what the journal says. Afterwards the guest runs there (`commit`) or never will (`abort`). */
export async function tellOutcome(channel: FrameChannel, id: Uint8Array, outcome: Outcome, standing: Standing): Promise<void> {
  if (outcome === 'commit') {
    if (standing === 'running') return
    if (standing !== 'ready') throw new HandOverLost(standing)
    return tell(channel, id, MessageType.COMMIT, MessageType.RUNNING)
  }
  if (standing === 'running') throw new ProtocolError('the target runs a guest that was never handed over to it')
  if (standing === 'ready' || standing === 'receiving') return tell(channel, id, MessageType.ABORT, MessageType.DISCARDED)
}

async function tell(channel: FrameChannel, id: Uint8Array, word: number, expected: number): Promise<void> {
  await channel.send(word, id)
  const { type, payload } = await channel.receive()
  if (type !== expected || !equalBytes(payload, id))
    throw new ProtocolError(`the target sends ${messageName(type)} where ${messageName(expected)} is due`)
}
