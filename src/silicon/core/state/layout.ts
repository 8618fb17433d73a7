// The state of one core thread in linear memory: byte offsets from its base address `s`. Every executor and every
// helper reads and writes this one layout. Plain constants: compiled both as TypeScript and as AssemblyScript.

// ---- register file: 32 slots of 8 bytes. IR operands are byte offsets into it, so AH is offset 1, CH offset 9 …
export const RAX = 0x00
export const RCX = 0x08
export const RDX = 0x10
export const RBX = 0x18
export const RSP = 0x20
export const RBP = 0x28
export const RSI = 0x30
export const RDI = 0x38
export const R8 = 0x40
export const R15 = 0x78
/** Temporaries of one instruction. Dead at instruction boundaries. */
export const T0 = 0x80
export const T1 = 0x88
export const T2 = 0x90
export const T3 = 0x98
export const T4 = 0xa0
export const T5 = 0xa8
/** Segment bases ES, CS, SS, DS, FS, GS (the only place where they stand). */
export const SEG_BASE = 0xb0
export const ES_BASE = 0xb0
export const CS_BASE = 0xb8
export const SS_BASE = 0xc0
export const DS_BASE = 0xc8
export const FS_BASE = 0xd0
export const GS_BASE = 0xd8
export const T6 = 0xe0
export const T7 = 0xe8
/** Always zero. */
export const ZERO = 0xf0
/** RIP of the first instruction of the running block; exact RIP between instructions of the run loop. */
export const PC = 0xf8

// ---- flags
/** u32: EFLAGS without CF PF AF ZF SF OF (those six are zero here); bit 1 set. */
export const EFLAGS = 0x100
/** u32: MODE_* bits: all that decoding and lowering depend on besides the code bytes. */
export const MODE = 0x104
/** i64: last result, sign-extended from its width. ZF = (FLAG_RES == 0). */
export const FLAG_RES = 0x108
/**
 * u64: bit 63 = CF; bit 62 = carry into the top bit, so OF = bit 63 ^ bit 62; bit 3 = AF;
 * bits 15:8 are xored to the low byte of FLAG_RES before its parity is taken; bit 0 is xored to the sign of FLAG_RES for SF.
 */
export const FLAG_AUX = 0x110

// ---- execution control
/** u32, with four bytes of zeros behind it, so that regions can read it as u64: current TLB context (12 bits): address space * 4 + access mode (0 supervisor, 1 user, 2 supervisor with AC set, 3 user with alignment checks). */
export const CTX = 0x118
/** i64: instructions that may still run before the run loop must exit. */
export const BUDGET = 0x120
/** u64: retired instructions before the present run; now = ICOUNT + BUDGET_START - BUDGET. */
export const ICOUNT = 0x128
/** i64: BUDGET as the present run began. */
export const BUDGET_START = 0x130
/** u32: 0 = none, else FAULT_PENDING | FAULT_HAS_ERROR? | vector. Set by raise(); delivered by the run loop. */
export const FAULT = 0x138
/** u32 */
export const FAULT_ERROR = 0x13c
/** u64: linear address for CR2, committed when the fault is delivered. Also guest physical address for nested faults. */
export const FAULT_ADDRESS = 0x140
/** u32: EXIT_* reason of the last return to TypeScript. */
export const EXIT_REASON = 0x148
/** u32 ×2 */
export const EXIT_INFO = 0x14c
export const EXIT_INFO2 = 0x150
/** u32: current privilege level. */
export const CPL = 0x154
/** u32: 1 = interrupts are held off for one instruction (after STI, MOV SS, POP SS). */
export const SHADOW = 0x158
/** u32: 1 = in HLT (host mode). */
export const HALTED = 0x15c
/** u32: global interrupt flag (AMD-V). */
export const GIF = 0x160
/** u32: EVENT_* bits that the run loop must look at before the next instruction. */
export const EVENTS = 0x164
/** u32: 1 = NMIs are blocked until IRET. */
export const NMI_BLOCKED = 0x168
/** u32: pc offset of the instruction that faulted, within its block; used to restore PC. */
export const FAULT_PC = 0x16c
/** u32: last value of FABRIC_EPOCH that this core has acted upon. */
export const EPOCH_SEEN = 0x170
/** u32: this core's index, APIC id. */
export const CORE_INDEX = 0x174
export const APIC_ID = 0x178
/** u32: address-space number behind CTX (multiple of 4). */
export const SPACE = 0x17c

