import type { Fields, Layout, Values } from '../../lib/layout.js'
import type { SevCommandName } from '../../spec/sev/command-ids.js'
import type { GuestStateName, PlatformStateName } from '../../spec/sev/states.js'
import type { SevStatusCode } from '../../spec/sev/status.js'
import type { Firmware } from './firmware.js'
import type { GuestContext } from './guest-context.js'

/** What a handler is given. Buffers have been copied, sizes and reserved fields checked, states admitted. */
export interface Call<F extends Fields> {
  readonly firmware: Firmware
  /** The command buffer as it stood when the command was taken. */
  readonly buffer: Values<F>
  /** Writes output fields back into the command buffer. */
  reply(values: Partial<Values<F>>): void
}

/** A handler judges first, line by line, and changes state only when nothing can fail any more. */
export type Handler<F extends Fields> = (call: Call<F>) => SevStatusCode
export type GuestHandler<F extends Fields> = (call: Call<F>, guest: GuestContext) => SevStatusCode

/** A row of the command table: all that the dispatcher needs to know. */
export interface Command {
  readonly name: SevCommandName
  /** Undefined for commands without a buffer. */
  readonly layout: Layout | undefined
  readonly platformStates: readonly PlatformStateName[]
  /** Undefined for commands that name no guest. */
  readonly guestStates: readonly GuestStateName[] | undefined
  run(call: Call<Fields>, guest: GuestContext | undefined): SevStatusCode
}

export function platformCommand<F extends Fields>(
  name: SevCommandName,
  layout: Layout<F> | undefined,
  platformStates: readonly PlatformStateName[],
  handler: Handler<F>,
): Command {
  const run = (call: Call<Fields>): SevStatusCode => handler(call as unknown as Call<F>)
  return { name, layout: layout as Layout | undefined, platformStates, guestStates: undefined, run }
}

/** The layout's `handle` field names the guest. */
export function guestCommand<F extends Fields & { readonly handle: unknown }>(
  name: SevCommandName,
  layout: Layout<F>,
  platformStates: readonly PlatformStateName[],
  guestStates: readonly GuestStateName[],
  handler: GuestHandler<F>,
): Command {
  const run = (call: Call<Fields>, guest: GuestContext | undefined): SevStatusCode =>
    handler(call as unknown as Call<F>, guest as GuestContext)
  return { name, layout: layout as unknown as Layout, platformStates, guestStates, run }
}
