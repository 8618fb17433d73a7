// Model-specific registers (APM vol. 2, 24593, appendix A). A register that is not listed raises #GP(0).

import {
  APIC_ID, CPL, CR0, EFER, FS_BASE, GS_BASE, MSR_APIC_BASE, MSR_CSTAR, MSR_DEBUGCTL, MSR_HSAVE_PA, MSR_HWCR, MSR_KERNEL_GS_BASE, MSR_LSTAR,
  MSR_MTRR_BASE, MSR_MTRR_DEF_TYPE, MSR_PAT, MSR_SEV_STATUS, MSR_SFMASK, MSR_STAR, MSR_SYSCFG, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
  MSR_TSC_AUX, MSR_TSC_RATIO, MSR_VM_CR, RAX, RCX, RDX, XSS,
} from '../state/layout'
import {
  MSR_BU_CFG2, MSR_DC_CFG, MSR_DE_CFG, MSR_FP_CFG, MSR_IC_CFG, MSR_INT_PENDING, MSR_LS_CFG, MSR_MCG_STATUS, MSR_MTRR_VARIABLE, MSR_TOP_MEM,
  MSR_TOP_MEM2, MSR_TW_CFG,
} from '../state/system-layout'
import { CR0_PG, EFER_AIBRSE, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, EFER_SVME } from '../../../spec/x86/control-registers'
import * as id from '../../../spec/x86/msr'
import { R_NEXT } from '../ir/results'
import { GP, raise_error, rec_index } from './fault'
import { mmu_flush_all } from './mmu'
import { update_mode } from './mode'
import { canonical_register } from './segment'
import { svm_msr } from './svm'
import { read_tsc, write_tsc } from './tsc'

const PHYSICAL_MASK: u64 = 0xffffffffffff
const EFER_WRITABLE: u64 = EFER_SCE | EFER_LME | EFER_NXE | EFER_SVME | EFER_AIBRSE

/** Value of the register read last. */
export let msr_value: u64 = 0

function give(value: u64): bool {
  msr_value = value
  return true
}

/** Offset in the state area of a register that is stored as it was written, 0 for others. */
function plain_slot(msr: u32): u32 {
  switch (msr) {
    case id.IA32_MCG_STATUS:
      return MSR_MCG_STATUS
    case id.AMD_TOP_MEM:
      return MSR_TOP_MEM
    case id.AMD_TOP_MEM2:
      return MSR_TOP_MEM2
    case id.AMD_INT_PENDING:
      return MSR_INT_PENDING
    case id.AMD_LS_CFG:
      return MSR_LS_CFG
    case id.AMD_IC_CFG:
      return MSR_IC_CFG
    case id.AMD_DC_CFG:
      return MSR_DC_CFG
    case id.AMD_TW_CFG:
      return MSR_TW_CFG
    case id.AMD_FP_CFG:
      return MSR_FP_CFG
    case id.AMD_DE_CFG:
      return MSR_DE_CFG
    case id.AMD_BU_CFG2:
      return MSR_BU_CFG2
    case id.AMD_STAR:
      return MSR_STAR
    case id.IA32_SYSENTER_CS:
      return MSR_SYSENTER_CS
  }
  return 0
}

/** Offset of a register that must hold a canonical address, 0 for others. */
function address_slot(msr: u32): u32 {
  switch (msr) {
    case id.AMD_FS_BASE:
      return FS_BASE
    case id.AMD_GS_BASE:
      return GS_BASE
    case id.AMD_KERNEL_GS_BASE:
      return MSR_KERNEL_GS_BASE
    case id.AMD_LSTAR:
      return MSR_LSTAR
    case id.AMD_CSTAR:
      return MSR_CSTAR
    case id.IA32_SYSENTER_ESP:
      return MSR_SYSENTER_ESP
    case id.IA32_SYSENTER_EIP:
      return MSR_SYSENTER_EIP
  }
  return 0
}

// ---- memory type range registers (section 7.7)

/** Offset of a fixed-range register, 0 for others. */
function fixed_slot(msr: u32): u32 {
  if (msr == id.IA32_MTRR_FIX64K) return MSR_MTRR_BASE
  if (msr == id.IA32_MTRR_FIX16K_80000 || msr == id.IA32_MTRR_FIX16K_A0000) return MSR_MTRR_BASE + 8 + (msr - id.IA32_MTRR_FIX16K_80000) * 8
  if (msr >= <u32>id.IA32_MTRR_FIX4K && msr <= <u32>id.IA32_MTRR_FIX4K_LAST) return MSR_MTRR_BASE + 24 + (msr - id.IA32_MTRR_FIX4K) * 8
  return 0
}
function variable_slot(msr: u32): u32 {
  if (msr < <u32>id.IA32_MTRR_VARIABLE || msr >= <u32>id.IA32_MTRR_VARIABLE_END) return 0
  return MSR_MTRR_VARIABLE + (msr - id.IA32_MTRR_VARIABLE) * 8
}
/** UC 0, WC 1, WT 4, WP 5, WB 6. */
function memory_type(value: u64): bool {
  return value < 7 && value != 2 && value != 3
}
/** Eight types; of fixed-range registers bits 4:3 of each byte are RdMem and WrMem, which SYSCFG must make visible: they are refused. */
function eight_types(value: u64, also_uncached: bool): bool {
  for (let i: u64 = 0; i < 64; i += 8) {
    const type = (value >> i) & 0xff
    if (!memory_type(type) && !(also_uncached && type == 7)) return false
  }
  return true
}

