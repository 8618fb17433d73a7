// Control instructions and the environment and state images in memory
// (AMD64 APM vol. 2, section 11.4.4 figures 11-4 … 11-7; vol. 5: FLDCW, FNSTCW, FNSTSW, FNCLEX, FNINIT, FLDENV, FNSTENV, FRSTOR, FNSAVE).

import { R_FAULT, R_NEXT } from '../ir/results'
import {
  CR0, EFLAGS, RAX, SCRATCH, T0, X87_CONTROL, X87_CS, X87_DP, X87_DS, X87_IP, X87_OPCODE, X87_STATUS, X87_TAGS,
} from '../state/layout'
import { faulted, rec_b } from './fault'
import { load16, load_bytes, store16, store_bytes } from './memory'
import { set_status, st_empty, st_se, st_set, st_sig, status, SW_B, SW_ES, top, x87_update_es } from './x87-stack'

export function x87_load_control(s: usize): u32 {
  const v = <u32>load16(s, load<u64>(s, T0))
  if (faulted(s)) return R_FAULT

  set_control(s, v)
  return R_NEXT
}

/** Bit 6 reads as one; bits 7, 13 … 15 as zero. */
function set_control(s: usize, v: u32): void {
  store<u16>(s, (v & 0x1f7f) | 0x40, X87_CONTROL)
  x87_update_es(s)
}

export function x87_store_control(s: usize): u32 {
  store16(s, load<u64>(s, T0), load<u16>(s, X87_CONTROL))
  return faulted(s) ? R_FAULT : R_NEXT
}

export function x87_store_status(s: usize): u32 {
  store16(s, load<u64>(s, T0), status(s))
  return faulted(s) ? R_FAULT : R_NEXT
}

export function x87_store_status_ax(s: usize): u32 {
  store<u16>(s, status(s), RAX)
  return R_NEXT
}

/** FNCLEX: exception flags, SF, ES, B. */
export function x87_clear_exceptions(s: usize): u32 {
  set_status(s, status(s) & 0x7f00)
  return R_NEXT
}

/** FNINIT: registers keep their contents, tagged empty. */
export function x87_init(s: usize): u32 {
  store<u16>(s, 0x037f, X87_CONTROL)
  store<u16>(s, 0, X87_STATUS)
  store<u8>(s, 0, X87_TAGS)
  store<u16>(s, 0, X87_OPCODE)
  store<u64>(s, 0, X87_IP)
  store<u64>(s, 0, X87_DP)
  store<u16>(s, 0, X87_CS)
  store<u16>(s, 0, X87_DS)
  return R_NEXT
}

/** The full tag word: 0 valid, 1 zero, 2 special, 3 empty for each physical register. */
export function x87_full_tags(s: usize): u32 {
  let tags: u32 = 0
  for (let i: u32 = 0; i < 8; i++) tags |= tag(s, i) << ((((top(s) + i) & 7) << 1))
  return tags
}

function tag(s: usize, i: u32): u32 {
  if (st_empty(s, i)) return 3
  const e = st_se(s, i) & 0x7fff
  const sig = st_sig(s, i)
  if (!e && !sig) return 1
  return !e || e == 0x7fff || <i64>sig >= 0 ? 2 : 0
}

/** Sets the abridged tags from a full tag word. */
function set_full_tags(s: usize, full: u32): void {
  let tags: u32 = 0
  for (let r: u32 = 0; r < 8; r++) if (((full >> (r << 1)) & 3) != 3) tags |= 1 << r
  store<u8>(s, tags, X87_TAGS)
}

/** Real-mode images hold linear addresses: real mode and virtual-8086 mode. */
function real_format(s: usize): bool {
  return !(load<u32>(s, CR0) & 1) || (load<u32>(s, EFLAGS) & 0x20000) != 0
}

function image_is_16(rec: usize): bool {
  return rec_b(rec) == 2
}

