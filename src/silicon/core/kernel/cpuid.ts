// CPUID (APM vol. 3, 24594, appendix E). Constant parts stand in spec/x86/cpuid.ts; here are the leaves and what depends on the core's state.

import { APIC_ID, CR4, MSR_APIC_BASE, RAX, RBX, RCX, RDX, XCR0 } from '../state/layout'
import { CR4_OSXSAVE, CR4_PKE, XCR0_PKRU, XCR0_YMM } from '../../../spec/x86/control-registers'
import * as id from '../../../spec/x86/cpuid'
import { APIC_BASE_ENABLE } from '../../../spec/x86/msr'
import { VMEXIT_CPUID } from '../../../spec/svm/exit-codes'
import { R_NEXT } from '../ir/results'
import { XCR0_SUPPORTED } from './control'
import { svm_check } from './svm'
import { XSAVE_EXTENDED, XSAVE_PKRU_BYTES, XSAVE_PKRU_STANDARD, XSAVE_YMM, XSAVE_YMM_BYTES } from './xsave'

/** Result of the leaf asked for last. */
export let cpuid_eax: u32 = 0
export let cpuid_ebx: u32 = 0
export let cpuid_ecx: u32 = 0
export let cpuid_edx: u32 = 0

function give(eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  cpuid_eax = eax
  cpuid_ebx = ebx
  cpuid_ecx = ecx
  cpuid_edx = edx
}

/** Evaluates leaf `leaf`, subleaf `subleaf`. Leaves that do not exist are zero. */
export function cpuid_leaf(s: usize, leaf: u32, subleaf: u32): void {
  give(0, 0, 0, 0)
  if (leaf <= <u32>id.CPUID_MAX_BASIC) basic(s, leaf, subleaf)
  else if (leaf >= 0x80000000 && leaf <= <u32>id.CPUID_MAX_EXTENDED) extended(s, leaf & 0xff, subleaf)
}

function basic(s: usize, leaf: u32, subleaf: u32): void {
  switch (leaf) {
    case 0:
      give(id.CPUID_MAX_BASIC, id.CPUID_VENDOR_EBX, id.CPUID_VENDOR_ECX, id.CPUID_VENDOR_EDX)
      break
    case 1:
      leaf_1(s)
      break
    case 5:
      // Monitor lines of 64 bytes; extensions and interrupt break events enumerated; C0 and C1 sub-states.
      give(64, 64, 3, 0x11)
      break
    case 6:
      // The APIC timer always runs.
      give(4, 0, 0, 0)
      break
    case 7:
      if (!subleaf) give(0, id.CPUID_7_EBX, id.CPUID_7_ECX | (load<u64>(s, CR4) & CR4_PKE ? id.CPUID_7_ECX_OSPKE : 0), id.CPUID_7_EDX)
      break
    case 0xb:
      leaf_b(s, subleaf)
      break
    case 0xd:
      leaf_d(s, subleaf)
      break
  }
}

/** One thread, one core: EBX gives cache line size, one logical processor and the APIC id. */
function leaf_1(s: usize): void {
  const xsave: u32 = load<u64>(s, CR4) & CR4_OSXSAVE ? id.CPUID_1_ECX_OSXSAVE : 0
  const apic: u32 = load<u64>(s, MSR_APIC_BASE) & APIC_BASE_ENABLE ? 0 : id.CPUID_1_EDX_APIC
  give(id.CPUID_SIGNATURE, (load<u32>(s, APIC_ID) << 24) | 0x10800, id.CPUID_1_ECX | xsave, id.CPUID_1_EDX & ~apic)
}

/** Topology: a level of threads and a level of cores, one of each. */
function leaf_b(s: usize, subleaf: u32): void {
  const x2apic = load<u32>(s, APIC_ID)
  if (subleaf == 0) give(0, 1, 0x100, x2apic)
  else if (subleaf == 1) give(0, 1, 0x201, x2apic)
  else give(0, 0, subleaf & 0xff, x2apic)
}

