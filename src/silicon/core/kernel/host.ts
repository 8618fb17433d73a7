// The instructions that host software in TypeScript issues through doors/host.ts. 64-bit values come as two halves.

import { PKRU, RAX, RBX, RCX, RDX, SCRATCH } from '../state/layout'
import { R_NEXT } from '../ir/results'
import { set_xcr0 } from './control'
import { cpuid_eax, cpuid_ebx, cpuid_ecx, cpuid_edx, cpuid_leaf } from './cpuid'
import { GP, raise_error } from './fault'
import { mmu_sync } from './mmu'
import { msr_read, msr_value, msr_write } from './msr'
import { read_tsc } from './tsc'
import { svm_physical_interrupt } from './svm-events'
import { svm_invlpga, svm_set_gif } from './svm'
import { svm_vmload, svm_vmsave, vmrun_enter as enter } from './svm-run'
import { system_pointer } from './walk-nested'
import { commit_restore, MXCSR_MASK, put_mxcsr, put_x87, put_xmm, put_ymm, XSAVE_PKRU_BYTES, XSAVE_PKRU_STANDARD } from './xsave'
import { XCR0_SSE } from '../../../spec/x86/control-registers'

const MXCSR_AT: usize = 24
const HEADER_AT: usize = 512
const PKRU_AT: usize = XSAVE_PKRU_STANDARD
/** x87, SSE, YMM and PKRU. */
const COMPONENTS: u64 = 0x207

// @ts-ignore: decorator
@inline
function joined(lo: u32, hi: u32): u64 {
  return lo | ((<u64>hi) << 32)
}

export function vmrun_enter(s: usize, lo: u32, hi: u32): u32 {
  return enter(s, joined(lo, hi))
}
export function vmload(s: usize, lo: u32, hi: u32): u32 {
  return svm_vmload(s, joined(lo, hi))
}
export function vmsave(s: usize, lo: u32, hi: u32): u32 {
  return svm_vmsave(s, joined(lo, hi))
}
export function set_gif(s: usize, gif: u32): void {
  svm_set_gif(s, gif)
}
export function invlpga(s: usize, lo: u32, hi: u32, asid: u32): void {
  svm_invlpga(s, joined(lo, hi), asid)
}
export function physical_interrupt(s: usize): u32 {
  return svm_physical_interrupt(s)
}
export function fabric_sync(s: usize): void {
  mmu_sync(s)
}

/** The TSC of host mode. */
export function host_tsc(s: usize): f64 {
  return <f64>read_tsc(s, 0)
}

/** 1 with the value in RAX and RDX, else 0. */
export function read_msr(s: usize, msr: u32): u32 {
  if (!msr_read(s, msr, 0)) {
    raise_error(s, GP, 0)
    return 0
  }
  store<u64>(s, <u32>msr_value, RAX)
  store<u64>(s, msr_value >> 32, RDX)
  return 1
}
export function write_msr(s: usize, msr: u32, lo: u32, hi: u32): u32 {
  if (msr_write(s, msr, joined(lo, hi), 0)) return 1
  raise_error(s, GP, 0)
  return 0
}

/** XSETBV. */
export function write_xcr0(s: usize, lo: u32, hi: u32): u32 {
  return set_xcr0(s, joined(lo, hi))
}

/** Leaves the result in RAX, RBX, RCX and RDX. */
export function read_cpuid(s: usize, leaf: u32, subleaf: u32): void {
  cpuid_leaf(s, leaf, subleaf)
  store<u64>(s, cpuid_eax, RAX)
  store<u64>(s, cpuid_ebx, RBX)
  store<u64>(s, cpuid_ecx, RCX)
  store<u64>(s, cpuid_edx, RDX)
}

function image(s: usize, lo: u32, hi: u32): usize {
  if (lo & 63 || (lo & 0xfff) > 0xc00) return 0
  return system_pointer(s, joined(lo, hi))
}

/** XSAVE of all components at system physical address hi:lo. */
export function save_extended(s: usize, lo: u32, hi: u32): u32 {
  const at = image(s, lo, hi)
  if (!at) return raise_error(s, GP, 0)
  put_x87(s, at, true)
  put_mxcsr(s, at)
  put_xmm(s, at)
  put_ymm(s, at)
  memory.fill(at + HEADER_AT, 0, 64)
  store<u64>(at, COMPONENTS, HEADER_AT)
  store<u64>(at, load<u32>(s, PKRU), PKRU_AT)
  return R_NEXT
}

/** XRSTOR of a standard image at hi:lo; components that its header does not name take their initial state. */
export function restore_extended(s: usize, lo: u32, hi: u32): u32 {
  const at = image(s, lo, hi)
  if (!at) return raise_error(s, GP, 0)
  const present = load<u64>(at, HEADER_AT)
  if (present & ~COMPONENTS || load<u64>(at, HEADER_AT + 8) || load<u64>(at, HEADER_AT + 16)) return raise_error(s, GP, 0)
  if (load<u32>(at, MXCSR_AT) & ~MXCSR_MASK) return raise_error(s, GP, 0)

  memory.copy(s + SCRATCH, at, XSAVE_PKRU_STANDARD + XSAVE_PKRU_BYTES)
  commit_restore(s, s + SCRATCH, COMPONENTS, present, (present & XCR0_SSE) != 0, true)
  return R_NEXT
}
