/** A case and its outcome as both sides, the host's CPU and our core, know them. The layout of the oracle's records stands in host-oracle.c. */

export const CODE = 0x10000000
export const CODE_BYTES = 0x2000
export const DATA = 0x10010000
export const DATA_BYTES = 0x4000
export const READ_ONLY = 0x10018000
export const UNMAPPED = 0x10020000
export const WINDOW = 0x10011e00
export const WINDOW_BYTES = 1024
export const CODE_MAX = 640
export const FX_BYTES = 512

export const FX_CONTROL = 0
export const FX_STATUS = 2
export const FX_TAGS = 4
export const FX_MXCSR = 24
export const FX_ST = 32
export const FX_XMM = 160
/** What FXSAVE writes of registers: up to the end of XMM15. */
export const FX_USED = 416

export type CodeMode = 'long' | 'compatibility'

export interface Case {
  readonly name: string
  readonly mode: CodeMode
  readonly code: Uint8Array
  /** Where in the code area it stands. */
  readonly offset: number
  readonly gpr: BigUint64Array
  readonly rflags: number
  readonly fs: bigint
  readonly gs: bigint
  readonly fx: Uint8Array
  readonly window: Uint8Array
}

export interface Outcome {
  /** Exception that ended the case; 3 is the INT3 behind the code. */
  vector: number
  error: number
  cr2: bigint
  gpr: BigUint64Array
  rip: bigint
  rflags: number
  fs: bigint
  gs: bigint
  /** ES CS SS DS FS GS */
  selectors: number[]
  fx: Uint8Array
  window: Uint8Array
}

/** Vectors beyond those of the architecture. */
export const TIMEOUT = 0xfe

export const registerNames = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const
