// What decoding, lowering and the TLB depend on, gathered into MODE and CTX whenever one of its sources changes.

import {
  CPL,
  CR0,
  CR4,
  CTX,
  DR7,
  EFER,
  EFLAGS,
  EVENTS,
  EVENT_BREAKPOINT,
  EVENT_INTERRUPT,
  EVENT_SINGLE_STEP,
  CS,
  CS_BASE,
  DS,
  DS_BASE,
  ES,
  ES_BASE,
  MODE,
  MODE_AVX_UD,
  MODE_CODE16,
  MODE_CODE32,
  MODE_CODE64,
  MODE_FLAT,
  MODE_MMX_UD,
  MODE_SSE_NM,
  MODE_SSE_UD,
  MODE_STACK32,
  MODE_VEX_UD,
  MODE_WAIT_NM,
  MODE_X87_NM,
  SEGMENTS,
  SEG_ATTRIBUTES,
  SEG_LIMIT,
  SPACE,
  SS,
  SS_BASE,
  XCR0,
} from '../state/layout'

const CR0_PE: u64 = 1
const CR0_MP: u64 = 2
const CR0_EM: u64 = 4
const CR0_TS: u64 = 8
const CR0_AM: u64 = 1 << 18
const CR4_OSFXSR: u64 = 1 << 9
const CR4_OSXSAVE: u64 = 1 << 18
const CR4_SMAP: u64 = 1 << 21
/** The bits of XCR0 for XMM registers and for the upper halves of YMM registers. */
const XCR0_AVX: u64 = 6
const EFER_LMA: u64 = 1 << 10
const EFLAGS_TF: u32 = 1 << 8
const EFLAGS_AC: u32 = 1 << 18
const EFLAGS_VM: u32 = 1 << 17
const ATTRIBUTE_LONG: u32 = 1 << 9
const ATTRIBUTE_DEFAULT_BIG: u32 = 1 << 10
const ATTRIBUTE_PRESENT: u32 = 1 << 7

// @ts-ignore: decorator
@inline
function segment_is_flat(s: usize, segment: u32, base: u32): bool {
  const limit = load<u32>(s + SEGMENTS + segment * 16, SEG_LIMIT)
  const attributes: u32 = load<u16>(s + SEGMENTS + segment * 16, SEG_ATTRIBUTES)
  // Present, code or data, writable or readable, not expand-down (type bit 2 of a data segment).
  const data = (attributes & 0x98) == 0x90
  const usable = data ? (attributes & 6) == 2 : segment == CS && (attributes & 0x9a) == 0x9a
  return load<u64>(s + base) == 0 && limit == 0xffffffff && (attributes & ATTRIBUTE_PRESENT) != 0 && usable
}

function code_size(s: usize): u32 {
  const attributes: u32 = load<u16>(s + SEGMENTS + CS * 16, SEG_ATTRIBUTES)
  if (load<u64>(s, EFER) & EFER_LMA && attributes & ATTRIBUTE_LONG) return MODE_CODE64
  return attributes & ATTRIBUTE_DEFAULT_BIG ? MODE_CODE32 : MODE_CODE16
}

function unit_bits(s: usize): u32 {
  const cr0 = load<u64>(s, CR0)
  const em = (cr0 & CR0_EM) != 0
  const ts = (cr0 & CR0_TS) != 0
  let mode: u32 = 0
  if (em || ts) mode |= MODE_X87_NM
  if (em) mode |= MODE_MMX_UD
  if (em || !(load<u64>(s, CR4) & CR4_OSFXSR)) mode |= MODE_SSE_UD
  if (ts) mode |= MODE_SSE_NM
  if (ts && cr0 & CR0_MP) mode |= MODE_WAIT_NM
  return mode
}

/** What of VEX is refused (APM vol. 4, section 1.1.4 and the exception tables of its instructions). */
function vex_bits(s: usize): u32 {
  if (!(load<u64>(s, CR0) & CR0_PE) || load<u32>(s, EFLAGS) & EFLAGS_VM) return MODE_VEX_UD | MODE_AVX_UD
  return load<u64>(s, CR4) & CR4_OSXSAVE && (load<u64>(s, XCR0) & XCR0_AVX) == XCR0_AVX ? 0 : MODE_AVX_UD
}

/** TLB access mode: 0 supervisor, 1 user, 2 supervisor with AC, 3 user with alignment checks. */
function access_mode(s: usize): u32 {
  const ac = (load<u32>(s, EFLAGS) & EFLAGS_AC) != 0
  if (load<u32>(s, CPL) == 3) return ac && load<u64>(s, CR0) & CR0_AM ? 3 : 1
  return ac && load<u64>(s, CR4) & CR4_SMAP ? 2 : 0
}

/** Recomputes CTX alone: after changes of CPL, EFLAGS.AC or SPACE. */
export function update_context(s: usize): void {
  store<u32>(s, load<u32>(s, SPACE) | access_mode(s), CTX)
}

/** Recomputes MODE, CTX and the standing EVENTS. */
export function update_mode(s: usize): void {
  const code = code_size(s)
  let mode = code | unit_bits(s) | vex_bits(s)
  const stack: u32 = load<u16>(s + SEGMENTS + SS * 16, SEG_ATTRIBUTES)
  if (code != MODE_CODE64) {
    if (stack & ATTRIBUTE_DEFAULT_BIG) mode |= MODE_STACK32
    const flat =
      segment_is_flat(s, CS, CS_BASE) && segment_is_flat(s, SS, SS_BASE) && segment_is_flat(s, DS, DS_BASE) && segment_is_flat(s, ES, ES_BASE)
    if (flat && load<u64>(s, CR0) & CR0_PE && !(load<u32>(s, EFLAGS) & EFLAGS_VM)) mode |= MODE_FLAT
  }
  store<u32>(s, mode, MODE)
  update_context(s)

  let events = load<u32>(s, EVENTS) & ~(EVENT_SINGLE_STEP | EVENT_BREAKPOINT)
  if (load<u32>(s, EFLAGS) & EFLAGS_TF) events |= EVENT_SINGLE_STEP
  // Data breakpoints too: their trap follows the very instruction, so blocks of one instruction run.
  if (load<u8>(s, DR7)) events |= EVENT_BREAKPOINT
  store<u32>(s, events | EVENT_INTERRUPT, EVENTS)
}
