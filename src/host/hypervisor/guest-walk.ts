import { CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA } from '../../spec/x86/control-registers.js'
import type { VmMemory } from './guest-memory-access.js'

/**
 * The guest's own page tables, walked by the hypervisor (APM vol. 2, section 5.3) where an instruction it emulates has a second memory
 * operand. Reads tables with no key, so it works for guests without encryption only; that is the caller's to check.
 */
export interface PagingState {
  readonly cr0: number
  readonly cr3: number
  readonly cr4: number
  readonly efer: number
  readonly user: boolean
}

export type Translation = { readonly gpa: number } | { readonly faultError: number }

const PRESENT = 1n
const WRITABLE = 2n
const USER = 4n
const LARGE = 0x80n
const FRAME_MASK = 0x000ffffffffff000n

const FAULT_PRESENT = 1
const FAULT_WRITE = 2
const FAULT_USER = 4

export function translate(memory: VmMemory, state: PagingState, linear: bigint, write: boolean): Translation {
  if ((state.cr0 & CR0_PG) === 0) return { gpa: Number(linear & 0xffffffffn) }
  const error = (write ? FAULT_WRITE : 0) | (state.user ? FAULT_USER : 0)
  const long = (state.efer & EFER_LMA) !== 0
  const pae = long || (state.cr4 & CR4_PAE) !== 0
  const bits = pae ? 9 : 10
  const levels = long ? ((state.cr4 & CR4_LA57) !== 0 ? 5 : 4) : pae ? 3 : 2

  let table = state.cr3 - (state.cr3 % (levels === 3 ? 0x20 : 0x1000))
  let rights = WRITABLE | USER
  for (let level = levels - 1; level >= 0; level--) {
    const shift = BigInt(12 + bits * level)
    const index = Number((linear >> shift) & ((1n << BigInt(bits)) - 1n))
    const entry = readEntry(memory, table + index * (pae ? 8 : 4), pae ? 8 : 4)
    if (entry === undefined || (entry & PRESENT) === 0n) return { faultError: error }
    // The four entries of the PAE pointer table carry no rights.
    if (!(levels === 3 && level === 2)) rights &= entry
    const large = level > 0 && level <= 2 && (entry & LARGE) !== 0n && (pae || (state.cr4 & CR4_PSE) !== 0)
    if (level === 0 || large) {
      if (!allowed(rights, state, write)) return { faultError: error | FAULT_PRESENT }
      const offsetMask = (1n << shift) - 1n
      return { gpa: Number((entry & FRAME_MASK & ~offsetMask) | (linear & offsetMask)) }
    }
    table = Number(entry & FRAME_MASK)
  }
  return { faultError: error }
}

function allowed(rights: bigint, state: PagingState, write: boolean): boolean {
  if (state.user && (rights & USER) === 0n) return false
  return !write || (rights & WRITABLE) !== 0n || (!state.user && (state.cr0 & CR0_WP) === 0)
}

function readEntry(memory: VmMemory, gpa: number, bytes: 4 | 8): bigint | undefined {
  const raw = memory.read(gpa, bytes)
  if (!raw) return undefined
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  return bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
}
