export { SevDriver } from './sev-driver.js'
export { SevError } from './sev-error.js'
export { type ScratchAllocator, SevMailbox } from './sev-mailbox.js'
