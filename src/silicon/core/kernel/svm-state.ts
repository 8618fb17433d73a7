// Private state of the soft MMU and of AMD-V: offsets from the core's base address, inside MMU_AREA, SVM_AREA and SVM_SAVE_AREA of
// state/layout.ts. Plain constants.

// ---- AMD-V: the running VMCB as the processor holds it, 0x430..0x5ff
/** 24 bytes: intercept vectors of VMCB 000h..017h. */
export const SVM_INTERCEPTS = 0x430
/** u64: physical bases of the permission maps. */
export const SVM_IOPM = 0x448
export const SVM_MSRPM = 0x450
/** u64: root of the nested page tables. */
export const SVM_N_CR3 = 0x458
/** u64: what the pending #VMEXIT will report. */
export const SVM_EXITCODE = 0x460
export const SVM_EXITINFO1 = 0x468
export const SVM_EXITINFO2 = 0x470
export const SVM_NRIP = 0x478
/** u64: V_TPR, V_IRQ, V_INTR_MASKING … of the running guest. */
export const SVM_V_INTR = 0x480
/** u64: EVENTINJ that has not been delivered yet. */
export const SVM_EVENTINJ = 0x488
/** u64: RIP after the software interrupt that EVENTINJ injects. */
export const SVM_EVENTINJ_NRIP = 0x490
/** u32: SVM_PENDING_* bits: a #VMEXIT has been recorded and not been completed. */
export const SVM_PENDING = 0x498
export const SVM_PENDING_EXIT = 1
/** Instruction bytes are to be stored with it (section 15.33.4: #PF and #NPF of data accesses). */
export const SVM_PENDING_BYTES = 2
/** u32: SVM_HOST_* bits of the host that executed VMRUN. */
export const SVM_HOST = 0x49c
export const SVM_HOST_NXE = 1
export const SVM_HOST_LA57 = 2
export const SVM_HOST_IF = 4
/** u32: CR8 as the guest began. */
export const SVM_CR8_BEGAN = 0x4a0
/** u32: number of instruction bytes collected at SVM_BYTES. */
export const SVM_BYTES_COUNT = 0x4a4
/** 16 bytes */
export const SVM_BYTES = 0x4a8
/** u64 */
export const SVM_EXITINTINFO = 0x4b8

// ---- host state kept over a guest run, at SVM_SAVE_AREA: ten segment slots as in layout.ts, then u64 each
export const HOST_SEGMENTS = 0x60000
export const HOST_SEGMENT_BASES = 0x600a0
export const HOST_CR0 = 0x600e0
export const HOST_CR3 = 0x600e8
export const HOST_CR4 = 0x600f0
export const HOST_EFER = 0x600f8
export const HOST_RFLAGS = 0x60100
export const HOST_RIP = 0x60108
export const HOST_RSP = 0x60110
export const HOST_RAX = 0x60118
export const HOST_CPL = 0x60120
export const HOST_PAT = 0x60128
export const HOST_CR8 = 0x60130

// ---- soft MMU, behind the TLBs
/** u32 per entry of the read and write TLBs: PAGE_USER, GLOBAL_SPACE of a global supervisor page, or 0. */
export const MMU_PAGE_READ = 0x180000
export const MMU_PAGE_WRITE = 0x190000
export const PAGE_USER = 1

// ---- soft MMU, at MMU_AREA
/** u32: next free address-space number; 0 = the MMU has not been reset. */
export const MMU_NEXT_SPACE = 0x50000
/** u32: next free number of a nested translation context. */
export const MMU_NEXT_NESTED = 0x50004
/** u32: next free TLB generation. */
export const MMU_NEXT_GENERATION = 0x50008
/** u32: the running context's numbers. */
export const MMU_NESTED = 0x5000c
export const MMU_GENERATION = 0x50010
/** u32: address of the running context's entry in MMU_CONTEXTS. */
export const MMU_CONTEXT = 0x50014
/** u64: 1 GiB regions (hashed) that a 1 GiB page has been seen in. */
export const MMU_GIANT_PAGES = 0x50018
/** u64 ×4: page-directory-pointer entries of legacy PAE paging, loaded with CR3. */
export const MMU_PDPTE = 0x50020
/** 16 entries of 32 bytes by ASID: { ASID + 1 u32, SEV u32, N_CR3 u64, nested number u32, generation u32, number of global pages u32, its mode u32 }. */
export const MMU_CONTEXTS = 0x50200
export const MMU_CONTEXTS_COUNT = 16
/** 128 entries of 32 bytes: { generation << 12 | PCID u32, space u32, CR3 u64, paging mode u32, PKRU u32 }. */
export const MMU_SPACES = 0x51000
export const MMU_SPACES_COUNT = 128
/** 256 entries of 16 bytes: { guest physical page | nested number u64, host pointer u32, frame u32 } of page-table pages. */
export const MMU_TABLES = 0x52000
export const MMU_TABLES_COUNT = 256
/** Bit maps of 32768 hashed bits: 2 MiB regions where large pages have been seen; pages that code has run in. */
export const MMU_LARGE_PAGES = 0x53000
export const MMU_CODE_PAGES = 0x54000
/** 1024 entries of 16 bytes: { guest physical page | nested number u64, frame u32, NESTED_* u32 } of final translations. */
export const MMU_NESTED_TLB = 0x58000
export const MMU_NESTED_TLB_COUNT = 1024
/** 64 entries of 32 bytes: { 2 MiB region | SPACE u64, last-level table u64, rights and no-execute of the levels above it u64 }. */
export const MMU_WALKS = 0x5c000
export const MMU_WALKS_COUNT = 64
