/** Joins cores, memory controller and secure processor behind the doors: the one constructor of a chip. */

import type { Board, MemoryBus } from './doors/board.js'
import type { DmaPort } from './doors/dma.js'
import type { HostPort, MailboxRegisters } from './doors/host.js'
import { CORES_MAX } from './fabric-layout.js'
import { Core, type CoreCounters } from './core/core.js'
import { CoreKernel, type CodeCounters, type TranslationLimits } from './core/core-kernel.js'
import { opcodeTable } from './core/decode/opcodes.js'
import { createLinearMemory, MemoryController, type MemoryCounters } from './memory/index.js'
import { SecureProcessor } from './secure-processor/index.js'

/** Frequency of the time stamp counter, Hz. In virtual time an instruction takes one nanosecond. */
export const TSC_HZ = 2_000_000_000
const TSC_PER_INSTRUCTION = 2
const TSC_PER_MS = TSC_HZ / 1000

export interface SocOptions {
  readonly board: Board
  /** Bytes of DRAM that the board carries; a multiple of 4096. */
  readonly dramBytes: number
  readonly cores?: number
  /** Compiled kernels: build/kernel/core.wasm and build/kernel/memory.wasm. */
  readonly kernels: { readonly core: Uint8Array; readonly memory: Uint8Array }
  /** Compile hot code to WebAssembly (default), under other limits than a chip's where they are given, or interpret everything. */
  readonly translate?: boolean | TranslationLimits
  /** Which AES serves the encryption engine. */
  readonly aes?: 'platform' | 'pure'
  /** Milliseconds of real time for the counters of times; nothing in the machine sees it. Without it those counters stay zero. */
  readonly stopwatch?: () => number
}

export interface SocCounters {
  readonly cores: readonly CoreCounters[]
  readonly code: CodeCounters
  readonly memory: MemoryCounters
}

export interface Soc {
  readonly host: HostPort
  readonly dma: DmaPort
  /** What the board's DRAM modules are plugged into. */
  readonly bus: MemoryBus
  counters(): SocCounters
  /** The cores themselves, for tests and tools that look inside the chip. */
  readonly inside: { readonly cores: readonly Core[]; readonly kernel: CoreKernel; readonly memory: MemoryController }
}

function mailbox(processor: SecureProcessor): MailboxRegisters {
  return processor.mailbox
}

export function createSoc(options: SocOptions): Soc {
  const { board, translate = true } = options
  const count = options.cores ?? 1
  if (!Number.isInteger(count) || count < 1 || count > CORES_MAX) throw new RangeError(`a chip has 1 to ${CORES_MAX} cores`)
  const linear = createLinearMemory(options.dramBytes)
  const memory = new MemoryController({
    kernel: options.kernels.memory,
    linear,
    entropy: board.entropy,
    ...(options.aes ? { aes: options.aes } : {}),
  })
  const random = new Uint8Array(4)
  const kernel = new CoreKernel(
    options.kernels.core,
    linear.memory,
    memory.kernelImports(),
    {
      entropy32: () => {
        board.entropy.fill(random)
        return random[0]! | (random[1]! << 8) | (random[2]! << 16) | (random[3]! << 24)
      },
      tscHost: () => board.clock.monotonicMs() * TSC_PER_MS,
      ...(options.stopwatch && { stopwatch: options.stopwatch }),
    },
    opcodeTable(),
    translate === true ? {} : translate || undefined,
  )
  kernel.exports.code_cache_reset(count)
  const processor = new SecureProcessor({ ...board, entropy: board.processorEntropy ?? board.entropy, fabric: memory, cores: count })
  // No observer can tell whether the cache holds a line (memory/kernel/index.ts): nothing has to be written back.
  const onWbinvd = (core: number): void => processor.noteWbinvd(core)
  const virtual = board.clock.virtual ? { tscPerInstruction: TSC_PER_INSTRUCTION } : {}
  const cores = Array.from({ length: count }, (_, index) => new Core(kernel, { index, onWbinvd, ...virtual }))
  return {
    host: {
      dramBytes: memory.dramBytes,
      cores,
      mailbox: mailbox(processor),
      read: (spa, length) => memory.read(spa, length),
      readInto: (spa, target) => memory.readInto(spa, target),
      write: (spa, bytes) => memory.write(spa, bytes),
    },
    dma: memory,
    bus: {
      dramBytes: memory.dramBytes,
      readInto: (spa, target) => memory.readInto(spa, target),
      write: (spa, bytes) => memory.write(spa, bytes),
    },
    counters: () => ({ cores: cores.map((core) => core.counters), code: kernel.counters, memory: memory.counters() }),
    inside: { cores, kernel, memory },
  }
}
