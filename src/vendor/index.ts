export { fuseChip } from './fuse-chip.js'
