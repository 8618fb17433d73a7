// How a machine ended, and the exit code of the process for each. Codes of our own are even: 2V+1 belongs to the guest's isa-debug-exit.

export type Ending =
  | { readonly kind: 'power-off' }
  /** The guest wrote `value` to port 0xf4. */
  | { readonly kind: 'debug-exit'; readonly value: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'panic'; readonly message: string }
  | { readonly kind: 'triple-fault'; readonly detail: string }
  /** HLT with interrupts off: nothing can wake the processor. */
  | { readonly kind: 'halted'; readonly detail: string }
  /** The machine met what it does not support. */
  | { readonly kind: 'failed'; readonly detail: string }
  /** The person at the terminal, or a signal, ended it. */
  | { readonly kind: 'stopped' }
  /** The guest lives on another machine now. */
  | { readonly kind: 'moved' }

export const exitCodes = {
  powerOff: 0,
  usage: 2,
  reset: 4,
  panic: 6,
  tripleFault: 8,
  halted: 10,
  failed: 12,
  stopped: 14,
  moved: 16,
  /** `run --incoming`: the guest did not come. */
  notArrived: 18,
} as const

export function exitCodeOf(ending: Ending): number {
  switch (ending.kind) {
    case 'power-off':
      return exitCodes.powerOff
    case 'debug-exit':
      return (2 * ending.value + 1) & 0xff
    case 'reset':
      return exitCodes.reset
    case 'panic':
      return exitCodes.panic
    case 'triple-fault':
      return exitCodes.tripleFault
    case 'halted':
      return exitCodes.halted
    case 'failed':
      return exitCodes.failed
    case 'stopped':
      return exitCodes.stopped
    case 'moved':
      return exitCodes.moved
  }
}

/** One line for people. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case 'power-off':
      return 'the guest powered off'
    case 'debug-exit':
      return `the guest wrote ${ending.value} to port 0xf4 (isa-debug-exit)`
    case 'reset':
      return 'the guest asked for a reset'
    case 'panic':
      return `kernel panic: ${ending.message}`
    case 'triple-fault':
      return `triple fault: the guest's processor shut down${ending.detail && ` (${ending.detail})`}`
    case 'halted':
      return `the guest halted for ever, with interrupts off${ending.detail && ` (${ending.detail})`}`
    case 'failed':
      return `the machine cannot go on: ${ending.detail}`
    case 'stopped':
      return 'stopped'
    case 'moved':
      return 'the guest moved to another machine'
  }
}

export const exitCodeHelp = `Exit codes of 'run' and 'demo':
  0       the guest powered off
  2V+1    the guest wrote V to port 0xf4 (isa-debug-exit)
  ${exitCodes.usage}       wrong arguments, or the machine could not be set up
  ${exitCodes.reset}       the guest asked for a reset
  ${exitCodes.panic}       kernel panic
  ${exitCodes.tripleFault}       triple fault
  ${exitCodes.halted}      halted for ever with interrupts off
  ${exitCodes.failed}      the machine met something that it does not support
  ${exitCodes.stopped}      stopped from the terminal (Ctrl-] q) or by a signal
  ${exitCodes.moved}      the guest moved to another machine ('cbit migrate')
  ${exitCodes.notArrived}      'run --incoming': the guest did not come`