function write_mtrr(s: usize, msr: u32, value: u64): bool {
  const fixed = fixed_slot(msr)
  if (fixed) {
    if (!eight_types(value, false)) return false
    store<u64>(s + fixed, value)
    return true
  }
  const legal = msr & 1 ? ~PHYSICAL_MASK | 0x7ff : ~PHYSICAL_MASK | 0xf00
  if (value & legal || (!(msr & 1) && !memory_type(value & 0xff))) return false
  store<u64>(s + variable_slot(msr), value)
  return true
}

// ---- reading

/** Reads `msr` to msr_value; false where there is none. */
export function msr_read(s: usize, msr: u32, index: u32): bool {
  const slot = plain_slot(msr) | address_slot(msr) | fixed_slot(msr) | variable_slot(msr)
  if (slot) return give(load<u64>(s + slot))
  if (msr >= <u32>id.IA32_MC0_CTL && msr < <u32>id.IA32_MC_END) return give(0)
  if (msr >= <u32>id.IA32_LAST_BRANCH_FROM && msr <= <u32>id.IA32_LAST_EXCEPTION_TO) return give(0)
  if (msr >= <u32>id.AMD_IORR_BASE0 && msr <= <u32>id.AMD_IORR_MASK1) return give(0)
  switch (msr) {
    case id.IA32_TSC:
      return give(read_tsc(s, index))
    case id.IA32_APIC_BASE:
      return give(load<u64>(s, MSR_APIC_BASE) | (load<u32>(s, APIC_ID) ? 0 : id.APIC_BASE_BSP))
    case id.IA32_PATCH_LEVEL:
      return give(id.PATCH_LEVEL_VALUE)
    case id.IA32_MTRR_CAP:
      return give(id.MTRR_CAP_VALUE)
    case id.IA32_MCG_CAP:
    case id.AMD_IGNNE:
      return give(0)
    case id.IA32_DEBUGCTL:
      return give(load<u64>(s, MSR_DEBUGCTL))
    case id.IA32_PAT:
      return give(load<u64>(s, MSR_PAT))
    case id.IA32_MTRR_DEF_TYPE:
      return give(load<u64>(s, MSR_MTRR_DEF_TYPE))
    case id.IA32_XSS:
      return give(load<u64>(s, XSS))
    case id.AMD_EFER:
      return give(load<u64>(s, EFER))
    case id.AMD_SFMASK:
      return give(load<u64>(s, MSR_SFMASK))
    case id.AMD_TSC_AUX:
      return give(load<u64>(s, MSR_TSC_AUX))
    case id.AMD_TSC_RATIO:
      return give(load<u64>(s, MSR_TSC_RATIO))
    case id.AMD_SYSCFG:
      return give(load<u64>(s, MSR_SYSCFG))
    case id.AMD_HWCR:
      return give(load<u64>(s, MSR_HWCR) | id.HWCR_TSC_FREQ_SEL)
    case id.AMD_VM_CR:
      return give(load<u64>(s, MSR_VM_CR))
    case id.AMD_VM_HSAVE_PA:
      return give(load<u64>(s, MSR_HSAVE_PA))
    case id.AMD_SEV_STATUS:
      return give(load<u64>(s, MSR_SEV_STATUS))
  }
  return false
}

// ---- writing

function put(s: usize, slot: u32, value: u64, forbidden: u64): bool {
  if (value & forbidden) return false
  store<u64>(s + slot, value)
  return true
}

/** Section 3.1.7. LMA is read-only; LME cannot change while paging is on; SVME cannot be set where VM_CR.SVMDIS is. */
function write_efer(s: usize, value: u64): bool {
  const old = load<u64>(s, EFER)
  if (value & ~(EFER_WRITABLE | <u64>EFER_LMA)) return false
  if ((old ^ value) & EFER_LME && load<u64>(s, CR0) & CR0_PG) return false
  if (value & EFER_SVME && load<u64>(s, MSR_VM_CR) & id.VM_CR_SVMDIS) return false
  store<u64>(s, (value & EFER_WRITABLE) | (old & EFER_LMA), EFER)
  if ((old ^ value) & EFER_NXE) mmu_flush_all(s)
  update_mode(s)
  return true
}

