/** Model-specific registers that the hypervisor knows by name (APM vol. 2, appendix A; the KVM ones: Linux Documentation/virt/kvm/x86/msr.rst). */

export const MSR_TSC = 0x10
export const MSR_UCODE_LEVEL = 0x8b
export const MSR_MTRR_CAP = 0xfe
export const MSR_SYSENTER_CS = 0x174
export const MSR_SYSENTER_ESP = 0x175
export const MSR_SYSENTER_EIP = 0x176
export const MSR_MCG_CAP = 0x179
export const MSR_MCG_STATUS = 0x17a
export const MSR_MCG_CTL = 0x17b
export const MSR_DEBUGCTL = 0x1d9
export const MSR_MTRR_VARIABLE = 0x200
export const MTRR_VARIABLE_COUNT = 8
export const MSR_MTRR_FIX_64K = 0x250
export const MSR_MTRR_FIX_16K_80000 = 0x258
export const MSR_MTRR_FIX_16K_A0000 = 0x259
export const MSR_MTRR_FIX_4K = 0x268
export const MSR_PAT = 0x277
export const MSR_MTRR_DEF_TYPE = 0x2ff
export const MSR_XSS = 0xda0

export const MSR_EFER = 0xc0000080
export const MSR_STAR = 0xc0000081
export const MSR_LSTAR = 0xc0000082
export const MSR_CSTAR = 0xc0000083
export const MSR_SFMASK = 0xc0000084
export const MSR_FS_BASE = 0xc0000100
export const MSR_GS_BASE = 0xc0000101
export const MSR_KERNEL_GS_BASE = 0xc0000102
export const MSR_TSC_AUX = 0xc0000103

export const MSR_SYSCFG = 0xc0010010
export const SYSCFG_MEM_ENCRYPT = 0x800000
export const MSR_HWCR = 0xc0010015
/** TscFreqSel: the TSC counts at the P0 frequency. */
export const HWCR_TSC_FREQ_SEL = 0x1000000
export const MSR_IORR_BASE0 = 0xc0010016
export const MSR_TOP_MEM = 0xc001001a
export const MSR_TOP_MEM2 = 0xc001001d
export const MSR_PATCH_LOADER = 0xc0010020
export const MSR_INT_PENDING = 0xc0010055
export const MSR_MMIO_CFG_BASE = 0xc0010058
export const MSR_TSEG_ADDR = 0xc0010112
export const MSR_TSEG_MASK = 0xc0010113
export const MSR_VM_CR = 0xc0010114
export const VM_CR_SVMDIS = 0x10
export const MSR_VM_HSAVE_PA = 0xc0010117
export const MSR_SEV_STATUS = 0xc0010131
export const MSR_DE_CFG = 0xc0011029
/** LFENCE is dispatch serialising. */
export const DE_CFG_LFENCE_SERIALIZE = 0x2

export const MSR_KVM_WALL_CLOCK_OLD = 0x11
export const MSR_KVM_SYSTEM_TIME_OLD = 0x12
export const MSR_KVM_WALL_CLOCK = 0x4b564d00
export const MSR_KVM_SYSTEM_TIME = 0x4b564d01
export const MSR_KVM_MIGRATION_CONTROL = 0x4b564d08
