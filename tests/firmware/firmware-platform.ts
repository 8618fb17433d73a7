import { existsSync, readFileSync } from 'node:fs'
import { createBoard, Dram, seededEntropy } from '../../src/board/index.js'
import { SevDriver, SevError } from '../../src/host/sev-driver/index.js'
import type { HostCore, HostPort } from '../../src/silicon/doors/host.js'
import { createLinearMemory, MemoryController } from '../../src/silicon/memory/index.js'
import { SecureProcessor } from '../../src/silicon/secure-processor/index.js'
import type { Flash, Fuses } from '../../src/silicon/doors/board.js'
import { fuseChip } from '../../src/vendor/index.js'

const kernelFile = new URL('../../build/kernel/memory.wasm', import.meta.url)
const present = existsSync(kernelFile)
const kernel = present ? readFileSync(kernelFile) : new Uint8Array()

/** Options of every test that needs a memory controller. */
export const needsKernel = { skip: present ? false : 'build/kernel/memory.wasm is missing: npm run build:kernel' }

export const DRAM_BYTES = 0x20_0000
/** Eight pages for the driver's buffers; tests use what lies below. */
const SCRATCH_BYTES = 0x8000

export interface PlatformOptions {
  readonly cores?: number
  readonly seed?: number
  readonly asidsMax?: number
  readonly sevAsidMin?: number
  readonly fuses?: Fuses
  readonly flash?: Flash
  readonly dramBytes?: number
}

/** Fusing signs with RSA: once a seed is enough. */
const fused = new Map<number, Fuses>()
function fusesOf(seed: number): Fuses {
  const fuses = fused.get(seed) ?? fuseChip(seededEntropy(seed, 'fuses'))
  fused.set(seed, fuses)
  return fuses
}

/** A chip without cores that execute: memory controller, secure processor, board, and a host whose cores can only WBINVD. */
export function createPlatform({
  cores = 2,
  seed = 1,
  asidsMax = 15,
  sevAsidMin = 1,
  fuses = fusesOf(seed),
  flash,
  dramBytes = DRAM_BYTES,
}: PlatformOptions = {}) {
  const board = { ...createBoard({ fuses, seed }), ...(flash ? { flash } : {}) }
  const linear = createLinearMemory(dramBytes)
  const memory = new MemoryController({ kernel, linear, entropy: board.entropy })
  const dram = new Dram(memory)
  const secureProcessor = new SecureProcessor({ ...board, fabric: memory, cores, asidsMax, sevAsidMin })
  const wbinvd = (core: number): void => secureProcessor.noteWbinvd(core)
  const host: HostPort = {
    dramBytes,
    cores: Array.from({ length: cores }, (_, core) => ({ apicId: core, wbinvd: () => wbinvd(core) }) as unknown as HostCore),
    mailbox: secureProcessor.mailbox,
    read: (spa, length) => memory.read(spa, length, 0),
    readInto: (spa, target) => memory.readInto(spa, target, 0),
    write: (spa, bytes) => memory.write(spa, bytes, 0),
  }
  let nextScratch = dramBytes - SCRATCH_BYTES
  const driver = new SevDriver(host, {
    allocate(bytes) {
      const spa = nextScratch
      nextScratch += Math.ceil(bytes / 0x1000) * 0x1000
      return spa
    },
  })
  return { board, dram, memory, secureProcessor, host, driver, fuses, wbinvd }
}

export type Platform = ReturnType<typeof createPlatform>

export type LaunchState = 'LUPDATE' | 'LSECRET' | 'RUNNING' | 'SUPDATE' | 'SENT'

/** A guest launched as far as `state`, active in `asid`. Guests are sent to their own platform. */
export function launchGuest({ driver, fuses }: Platform, asid: number, state: LaunchState, policy = 0): number {
  const handle = driver.launchStart(policy)
  driver.activate(handle, asid)
  if (state === 'LUPDATE') return handle
  driver.launchMeasure(handle)
  if (state === 'LSECRET') return handle
  driver.launchFinish(handle)
  if (state === 'RUNNING') return handle
  driver.transfer.sendStart(handle, driver.ownership.pdhCertExport(), vendorOf(fuses))
  if (state === 'SENT') driver.transfer.sendFinish(handle)
  return handle
}

export function vendorOf({ certificates: { ask, ark } }: Fuses): { ask: Uint8Array; ark: Uint8Array } {
  return { ask: ask!, ark: ark! }
}

/** Status name of what `act` does: SUCCESS, or that of the refusal. */
export function statusOf(act: () => void): string {
  try {
    act()
    return 'SUCCESS'
  } catch (error) {
    if (error instanceof SevError) return error.statusName
    throw error
  }
}