/** Section 15.30.1: LOCK keeps LOCK and SVMDIS as they are; SVMDIS cannot be set while SVM is on. */
function write_vm_cr(s: usize, value: u64): bool {
  const old = load<u64>(s, MSR_VM_CR)
  if (value & ~<u64>id.VM_CR_WRITABLE) return false
  const fixed: u64 = old & id.VM_CR_LOCK ? id.VM_CR_LOCK | id.VM_CR_SVMDIS : 0
  if (value & ~fixed & id.VM_CR_SVMDIS && load<u64>(s, EFER) & EFER_SVME) return false
  store<u64>(s, (value & ~fixed) | (old & fixed), MSR_VM_CR)
  return true
}

/** The base and the enable bit can change; x2APIC mode does not exist. */
function write_apic_base(s: usize, value: u64): bool {
  if (value & ~(PHYSICAL_MASK & ~<u64>0xfff | id.APIC_BASE_ENABLE | id.APIC_BASE_BSP)) return false
  store<u64>(s, value & ~<u64>id.APIC_BASE_BSP, MSR_APIC_BASE)
  return true
}

/** Writes `msr`; false where there is none, where it is read-only and where the value is illegal. */
export function msr_write(s: usize, msr: u32, value: u64, index: u32): bool {
  const plain = plain_slot(msr)
  if (plain) return put(s, plain, value, 0)
  const address = address_slot(msr)
  if (address) return canonical_register(value) && put(s, address, value, 0)
  if (fixed_slot(msr) | variable_slot(msr)) return write_mtrr(s, msr, value)
  // Machine check banks hold nothing: clearing them is allowed, and so is enabling every source.
  if (msr >= <u32>id.IA32_MC0_CTL && msr < <u32>id.IA32_MC_END) return !value || (!(msr & 3) && value == ~<u64>0)
  switch (msr) {
    case id.IA32_TSC:
      write_tsc(s, value, index)
      return true
    case id.IA32_APIC_BASE:
      return write_apic_base(s, value)
    case id.IA32_DEBUGCTL:
      // Last-branch recording and branch single step do not exist; the pin control bits 5:2 do nothing.
      return put(s, MSR_DEBUGCTL, value, ~<u64>0x3c)
    case id.IA32_PAT:
      return eight_types(value, true) && put(s, MSR_PAT, value, 0)
    case id.IA32_MTRR_DEF_TYPE:
      return memory_type(value & 0xff) && put(s, MSR_MTRR_DEF_TYPE, value, ~<u64>0xcff)
    case id.IA32_XSS:
      return put(s, XSS, value, ~<u64>0)
    case id.AMD_EFER:
      return write_efer(s, value)
    case id.AMD_SFMASK:
      return put(s, MSR_SFMASK, value & 0xffffffff, 0)
    case id.AMD_TSC_AUX:
      return put(s, MSR_TSC_AUX, value & 0xffffffff, 0)
    case id.AMD_TSC_RATIO:
      return put(s, MSR_TSC_RATIO, value, ~<u64>0xffffffffff)
    case id.AMD_SYSCFG:
      return put(s, MSR_SYSCFG, value, ~<u64>id.SYSCFG_WRITABLE)
    case id.AMD_HWCR:
      return put(s, MSR_HWCR, value & ~<u64>id.HWCR_TSC_FREQ_SEL, ~<u64>(id.HWCR_MON_MWAIT_USER | id.HWCR_MC_STATUS_WRITE))
    case id.AMD_VM_CR:
      return write_vm_cr(s, value)
    case id.AMD_VM_HSAVE_PA:
      return put(s, MSR_HSAVE_PA, value, ~PHYSICAL_MASK | 0xfff)
    case id.AMD_IGNNE:
      return value == 0
  }
  return false
}

// ---- instructions

export function rdmsr(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_msr(s, rec, load<u32>(s, RCX), 0)
  if (outcome != R_NEXT) return outcome
  if (!msr_read(s, load<u32>(s, RCX), rec_index(rec))) return raise_error(s, GP, 0)

  store<u64>(s, <u32>msr_value, RAX)
  store<u64>(s, msr_value >> 32, RDX)
  return R_NEXT
}

export function wrmsr(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_msr(s, rec, load<u32>(s, RCX), 1)
  if (outcome != R_NEXT) return outcome
  return msr_write(s, load<u32>(s, RCX), load<u32>(s, RAX) | (load<u64>(s, RDX) << 32), rec_index(rec)) ? R_NEXT : raise_error(s, GP, 0)
}