/** Builds the environment at `p`; returns its size. */
function build_environment(s: usize, rec: usize, p: usize): u32 {
  const opcode: u32 = load<u16>(s, X87_OPCODE)
  const cs: u32 = load<u16>(s, X87_CS)
  const ds: u32 = load<u16>(s, X87_DS)
  const real = real_format(s)
  let ip = <u32>load<u64>(s, X87_IP)
  let dp = <u32>load<u64>(s, X87_DP)
  if (real) {
    ip += cs << 4
    dp += ds << 4
  }
  if (image_is_16(rec)) {
    store<u16>(p, load<u16>(s, X87_CONTROL))
    store<u16>(p, status(s), 2)
    store<u16>(p, x87_full_tags(s), 4)
    store<u16>(p, ip, 6)
    store<u16>(p, real ? ((ip >> 4) & 0xf000) | opcode : cs, 8)
    store<u16>(p, dp, 10)
    store<u16>(p, real ? (dp >> 4) & 0xf000 : ds, 12)
    return 14
  }
  store<u32>(p, 0xffff0000 | load<u16>(s, X87_CONTROL))
  store<u32>(p, 0xffff0000 | status(s), 4)
  store<u32>(p, 0xffff0000 | x87_full_tags(s), 8)
  store<u32>(p, real ? 0xffff0000 | (ip & 0xffff) : ip, 12)
  store<u32>(p, real ? ((ip >> 4) & 0x0ffff000) | opcode : (opcode << 16) | cs, 16)
  store<u32>(p, real ? 0xffff0000 | (dp & 0xffff) : dp, 20)
  store<u32>(p, real ? (dp >> 4) & 0x0ffff000 : 0xffff0000 | ds, 24)
  return 28
}

/** Takes the environment at `p`. */
function take_environment(s: usize, rec: usize, p: usize): void {
  const small = image_is_16(rec)
  const real = real_format(s)
  const step: usize = small ? 2 : 4
  const sw = <u32>load<u16>(p + step)
  const full = <u32>load<u16>(p + 2 * step)
  set_status(s, sw & ~(SW_ES | SW_B))
  set_full_tags(s, full)
  set_control(s, load<u16>(p))
  const w3: u32 = small ? load<u16>(p, 6) : load<u32>(p, 12)
  const w4: u32 = small ? load<u16>(p, 8) : load<u32>(p, 16)
  const w5: u32 = small ? load<u16>(p, 10) : load<u32>(p, 20)
  const w6: u32 = small ? load<u16>(p, 12) : load<u32>(p, 24)
  if (real) {
    const high: u32 = small ? 0xf000 : 0x0ffff000
    store<u64>(s, (w3 & 0xffff) | ((w4 & high) << 4), X87_IP)
    store<u64>(s, (w5 & 0xffff) | ((w6 & high) << 4), X87_DP)
    store<u16>(s, w4 & 0x7ff, X87_OPCODE)
    store<u16>(s, 0, X87_CS)
    store<u16>(s, 0, X87_DS)
    return
  }
  store<u64>(s, w3, X87_IP)
  store<u64>(s, w5, X87_DP)
  store<u16>(s, w4, X87_CS)
  store<u16>(s, w6, X87_DS)
  if (!small) store<u16>(s, (w4 >> 16) & 0x7ff, X87_OPCODE)
}

/** FNSTENV: all exceptions become masked. */
export function x87_store_environment(s: usize, rec: usize): u32 {
  const n = build_environment(s, rec, s + SCRATCH)
  if (!store_bytes(s, load<u64>(s, T0), s + SCRATCH, n)) return R_FAULT

  set_control(s, load<u16>(s, X87_CONTROL) | 0x3f)
  return R_NEXT
}

export function x87_load_environment(s: usize, rec: usize): u32 {
  if (!load_bytes(s, load<u64>(s, T0), s + SCRATCH, image_is_16(rec) ? 14 : 28)) return R_FAULT

  take_environment(s, rec, s + SCRATCH)
  return R_NEXT
}

/** FNSAVE: environment, then ST(0) … ST(7) of ten bytes each; then as FNINIT. */
export function x87_save(s: usize, rec: usize): u32 {
  const n = build_environment(s, rec, s + SCRATCH)
  for (let i: u32 = 0; i < 8; i++) {
    const p = s + SCRATCH + n + i * 10
    store<u64>(p, st_sig(s, i))
    store<u16>(p, st_se(s, i), 8)
  }
  if (!store_bytes(s, load<u64>(s, T0), s + SCRATCH, n + 80)) return R_FAULT

  return x87_init(s)
}

export function x87_restore(s: usize, rec: usize): u32 {
  const n: u32 = image_is_16(rec) ? 14 : 28
  if (!load_bytes(s, load<u64>(s, T0), s + SCRATCH, n + 80)) return R_FAULT

  take_environment(s, rec, s + SCRATCH)
  const tags = load<u8>(s, X87_TAGS)
  for (let i: u32 = 0; i < 8; i++) {
    const p = s + SCRATCH + n + i * 10
    st_set(s, i, load<u64>(p), load<u16>(p, 8))
  }
  store<u8>(s, tags, X87_TAGS)
  return R_NEXT
}
