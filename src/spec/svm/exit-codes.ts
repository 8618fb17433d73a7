// Exit codes of #VMEXIT (APM vol. 2, 24593, appendix C table C-1) and the bits of their EXITINFO words.
// Plain constants: compiled both as TypeScript and as AssemblyScript.
//
// Codes 00h to bfh are numbered as their intercept bits: bit (code & 31) of the u32 at offset (code >> 5) * 4 of the VMCB.

export const VMEXIT_CR0_READ = 0x00
export const VMEXIT_CR3_READ = 0x03
export const VMEXIT_CR4_READ = 0x04
export const VMEXIT_CR8_READ = 0x08
export const VMEXIT_CR0_WRITE = 0x10
export const VMEXIT_CR3_WRITE = 0x13
export const VMEXIT_CR4_WRITE = 0x14
export const VMEXIT_CR8_WRITE = 0x18
export const VMEXIT_DR0_READ = 0x20
export const VMEXIT_DR0_WRITE = 0x30
/** Plus the vector. */
export const VMEXIT_EXCEPTION = 0x40
export const VMEXIT_INTR = 0x60
export const VMEXIT_NMI = 0x61
export const VMEXIT_SMI = 0x62
export const VMEXIT_INIT = 0x63
export const VMEXIT_VINTR = 0x64
export const VMEXIT_CR0_SEL_WRITE = 0x65
export const VMEXIT_IDTR_READ = 0x66
export const VMEXIT_GDTR_READ = 0x67
export const VMEXIT_LDTR_READ = 0x68
export const VMEXIT_TR_READ = 0x69
export const VMEXIT_IDTR_WRITE = 0x6a
export const VMEXIT_GDTR_WRITE = 0x6b
export const VMEXIT_LDTR_WRITE = 0x6c
export const VMEXIT_TR_WRITE = 0x6d
export const VMEXIT_RDTSC = 0x6e
export const VMEXIT_RDPMC = 0x6f
export const VMEXIT_PUSHF = 0x70
export const VMEXIT_POPF = 0x71
export const VMEXIT_CPUID = 0x72
export const VMEXIT_RSM = 0x73
export const VMEXIT_IRET = 0x74
/** INTn. */
export const VMEXIT_SWINT = 0x75
export const VMEXIT_INVD = 0x76
export const VMEXIT_PAUSE = 0x77
export const VMEXIT_HLT = 0x78
export const VMEXIT_INVLPG = 0x79
export const VMEXIT_INVLPGA = 0x7a
export const VMEXIT_IOIO = 0x7b
export const VMEXIT_MSR = 0x7c
export const VMEXIT_TASK_SWITCH = 0x7d
export const VMEXIT_FERR_FREEZE = 0x7e
export const VMEXIT_SHUTDOWN = 0x7f
export const VMEXIT_VMRUN = 0x80
export const VMEXIT_VMMCALL = 0x81
export const VMEXIT_VMLOAD = 0x82
export const VMEXIT_VMSAVE = 0x83
export const VMEXIT_STGI = 0x84
export const VMEXIT_CLGI = 0x85
export const VMEXIT_SKINIT = 0x86
export const VMEXIT_RDTSCP = 0x87
export const VMEXIT_ICEBP = 0x88
/** WBINVD and WBNOINVD. */
export const VMEXIT_WBINVD = 0x89
export const VMEXIT_MONITOR = 0x8a
export const VMEXIT_MWAIT = 0x8b
export const VMEXIT_MWAIT_CONDITIONAL = 0x8c
export const VMEXIT_XSETBV = 0x8d
export const VMEXIT_RDPRU = 0x8e
/** Trap: after the write. */
export const VMEXIT_EFER_WRITE_TRAP = 0x8f
/** Trap: plus the number of the control register. */
export const VMEXIT_CR0_WRITE_TRAP = 0x90
export const VMEXIT_INVLPGB = 0xa0
export const VMEXIT_INVLPGB_ILLEGAL = 0xa1
export const VMEXIT_INVPCID = 0xa2
export const VMEXIT_MCOMMIT = 0xa3
export const VMEXIT_TLBSYNC = 0xa4
export const VMEXIT_BUS_LOCK = 0xa5
export const VMEXIT_IDLE_HLT = 0xa6
export const VMEXIT_NPF = 0x400
export const VMEXIT_AVIC_INCOMPLETE_IPI = 0x401
export const VMEXIT_AVIC_NOACCEL = 0x402
export const VMEXIT_VMGEXIT = 0x403
/** 64-bit -1: VMRUN found an illegal guest state. */
export const VMEXIT_INVALID = -1
/** 64-bit -2 */
export const VMEXIT_BUSY = -2

// ---- EXITINFO1 of VMEXIT_NPF: a page-fault error code in bits 4:0, and (section 15.25.6)
export const NPF_PRESENT = 1
export const NPF_WRITE = 2
export const NPF_USER = 4
export const NPF_RESERVED = 8
export const NPF_FETCH = 16
/** Bit 32, as a bit of the upper u32: the final guest physical address. */
export const NPF_HIGH_FINAL = 1
/** Bit 33, as a bit of the upper u32: a guest page table. */
export const NPF_HIGH_TABLE = 2

// ---- EXITINFO1 of VMEXIT_IOIO (section 15.10.2); port in bits 31:16
export const IOIO_IN = 1
export const IOIO_STRING = 4
export const IOIO_REP = 8
export const IOIO_SIZE8 = 0x10
export const IOIO_SIZE16 = 0x20
export const IOIO_SIZE32 = 0x40
export const IOIO_ADDRESS16 = 0x80
export const IOIO_ADDRESS32 = 0x100
export const IOIO_ADDRESS64 = 0x200
export const IOIO_SEGMENT_SHIFT = 10
export const IOIO_PORT_SHIFT = 16

// ---- EXITINFO1 of VMEXIT_CRx and VMEXIT_DRx with decode assists (section 15.33): general register in bits 3:0
/** Bit 63, as a bit of the upper u32: the instruction was MOV CR. */
export const CR_HIGH_MOV = 0x80000000
