// How many address-space identifiers the chip has. Plain constants: compiled both as TypeScript and as AssemblyScript.

/** CPUID Fn8000_000A EBX: ASIDs 0 (host) to ASIDS - 1 (APM vol. 3, 24594, appendix E.4.9). */
export const ASIDS = 0x8000
/** CPUID Fn8000_001F ECX: ASIDs 1 to this have a key slot, as on EPYC 7003 (APM vol. 3, appendix E.4.17). */
export const SEV_ASID_MAX = 509
