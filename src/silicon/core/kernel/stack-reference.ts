// Which exception an address that is not canonical raises in 64-bit mode: #SS where the reference goes through the stack segment, #GP
// elsewhere (APM vol. 2, 24593, section 8.2.13). The access itself no longer knows, so the instruction is looked at again: a rare fault.

import { PC, RSP } from '../state/layout'
import { faulted } from './fault'
import { mmu_fill } from './mmu'
import { canonical, is_code64 } from './segment'
import { ACCESS_FETCH, ACCESS_PROBE } from './walk'

const NO_MEMORY: usize = 1
const REX_B: u32 = 1
const INSTRUCTION_MAX: u32 = 15

/** Offset of the next byte from PC. */
let at: u32 = 0
let rex: u32 = 0

/** The next byte of the instruction at PC; ffh where it cannot be read. */
function next(s: usize): u32 {
  if (at >= INSTRUCTION_MAX) return 0xff
  const p = mmu_fill(s, load<u64>(s, PC) + at, ACCESS_FETCH | ACCESS_PROBE)
  at++
  return p > NO_MEMORY && !faulted(s) ? load<u8>(p) : 0xff
}

/** The opcode behind the prefixes; 100h where FS or GS is named. */
function opcode(s: usize): u32 {
  at = 0
  rex = 0
  while (at < INSTRUCTION_MAX) {
    const byte = next(s)
    if (byte == 0x64 || byte == 0x65) return 0x100
    if ((byte & 0xf0) == 0x40) {
      rex = byte
      continue
    }
    const prefix = byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || (byte & 0xe7) == 0x26
    if (!prefix) return byte
    rex = 0
  }
  return 0x100
}

/** One-byte opcodes with a ModRM byte (APM vol. 3, tables ). */
function has_modrm(op: u32): bool {
  if (op < 0x40) return (op & 7) < 4
  if (op >= 0x80 && op <= 0x8f) return true
  if (op == 0x62 || op == 0x63 || op == 0x69 || op == 0x6b) return true
  if (op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7) return true
  return (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 || op == 0xf7 || op >= 0xfe
}

/** PUSH, POP, CALL, RET, ENTER, LEAVE, IRET and their kin of the one-byte map. */
function uses_stack(op: u32): bool {
  if (op >= 0x50 && op <= 0x5f) return true
  if (op == 0x68 || op == 0x6a || op == 0x8f || op == 0x9c || op == 0x9d) return true
  if (op == 0xc2 || op == 0xc3 || (op >= 0xc8 && op <= 0xcb)) return true
  return op == 0xcf || op == 0xe8 || op == 0xff
}

/** Is rSP or rBP the base of the memory operand whose ModRM byte comes next? */
function modrm_by_stack(s: usize): bool {
  const modrm = next(s)
  const mod = modrm >> 6
  if (mod == 3 || rex & REX_B) return false
  if ((modrm & 7) == 4) {
    const base = next(s) & 7
    return base == 4 || (base == 5 && mod != 0)
  }
  return (modrm & 7) == 5 && mod != 0
}

function examine(s: usize): bool {
  let op = opcode(s)
  if (op == 0x100) return false
  const sp = load<u64>(s, RSP)
  const stack = !canonical(s, sp) || !canonical(s, sp - 8)
  if (op == 0x0f) {
    op = next(s)
    if (op == 0xa0 || op == 0xa1 || op == 0xa8 || op == 0xa9) return true
    if (op == 0x38 || op == 0x3a) next(s)
    return modrm_by_stack(s)
  }
  if (op == 0xc4) {
    // VEX: the bit that extends the base stands inverted in its second byte.
    rex = next(s) & 0x20 ? 0 : REX_B
    next(s)
    next(s)
    return modrm_by_stack(s)
  }
  if (op == 0xc5) {
    next(s)
    next(s)
    return modrm_by_stack(s)
  }
  if (uses_stack(op) && stack) return true
  return has_modrm(op) && modrm_by_stack(s)
}

/** Did the instruction at PC refer to the stack segment? No fault is left pending. */
export function stack_reference(s: usize): bool {
  return is_code64(s) && examine(s)
}
