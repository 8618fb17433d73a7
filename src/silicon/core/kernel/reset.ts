// State of a core after reset. APM vol. 2, table 14-1.

import * as S from '../state/layout'
import { mmu_reset } from './mmu-space'
import { update_mode } from './mode'

const CR0_AFTER_RESET: u64 = 0x60000010
/** Family 19h, model 1, stepping 1: what CPUID Fn0000_0001_EAX says. */
const SIGNATURE: u64 = 0xa00f11
const PAT_AFTER_RESET: u64 = 0x0007040600070406
const APIC_BASE_AFTER_RESET: u64 = 0xfee00800
const CODE_ATTRIBUTES: u32 = 0x9b
const DATA_ATTRIBUTES: u32 = 0x93
const LDT_ATTRIBUTES: u32 = 0x82
const TSS_ATTRIBUTES: u32 = 0x8b

function segment(s: usize, n: u32, selector: u32, attributes: u32): void {
  const at = s + S.SEGMENTS + n * 16
  store<u16>(at, <u16>selector)
  store<u16>(at, <u16>attributes, S.SEG_ATTRIBUTES)
  store<u32>(at, 0xffff, S.SEG_LIMIT)
}

/** Puts core `index`, whose state stands at `s`, into its state after reset. */
export function core_reset(s: usize, index: u32): void {
  memory.fill(s, 0, S.TLB_READ)
  store<u32>(s, index, S.CORE_INDEX)
  store<u32>(s, index, S.APIC_ID)
  store<u64>(s, SIGNATURE, S.RDX)
  store<u64>(s, 0xfff0, S.PC)
  store<u32>(s, 2, S.EFLAGS)
  store<i64>(s, 1, S.FLAG_RES)
  // A result of one has odd parity: all arithmetic flags are clear.
  for (let n: u32 = 0; n < 6; n++) segment(s, n, n == <u32>S.CS ? 0xf000 : 0, n == <u32>S.CS ? CODE_ATTRIBUTES : DATA_ATTRIBUTES)
  store<u64>(s, 0xffff0000, S.CS_BASE)
  segment(s, S.LDTR, 0, LDT_ATTRIBUTES)
  segment(s, S.TR, 0, TSS_ATTRIBUTES)
  segment(s, S.GDTR, 0, 0)
  segment(s, S.IDTR, 0, 0)
  store<u64>(s, CR0_AFTER_RESET, S.CR0)
  store<u64>(s, 1, S.XCR0)
  store<u64>(s, 0xffff0ff0, S.DR6)
  store<u64>(s, 0x400, S.DR7)
  store<u64>(s, PAT_AFTER_RESET, S.MSR_PAT)
  store<u64>(s, APIC_BASE_AFTER_RESET, S.MSR_APIC_BASE)
  store<u64>(s, 0x100000000, S.MSR_TSC_RATIO)
  store<u32>(s, 0x1f80, S.MXCSR)
  store<u16>(s, 0x40, S.X87_CONTROL)
  store<u8>(s, 0xff, S.X87_TAGS)
  store<u32>(s, 1, S.GIF)
  mmu_reset(s)
  update_mode(s)
}
