export { KEY_SLOTS } from './engine-layout.js'
export { createLinearMemory, DRAM_BYTES_MAX, type LinearMemory } from './linear-memory.js'
export { loadMemoryKernel, MemoryController, type MemoryControllerOptions, type MemoryCounters } from './memory-controller.js'