// ---- segments and tables: 16 bytes each: selector u16, attributes u16 (VMCB form: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11), limit u32 (in bytes), base u64
// (base is used for LDTR, TR, GDTR and IDTR; ES…GS have theirs in the register file)
export const SEGMENTS = 0x180
export const SEGMENT_STRIDE = 16
export const SEG_SELECTOR = 0
export const SEG_ATTRIBUTES = 2
export const SEG_LIMIT = 4
export const SEG_TABLE_BASE = 8
export const ES = 0
export const CS = 1
export const SS = 2
export const DS = 3
export const FS = 4
export const GS = 5
export const LDTR = 6
export const TR = 7
export const GDTR = 8
export const IDTR = 9

// ---- control and debug registers, u64 each
export const CR0 = 0x240
export const CR2 = 0x248
export const CR3 = 0x250
export const CR4 = 0x258
export const CR8 = 0x260
export const EFER = 0x268
export const XCR0 = 0x270
export const XSS = 0x278
export const DR0 = 0x280
export const DR1 = 0x288
export const DR2 = 0x290
export const DR3 = 0x298
export const DR6 = 0x2a0
export const DR7 = 0x2a8

// ---- MSRs, u64 each
export const MSR_STAR = 0x2c0
export const MSR_LSTAR = 0x2c8
export const MSR_CSTAR = 0x2d0
export const MSR_SFMASK = 0x2d8
export const MSR_KERNEL_GS_BASE = 0x2e0
export const MSR_SYSENTER_CS = 0x2e8
export const MSR_SYSENTER_ESP = 0x2f0
export const MSR_SYSENTER_EIP = 0x2f8
export const MSR_PAT = 0x300
export const MSR_TSC_AUX = 0x308
export const MSR_DEBUGCTL = 0x310
export const MSR_APIC_BASE = 0x318
export const MSR_SYSCFG = 0x320
export const MSR_HSAVE_PA = 0x328
export const MSR_VM_CR = 0x330
export const MSR_SEV_STATUS = 0x338
export const MSR_MTRR_DEF_TYPE = 0x340
export const MSR_SPEC_CTRL = 0x348
export const MSR_TSC_RATIO = 0x350
export const MSR_HWCR = 0x358
export const MSR_MTRR_BASE = 0x360
/** Further MSR storage (fixed and variable MTRRs and the like): up to 0x400. */
export const MSR_AREA_END = 0x400

// ---- time stamp counter. TSC = (TSC_VIRTUAL ? instructions now * TSC_PER_INSTRUCTION : host clock) + TSC_BASE, guest adds TSC_OFFSET
/** u64 */
export const TSC_BASE = 0x400
/** u64: of the running VMCB, 0 in host mode. */
export const TSC_OFFSET = 0x408
/** u32: 1 = virtual time. */
export const TSC_VIRTUAL = 0x410
/** u32 */
export const TSC_PER_INSTRUCTION = 0x414

// ---- AMD-V. The rest of this area, 0x430..0x5ff, is laid out in svm.
/** u32: 1 = in guest mode. */
export const GUEST_MODE = 0x418
/** u32: ASID of the running guest, 0 in host mode. */
export const ASID = 0x41c
/** u32: 1 = nested paging is on for the running guest. */
export const NESTED_PAGING = 0x420
/** u32: 1 = the running guest has SEV enabled. */
export const SEV_ACTIVE = 0x424
/** u64: physical address of the running VMCB. */
export const VMCB_PA = 0x428
export const SVM_AREA = 0x430
export const SVM_AREA_END = 0x600

