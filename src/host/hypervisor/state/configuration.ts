import { equalBytes } from '../../../lib/bytes.js'
import { StateError } from '../../devices/state.js'
import { encodePlain } from './plain-data.js'

/** How a machine is built. A saved state fits only a machine that is built the same way. */
export interface VmConfiguration {
  readonly memoryBytes: number
  readonly sev: boolean
  readonly vcpus: number
  readonly tscKHz: number
  readonly testDevice: boolean
  readonly entropy: boolean
  readonly console: boolean
  readonly blocks: number
  readonly fwCfgFiles: readonly { readonly name: string; readonly content: Uint8Array }[]
}

const FILES_MAX = 64
const BLOCKS_MAX = 32
const FIELDS = ['memoryBytes', 'sev', 'vcpus', 'tscKHz', 'testDevice', 'entropy', 'console', 'blocks', 'fwCfgFiles'] as const

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
const isCount = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max

/** What a saved state says of the machine that it needs. Throws StateError. */
export function parseConfiguration(value: unknown): VmConfiguration {
  const fail = (field: string): never => {
    throw new StateError(`the state's configuration has no sound '${field}'`)
  }
  if (!isRecord(value)) return fail('fields')
  const count = (field: string, max: number): number => {
    const found = value[field]
    return isCount(found, max) ? found : fail(field)
  }
  const flag = (field: string): boolean => {
    const found = value[field]
    return typeof found === 'boolean' ? found : fail(field)
  }
  const files = value['fwCfgFiles']
  if (!Array.isArray(files) || files.length > FILES_MAX) return fail('fwCfgFiles')
  return {
    memoryBytes: count('memoryBytes', 2 ** 32),
    sev: flag('sev'),
    vcpus: count('vcpus', 254),
    tscKHz: count('tscKHz', 2 ** 32),
    testDevice: flag('testDevice'),
    entropy: flag('entropy'),
    console: flag('console'),
    blocks: count('blocks', BLOCKS_MAX),
    fwCfgFiles: (files as unknown[]).map((file) => {
      if (!isRecord(file) || typeof file['name'] !== 'string' || !(file['content'] instanceof Uint8Array)) return fail('fwCfgFiles')
      return { name: file['name'], content: file['content'] }
    }),
  }
}

/** Throws StateError with the first difference. */
export function checkConfiguration(mine: VmConfiguration, saved: unknown): void {
  const theirs = parseConfiguration(saved)
  for (const field of FIELDS) {
    if (!equalBytes(encodePlain(mine[field]), encodePlain(theirs[field])))
      throw new StateError(`the state is of a machine with another '${field}'`)
  }
}
