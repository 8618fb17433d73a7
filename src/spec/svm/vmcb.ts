// The virtual machine control block: byte offsets and bit fields (APM vol. 2, 24593, appendix B tables B-1 and B-2).
// Plain constants: compiled both as TypeScript and as AssemblyScript. Save-area offsets count from the VMCB's first byte.

export const VMCB_BYTES = 0x1000

// ---- control area, table B-1. Intercept vectors: bit n of the u32 at (code >> 5) * 4 belongs to exit code n (see exit-codes.ts).
/** u32: CR reads 15:0, CR writes 31:16. */
export const VMCB_INTERCEPT_CR = 0x000
/** u32: DR reads 15:0, DR writes 31:16. */
export const VMCB_INTERCEPT_DR = 0x004
/** u32: exception vectors. */
export const VMCB_INTERCEPT_EXCEPTIONS = 0x008
/** u32: VMEXIT_INTR (60h) up to VMEXIT_SHUTDOWN (7fh). */
export const VMCB_INTERCEPT_MISC1 = 0x00c
/** u32: VMEXIT_VMRUN (80h) up to the CR write traps (9fh). */
export const VMCB_INTERCEPT_MISC2 = 0x010
/** u32: VMEXIT_INVLPGB (a0h) up to VMEXIT_IDLE_HLT (a6h). */
export const VMCB_INTERCEPT_MISC3 = 0x014
/** u16 */
export const VMCB_PAUSE_FILTER_THRESHOLD = 0x03c
/** u16 */
export const VMCB_PAUSE_FILTER_COUNT = 0x03e
/** u64: physical base of the 12 KiB I/O permission map. */
export const VMCB_IOPM_BASE_PA = 0x040
/** u64: physical base of the 8 KiB MSR permission map. */
export const VMCB_MSRPM_BASE_PA = 0x048
/** u64 */
export const VMCB_TSC_OFFSET = 0x050
/** u32 */
export const VMCB_ASID = 0x058
/** u8: TLB_CONTROL_* */
export const VMCB_TLB_CONTROL = 0x05c
/** u64: V_* fields below. */
export const VMCB_V_INTR = 0x060
/** u64: bit 0 INTERRUPT_SHADOW, bit 1 GUEST_INTERRUPT_MASK. */
export const VMCB_INTERRUPT_SHADOW = 0x068
/** u64 */
export const VMCB_EXITCODE = 0x070
/** u64 */
export const VMCB_EXITINFO1 = 0x078
/** u64 */
export const VMCB_EXITINFO2 = 0x080
/** u64: an EVENT_* word. */
export const VMCB_EXITINTINFO = 0x088
/** u64: NP_* / SEV enable bits below. */
export const VMCB_NP_ENABLE = 0x090
/** u64 */
export const VMCB_AVIC_APIC_BAR = 0x098
/** u64 */
export const VMCB_GHCB_GPA = 0x0a0
/** u64: an EVENT_* word. */
export const VMCB_EVENTINJ = 0x0a8
/** u64 */
export const VMCB_N_CR3 = 0x0b0
/** u64: bit 0 LBR virtualisation, bit 1 virtualised VMLOAD and VMSAVE. */
export const VMCB_VIRT_EXT = 0x0b8
/** u32 */
export const VMCB_CLEAN = 0x0c0
/** u64: RIP of the next instruction. */
export const VMCB_NRIP = 0x0c8
/** u8: number of guest instruction bytes that follow. */
export const VMCB_INSTRUCTION_BYTES_COUNT = 0x0d0
/** 15 bytes */
export const VMCB_INSTRUCTION_BYTES = 0x0d1
export const VMCB_INSTRUCTION_BYTES_MAX = 15
/** u64 */
export const VMCB_AVIC_BACKING_PAGE = 0x0e0
/** u64 */
export const VMCB_AVIC_LOGICAL_TABLE = 0x0f0
/** u64 */
export const VMCB_AVIC_PHYSICAL_TABLE = 0x0f8
/** u64 */
export const VMCB_VMSA_POINTER = 0x108
/** u64 */
export const VMCB_ALLOWED_SEV_FEATURES = 0x138

// ---- bits of VMCB_V_INTR, low u32
export const V_TPR_MASK = 0xff
export const V_IRQ = 0x100
export const V_GIF = 0x200
export const V_NMI = 0x800
export const V_NMI_MASK = 0x1000
export const V_INTR_PRIO_SHIFT = 16
export const V_INTR_PRIO_MASK = 0xf0000
export const V_IGN_TPR = 0x100000
export const V_INTR_MASKING = 0x1000000
export const V_GIF_ENABLE = 0x2000000
export const V_NMI_ENABLE = 0x4000000
export const V_AVIC_ENABLE = 0x80000000
/** u8: V_INTR_VECTOR, bits 39:32 of VMCB_V_INTR. */
export const VMCB_V_INTR_VECTOR = 0x064