// ---- x87: physical registers R0..R7 of 16 bytes (significand u64, sign and exponent u16); MMX registers are their significands
export const X87_REGISTERS = 0x600
/** u16 */
export const X87_CONTROL = 0x680
/** u16: status word; TOP in bits 13:11 is kept here. */
export const X87_STATUS = 0x684
/** u8: abridged tags, bit n = physical register n is not empty (as in FXSAVE). */
export const X87_TAGS = 0x688
/** u16: last opcode (11 bits). */
export const X87_OPCODE = 0x68c
/** u64 */
export const X87_IP = 0x690
export const X87_DP = 0x698
/** u16 ×2: selectors for 16/32-bit FSAVE images. */
export const X87_CS = 0x6a0
export const X87_DS = 0x6a4

/** u32: frame number behind the last successful mmu_fill. */
export const LAST_FRAME = 0x6c8
/** u32: 1 = the instruction now running began with RFLAGS.TF set. */
export const STEP_ARMED = 0x6cc
/** u32: with EXIT_CODE, key and MODE of the block to be made. */
export const CODE_KEY = 0x6d0
export const CODE_MODE = 0x6d4
/** u64 ×3: translations asked of the MMU because no TLB entry served: reads, writes, fetches. */
export const TLB_MISSES = 0x6d8
/** u32: number of the running context's global pages, in place of SPACE (multiple of 4). */
export const GLOBAL_SPACE = 0x6f0

// ---- SSE
/** u32 */
export const MXCSR = 0x6c0
/** u32 */
export const PKRU = 0x6c4
/** Sixteen YMM registers of 32 bytes; the XMM registers are their lower halves. */
export const XMM = 0x700
export const XMM_STRIDE = 32
/** Vector temporaries: memory operands of SSE and x87 instructions are loaded here. */
export const VT0 = 0x900
export const VT1 = 0x920
/** Scratch for helpers: 0x940..0xdff. */
export const SCRATCH = 0x940
/** Further state of the system side, laid out in system-layout.ts: 0xe00..0xfff. */
export const SYSTEM_AREA = 0xe00

// ---- soft TLBs: direct-mapped, 16-byte entries { tag u64 = linear page | CTX, host - linear u32, frame u32 }; those for data lie in the second MiB of the area
export const TLB_READ = 0x100000
export const TLB_WRITE = 0x140000
export const TLB_ENTRIES = 16384
export const TLB_EXEC = 0xc0000
/**
 * What is not in this table is out of a region's sight: the planner stops there, and a region is left where it would go on there. A kernel and a few programs run code of
 * several hundred pages. A program's page n has slot n ^ SPACE * SPACE_SPREAD, so that programs at the same addresses do not evict each other, and one of the upper half
 * slot n of the other half of the table: where Linux puts its kernel at random, a loop between pages of a program would be out of sight in one guest of six.
 */
