// The time stamp counter (APM vol. 2, 24593, section 13.2.4; ratio and offset in guest mode section 15.30.5).

import {
  BUDGET, BUDGET_START, CPL, CR4, GUEST_MODE, ICOUNT, MSR_TSC_AUX, MSR_TSC_RATIO, RAX, RCX, RDX, TSC_BASE, TSC_OFFSET, TSC_PER_INSTRUCTION, TSC_VIRTUAL,
} from '../state/layout'
import { CR4_PCE, CR4_TSD } from '../../../spec/x86/control-registers'
import { VMEXIT_RDPMC, VMEXIT_RDTSC, VMEXIT_RDTSCP } from '../../../spec/svm/exit-codes'
import { R_NEXT } from '../ir/results'
import { GP, raise_error, rec_index } from './fault'
import { svm_check } from './svm'

/** Ticks of the host's clock since an arbitrary start. */
// @ts-ignore: decorator
@external('platform', 'tsc_host')
declare function tsc_host(): f64

/** Ratio 1.0: 8 bits of integer, 32 of fraction. */
const RATIO_ONE: u64 = 0x100000000

/** The counter behind TSC_BASE, `index` instructions into the running block: BUDGET is exact at its start only. */
function ticks(s: usize, index: u32): u64 {
  if (!load<u32>(s, TSC_VIRTUAL)) return <u64>tsc_host()
  const now = index + load<u64>(s, ICOUNT) + <u64>(load<i64>(s, BUDGET_START) - load<i64>(s, BUDGET))
  return now * load<u32>(s, TSC_PER_INSTRUCTION)
}

/** TSC as RDTSC gives it in the present mode, `index` instructions into the running block. */
export function read_tsc(s: usize, index: u32): u64 {
  const host = ticks(s, index) + load<u64>(s, TSC_BASE)
  if (!load<u32>(s, GUEST_MODE)) return host
  const ratio = load<u64>(s, MSR_TSC_RATIO)
  return scale(host, ratio) + load<u64>(s, TSC_OFFSET)
}

function scale(value: u64, ratio: u64): u64 {
  if (ratio == RATIO_ONE) return value
  const fraction = ratio & 0xffffffff
  return value * ((ratio >> 32) & 0xff) + (value >> 32) * fraction + (((value & 0xffffffff) * fraction) >> 32)
}

/** WRMSR to the TSC moves the counter of the core itself. */
export function write_tsc(s: usize, value: u64, index: u32): void {
  store<u64>(s, value - ticks(s, index), TSC_BASE)
}

function put_pair(s: usize, value: u64): void {
  store<u64>(s, <u32>value, RAX)
  store<u64>(s, value >> 32, RDX)
}

export function rdtsc(s: usize, rec: usize): u32 {
  if (load<u64>(s, CR4) & CR4_TSD && load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_RDTSC, 0, 0)
  if (outcome != R_NEXT) return outcome
  put_pair(s, read_tsc(s, rec_index(rec)))
  return R_NEXT
}

export function rdtscp(s: usize, rec: usize): u32 {
  if (load<u64>(s, CR4) & CR4_TSD && load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_RDTSCP, 0, 0)
  if (outcome != R_NEXT) return outcome
  put_pair(s, read_tsc(s, rec_index(rec)))
  store<u64>(s, load<u32>(s, MSR_TSC_AUX), RCX)
  return R_NEXT
}

/** There are no performance counters: any number is out of range. */
export function rdpmc(s: usize, rec: usize): u32 {
  if (!(load<u64>(s, CR4) & CR4_PCE) && load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_RDPMC, 0, 0)
  return outcome == R_NEXT ? raise_error(s, GP, 0) : outcome
}
