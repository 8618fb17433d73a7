// What CPUID of this chip reports (APM vol. 3, 24594, appendix E): an EPYC of the Milan family with the features that exist here.
// Bits are listed in order of position. Plain constants, both compilers.

export const CPUID_MAX_BASIC = 0xd
export const CPUID_MAX_EXTENDED = 0x80000023
/** AuthenticAMD in EBX, EDX, ECX. */
export const CPUID_VENDOR_EBX = 0x68747541
export const CPUID_VENDOR_EDX = 0x69746e65
export const CPUID_VENDOR_ECX = 0x444d4163
/** Family 19h, model 01h, stepping 1. */
export const CPUID_SIGNATURE = 0xa00f11

/**
 * SSE3, PCLMULQDQ, MONITOR, SSSE3, FMA, CMPXCHG16B, PCID, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND. OSXSAVE (bit 27) follows CR4.
 */
export const CPUID_1_ECX = 0x76da320b
/** FPU, DE, PSE, TSC, MSR, PAE, MCE, CMPXCHG8B, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36, CLFLUSH, MMX, FXSR, SSE, SSE2. */
export const CPUID_1_EDX = 0x78bfbfd
export const CPUID_1_EDX_APIC = 0x200
export const CPUID_1_ECX_OSXSAVE = 0x8000000

/** FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA. */
export const CPUID_7_EBX = 0x219c07a9
/** UMIP, PKU, VAES, VPCLMULQDQ, LA57, RDPID. OSPKE (bit 4) follows CR4. */
export const CPUID_7_ECX = 0x41060c
export const CPUID_7_ECX_OSPKE = 0x10
/** FSRM. */
export const CPUID_7_EDX = 0x10

/** XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES. */
export const CPUID_D1_EAX = 0xf

/** LAHF/SAHF, SVM, LZCNT, SSE4A, misaligned SSE, PREFETCHW, TopologyExtensions, MONITORX. */
export const CPUID_8000_0001_ECX = 0x204001e5
/** The common bits of leaf 1, SYSCALL, NX, AMD MMX extensions, 1 GiB pages, RDTSCP, long mode. */
export const CPUID_8000_0001_EDX = 0x2dd3fbfd
export const CPUID_8000_0001_EBX = 0x40000000

/** Invariant TSC. */
export const CPUID_8000_0007_EDX = 0x100
/** 48 physical, 57 linear address bits. */
export const CPUID_8000_0008_EAX = 0x3930
/** CLZERO, error pointers always restored, WBNOINVD, EFER.LMSLE unsupported, no speculative store bypass. */
export const CPUID_8000_0008_EBX = 0x4100205

export const CPUID_8000_000A_ASIDS = 0x8000
/** NP, NRIPS, TscRateMsr, VmcbClean, FlushByAsid, DecodeAssists. */
export const CPUID_8000_000A_EDX = 0xf9

/** SEV; coherent caches across encryption domains. */
export const CPUID_8000_001F_EAX = 0x402
/** C-bit at position 51, physical addresses five bits shorter. */
export const CPUID_8000_001F_EBX = 0x173
export const CPUID_8000_001F_SEV_ASIDS = 509
/** Least ASID of a guest without SEV-ES. */
export const CPUID_8000_001F_MIN_PLAIN_ASID = 1

/**
 * No nested data breakpoints, LFENCE always serialises, null selectors clear the base, automatic IBRS, no speculative return stack overflow: nothing is
 * executed speculatively here, so guests may leave out what guards against it.
 */
export const CPUID_8000_0021_EAX = 0x20000145
/** No transient scheduler attacks on the L1 and the store queue. */
export const CPUID_8000_0021_ECX = 0x6

/** Processor name "cbit EPYC-Milan compatible processor" as leaves 8000_0002 to 8000_0004 give it: twelve registers. */
export const CPUID_NAME_0 = 0x74696263
export const CPUID_NAME_1 = 0x59504520
export const CPUID_NAME_2 = 0x694d2d43
export const CPUID_NAME_3 = 0x206e616c
export const CPUID_NAME_4 = 0x706d6f63
export const CPUID_NAME_5 = 0x62697461
export const CPUID_NAME_6 = 0x7020656c
export const CPUID_NAME_7 = 0x65636f72
export const CPUID_NAME_8 = 0x726f7373