export const TLB_EXEC_HALF = 4096
export const TLB_EXEC_ENTRIES = 2 * TLB_EXEC_HALF
export const SPACE_SPREAD = 37
// ---- between regions
/** Flags in parts as a region leaves them for the next one (ir/flag-kinds.ts): kind u32 (0: they stand in FLAG_RES and FLAG_AUX), operands and result u64. */
export const LAZY_KIND = 0x25000
export const LAZY_A = 0x25008
export const LAZY_B = 0x25010
export const LAZY_R = 0x25018
/** u32: calls under way that regions have made of regions. */
export const CALL_DEPTH = 0x25020
/** u32: place in the table of regions of the one that runs. */
export const RUNNING_REGION = 0x25024
/** Private to the MMU (PCID table and the like). */
export const MMU_AREA = 0x50000
/** Private to AMD-V (host save and cached permission maps). */
export const SVM_SAVE_AREA = 0x60000
/** 64 KiB for tests. */
export const TEST_AREA = 0x70000
// ---- jump cache: entries { linear pc u64, CTX | MODE << 12 u32, block address u32 }, of global pages with GLOBAL_SPACE in place of CTX; then of the region that
// the block is an entry of { index in the function table u32, number of the entry and the region's guard << JUMP_GUARD u32, address in REGION_TABLE u32,
// CODE_GENERATION for which this holds u32 }
export const JUMP_CACHE = 0x80000
export const JUMP_CACHE_ENTRIES = 8192
export const JUMP_ENTRY_BYTES = 32
export const JUMP_TAG = 8
export const JUMP_BLOCK = 12
export const JUMP_FUNCTION = 16
export const JUMP_NUMBER = 20
/** Shift within JUMP_NUMBER; what is below it is the number. */
export const JUMP_GUARD = 10
export const JUMP_REGION = 24
export const JUMP_GENERATION = 28

// ---- MODE bits
export const MODE_CODE16 = 0
export const MODE_CODE32 = 1
export const MODE_CODE64 = 2
export const MODE_CODE_MASK = 3
/** Stack pointer is 32 bits wide (outside 64-bit mode). */
export const MODE_STACK32 = 4
/** CS, DS, ES and SS have base 0, limit 4 GiB and suit both reads and writes: no checks needed outside 64-bit mode. */
export const MODE_FLAT = 8
/** Blocks of one instruction (single step, interrupt shadow, exact budget). */
export const MODE_SINGLE = 16
/** x87 and MMX raise #NM (CR0.EM or CR0.TS; for MMX and SSE with CR0.EM it is #UD: MODE_SSE_UD). */
export const MODE_X87_NM = 32
export const MODE_SSE_UD = 64
export const MODE_SSE_NM = 128
/** WAIT raises #NM (CR0.MP and CR0.TS). */
export const MODE_WAIT_NM = 256
/** MMX raises #UD (CR0.EM). */
export const MODE_MMX_UD = 512
/** There is no VEX: real and virtual-8086 mode. */
export const MODE_VEX_UD = 1024
/** AVX raises #UD: as above, or CR4.OSXSAVE or one of the bits of XCR0 for XMM and YMM is clear. #NM is MODE_SSE_NM. */
export const MODE_AVX_UD = 2048

// ---- FAULT bits
export const FAULT_PENDING = 0x80000000
export const FAULT_HAS_ERROR = 0x100
/** The fault is a #VMEXIT that has been recorded already, not an exception. */
export const FAULT_VMEXIT = 0x200
export const FAULT_VECTOR_MASK = 0xff

// ---- EVENTS bits
/** Re-examine virtual interrupts, IF, TPR and GIF. */
export const EVENT_INTERRUPT = 1
/** RFLAGS.TF is set: trap after the next instruction. */
export const EVENT_SINGLE_STEP = 2
/** An instruction breakpoint may match (DR7). */
export const EVENT_BREAKPOINT = 4
/** An event to inject stands ready (VMRUN with EVENTINJ). */
export const EVENT_INJECT = 8

// ---- EXIT_REASON values
export const EXIT_NONE = 0
/** The budget is used up. */
export const EXIT_BUDGET = 1
/** Code at the present PC must be decoded: EXIT_INFO = linear-memory address of its first byte, EXIT_INFO2 = its frame number; CODE_KEY, CODE_MODE. */
export const EXIT_CODE = 2
/** #VMEXIT: the VMCB has been written, the core is in host mode. */
export const EXIT_VMEXIT = 3
/** Host mode only. */
export const EXIT_HALT = 4
export const EXIT_SHUTDOWN = 5
/** Host mode port access: EXIT_INFO = port | size << 16 | (in ? 1 << 24 : 0), value in T0. */
export const EXIT_PORT = 6
/** The block at EXIT_INFO has run often enough to be translated. */
export const EXIT_HOT = 7
