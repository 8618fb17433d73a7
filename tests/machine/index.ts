export { type Owner, ownerFor, OWNERS_SECRET } from './owner.js'
export { providersMachine, type ProvidersMachine } from './providers-machine.js'
export { INTERRUPT_VECTOR, places, REPORT_PORT, STEP_PORT } from './victim-image.js'
export { BOOK, MARK, traveller } from './traveller.js'
export {
  asker,
  chatterbox,
  guard,
  GUARD_LOCKED,
  GUARD_TRIES,
  listener,
  PUBLIC,
  publisher,
  SECRET,
  SECRET_BITS,
  SECRET_BITS_COUNT,
  watchmaker,
} from './victims.js'