/** Extended state: sizes for what XCR0 enables and for all there is. */
function leaf_d(s: usize, subleaf: u32): void {
  const xcr0 = load<u64>(s, XCR0)
  const ymm: u32 = xcr0 & XCR0_YMM ? XSAVE_YMM_BYTES : 0
  const pkru = (xcr0 & XCR0_PKRU) != 0
  if (subleaf == 0) {
    const size: u32 = pkru ? XSAVE_PKRU_STANDARD + XSAVE_PKRU_BYTES : XSAVE_EXTENDED + ymm
    give(<u32>XCR0_SUPPORTED, size, XSAVE_PKRU_STANDARD + XSAVE_PKRU_BYTES, 0)
  } else if (subleaf == 1) {
    give(id.CPUID_D1_EAX, XSAVE_EXTENDED + ymm + (pkru ? XSAVE_PKRU_BYTES : 0), 0, 0)
  } else if (subleaf == 2) {
    give(XSAVE_YMM_BYTES, XSAVE_YMM, 0, 0)
  } else if (subleaf == 9) {
    give(XSAVE_PKRU_BYTES, XSAVE_PKRU_STANDARD, 0, 0)
  }
}

function extended(s: usize, leaf: u32, subleaf: u32): void {
  switch (leaf) {
    case 0:
      give(id.CPUID_MAX_EXTENDED, id.CPUID_VENDOR_EBX, id.CPUID_VENDOR_ECX, id.CPUID_VENDOR_EDX)
      break
    case 1: {
      const apic: u32 = load<u64>(s, MSR_APIC_BASE) & APIC_BASE_ENABLE ? 0 : id.CPUID_1_EDX_APIC
      give(id.CPUID_SIGNATURE, id.CPUID_8000_0001_EBX, id.CPUID_8000_0001_ECX, id.CPUID_8000_0001_EDX & ~apic)
      break
    }
    case 2:
      give(id.CPUID_NAME_0, id.CPUID_NAME_1, id.CPUID_NAME_2, id.CPUID_NAME_3)
      break
    case 3:
      give(id.CPUID_NAME_4, id.CPUID_NAME_5, id.CPUID_NAME_6, id.CPUID_NAME_7)
      break
    case 4:
      give(id.CPUID_NAME_8, 0, 0, 0)
      break
    case 5:
      // L1: 64-entry TLBs, 32 KiB of 8 ways and 64-byte lines, data and instructions.
      give(0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140)
      break
    case 6:
      // L2: 512 KiB of 8 ways; L3: 32 MiB of 16 ways.
      give(0x48006400, 0x68006400, 0x02006140, 0x01009140)
      break
    case 7:
      give(0, 0, 0, id.CPUID_8000_0007_EDX)
      break
    case 8:
      give(id.CPUID_8000_0008_EAX, id.CPUID_8000_0008_EBX, 0, 0)
      break
    case 0xa:
      give(1, id.CPUID_8000_000A_ASIDS, 0, id.CPUID_8000_000A_EDX)
      break
    case 0x19:
      // TLBs of 1 GiB pages.
      give(0xf040f040, 0xf0400000, 0, 0)
      break
    case 0x1a:
      // 128-bit data paths, unaligned moves are as fast as aligned ones.
      give(3, 0, 0, 0)
      break
    case 0x1d:
      leaf_cache(subleaf)
      break
    case 0x1e:
      give(load<u32>(s, APIC_ID), load<u32>(s, APIC_ID) & 0xff, 0, 0)
      break
    case 0x1f:
      give(id.CPUID_8000_001F_EAX, id.CPUID_8000_001F_EBX, id.CPUID_8000_001F_SEV_ASIDS, id.CPUID_8000_001F_MIN_PLAIN_ASID)
      break
    case 0x21:
      give(id.CPUID_8000_0021_EAX, 0, id.CPUID_8000_0021_ECX, 0)
      break
  }
}

/** L1 data, L1 instruction, L2, L3: type and level; ways, line size; sets; inclusive. */
function leaf_cache(subleaf: u32): void {
  if (subleaf == 0) give(0x121, 0x01c0003f, 0x3f, 0)
  else if (subleaf == 1) give(0x122, 0x01c0003f, 0x3f, 0)
  else if (subleaf == 2) give(0x143, 0x01c0003f, 0x3ff, 2)
  else if (subleaf == 3) give(0x163, 0x03c0003f, 0x7fff, 1)
}

export function cpuid(s: usize, rec: usize): u32 {
  const outcome = svm_check(s, rec, VMEXIT_CPUID, 0, 0)
  if (outcome != R_NEXT) return outcome
  cpuid_leaf(s, load<u32>(s, RAX), load<u32>(s, RCX))
  store<u64>(s, cpuid_eax, RAX)
  store<u64>(s, cpuid_ebx, RBX)
  store<u64>(s, cpuid_ecx, RCX)
  store<u64>(s, cpuid_edx, RDX)
  return R_NEXT
}