// ---- bits of VMCB_NP_ENABLE
export const NP_ENABLE = 1
export const SEV_ENABLE = 2
export const SEV_ES_ENABLE = 4
export const NP_GMET_ENABLE = 8

// ---- bits of VMCB_INTERRUPT_SHADOW
export const GUEST_INTERRUPT_SHADOW = 1
export const GUEST_INTERRUPT_MASK = 2

// ---- TLB_CONTROL (section 15.16.1)
export const TLB_CONTROL_NOTHING = 0
export const TLB_CONTROL_FLUSH_ALL = 1
export const TLB_CONTROL_FLUSH_GUEST = 3
export const TLB_CONTROL_FLUSH_GUEST_NON_GLOBAL = 7

// ---- EVENTINJ and EXITINTINFO (sections 15.20 and 15.7.2): vector 7:0, type 10:8, error code valid 11, valid 31, error code 63:32
export const EVENT_VECTOR_MASK = 0xff
export const EVENT_TYPE_SHIFT = 8
export const EVENT_TYPE_MASK = 0x700
export const EVENT_TYPE_INTR = 0
export const EVENT_TYPE_NMI = 2
export const EVENT_TYPE_EXCEPTION = 3
export const EVENT_TYPE_SOFTWARE = 4
export const EVENT_ERROR_VALID = 0x800
export const EVENT_VALID = 0x80000000

// ---- state save area, table B-2, as offsets from the VMCB's first byte. Segment: selector u16, attributes u16, limit u32, base u64.
export const VMCB_SAVE = 0x400
export const VMCB_SEGMENT_SELECTOR = 0
export const VMCB_SEGMENT_ATTRIBUTES = 2
export const VMCB_SEGMENT_LIMIT = 4
export const VMCB_SEGMENT_BASE = 8
export const VMCB_ES = 0x400
export const VMCB_CS = 0x410
export const VMCB_SS = 0x420
export const VMCB_DS = 0x430
export const VMCB_FS = 0x440
export const VMCB_GS = 0x450
export const VMCB_GDTR = 0x460
export const VMCB_LDTR = 0x470
export const VMCB_IDTR = 0x480
export const VMCB_TR = 0x490
/** u8 */
export const VMCB_CPL = 0x4cb
/** u64 from here on. */
export const VMCB_EFER = 0x4d0
export const VMCB_CR4 = 0x548
export const VMCB_CR3 = 0x550
export const VMCB_CR0 = 0x558
export const VMCB_DR7 = 0x560
export const VMCB_DR6 = 0x568
export const VMCB_RFLAGS = 0x570
export const VMCB_RIP = 0x578
export const VMCB_RSP = 0x5d8
export const VMCB_S_CET = 0x5e0
export const VMCB_SSP = 0x5e8
export const VMCB_ISST_ADDR = 0x5f0
export const VMCB_RAX = 0x5f8
export const VMCB_STAR = 0x600
export const VMCB_LSTAR = 0x608
export const VMCB_CSTAR = 0x610
export const VMCB_SFMASK = 0x618
export const VMCB_KERNEL_GS_BASE = 0x620
export const VMCB_SYSENTER_CS = 0x628
export const VMCB_SYSENTER_ESP = 0x630
export const VMCB_SYSENTER_EIP = 0x638
export const VMCB_CR2 = 0x640
export const VMCB_G_PAT = 0x668
export const VMCB_DBGCTL = 0x670
export const VMCB_BR_FROM = 0x678
export const VMCB_BR_TO = 0x680
export const VMCB_LAST_EXCP_FROM = 0x688
export const VMCB_LAST_EXCP_TO = 0x690
export const VMCB_SPEC_CTRL = 0x6e0

// ---- attributes of a segment as the VMCB packs them (section 15.5.1)
export const ATTRIBUTE_TYPE_MASK = 0x00f
export const ATTRIBUTE_S = 0x010
export const ATTRIBUTE_DPL_SHIFT = 5
export const ATTRIBUTE_DPL_MASK = 0x060
export const ATTRIBUTE_P = 0x080
export const ATTRIBUTE_AVL = 0x100
export const ATTRIBUTE_L = 0x200
export const ATTRIBUTE_DB = 0x400
export const ATTRIBUTE_G = 0x800

// ---- permission maps
/** 2 bits per MSR, read then write; three ranges of 2 KiB (section 15.11). */
export const MSRPM_BYTES = 0x2000
/** MSRs 0 to 1fffh. */
export const MSRPM_RANGE0 = 0x000
/** MSRs c0000000h to c0001fffh. */
export const MSRPM_RANGE1 = 0x800
/** MSRs c0010000h to c0011fffh. */
export const MSRPM_RANGE2 = 0x1000
/** 1 bit per port, 64 Ki ports and the overhang of a multi-byte access at port ffffh (section 15.10). */
export const IOPM_BYTES = 0x3000
