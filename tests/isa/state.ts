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
/** Upper halves of sixteen YMM registers. */
export const UPPER_BYTES = 256

export const FX_CONTROL = 0
export const FX_STATUS = 2
export const FX_TAGS = 4
export const FX_MXCSR = 24
export const FX_ST = 32
export const FX_XMM = 160
/** What FXSAVE writes of registers: up to the end of XMM15. */
export const FX_USED = 416

/** 64-bit mode; compatibility mode with flat segments; the same with the segments of `localSegments`, code of 16 and of 32 bits. */
export type CodeMode = 'long' | 'compatibility' | 'segmented16' | 'segmented32'
export const codeModes: readonly CodeMode[] = ['long', 'compatibility', 'segmented16', 'segmented32']

export const isSegmented = (mode: CodeMode): boolean => mode === 'segmented16' || mode === 'segmented32'

export interface LocalSegment {
  readonly base: number
  readonly limit: number
  /** VMCB form: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11. */
  readonly attributes: number
}

const DATA_LIMIT = 0x23ff
/** The local descriptor table; selector = index * 8 + 7. The host's is the same (host-oracle.c). */
export const localSegments: readonly LocalSegment[] = [
  { base: CODE, limit: CODE_BYTES - 1, attributes: 0x1fb },
  { base: DATA, limit: DATA_LIMIT, attributes: 0x1f3 },
  { base: DATA, limit: DATA_LIMIT, attributes: 0x1f3 },
  // expands down
  { base: DATA, limit: 0x1dff, attributes: 0x1f7 },
  { base: CODE, limit: CODE_BYTES - 1, attributes: 0x5fb },
  // read-only, in pages
  { base: DATA, limit: 0x3fff, attributes: 0x9f1 },
  { base: DATA, limit: DATA_LIMIT, attributes: 0x5f3 },
  // not present
  { base: DATA, limit: DATA_LIMIT, attributes: 0x173 },
]
export const LOCAL_CODE16 = 0
export const LOCAL_DATA = 1
export const LOCAL_STACK16 = 2
export const LOCAL_EXPAND_DOWN = 3
export const LOCAL_CODE32 = 4
export const LOCAL_READ_ONLY = 5
export const LOCAL_STACK32 = 6
export const localSelector = (index: number): number => index * 8 + 7

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
  /** Upper halves of the YMM registers; absent: zero. */
  readonly upper?: Uint8Array
  readonly window: Uint8Array
}

/** What FXSAVE finds behind FNINIT, with MXCSR as it is after reset. */
const initialFx = Uint8Array.from({ length: FX_BYTES }, (_, n) => ({ 0: 0x7f, 1: 3, [FX_MXCSR]: 0x80, [FX_MXCSR + 1]: 0x1f })[n] ?? 0)

/** `code` in 64-bit mode, `offset` into the code area, with these registers; RSP stands in the window unless it is among them. */
export function caseOf(
  code: readonly number[],
  registers: Readonly<Record<number, number>> = {},
  offset = 0x100,
  window = new Uint8Array(WINDOW_BYTES),
): Case {
  const gpr = new BigUint64Array(16)
  gpr[4] = BigInt(WINDOW + 512)
  for (const [r, value] of Object.entries(registers)) gpr[Number(r)] = BigInt(value)
  return { name: '', mode: 'long', code: Uint8Array.from(code), offset, gpr, rflags: 0x202, fs: 0n, gs: 0n, fx: initialFx, window }
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
  upper: Uint8Array
  window: Uint8Array
}

/** Vectors beyond those of the architecture. */
export const TIMEOUT = 0xfe

export const registerNames = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const
