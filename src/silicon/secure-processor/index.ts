export { commandTable, unsupportedCommands } from './command-table.js'
export { ASIDS_MAX_DEFAULT, type FirmwareOptions, GUESTS_MAX } from './firmware.js'
export { SecureProcessor } from './secure-processor.js'
