/**
 * The form of one row of the opcode table. `opcodes.ts` is the only list of encodings; decoder, disassembler, coverage
 * report and test generator all read it.
 */

/** What an instruction does, for the lowering: an integer-core rule by name, or one call of a kernel helper. */
export type Semantics =
  /** A lowering rule of `ir/lower-*.ts`, by name. */
  | { readonly kind: 'rule'; readonly rule: string }
  /** Kernel `helper(s, record)`; see `ir/ops.ts` HLP. */
  | { readonly kind: 'helper'; readonly id: number; readonly endsBlock: boolean }
  /** Kernel `vector(s, record)`: MMX, SSE, AES, SHA, PCLMUL. */
  | { readonly kind: 'vector'; readonly id: number }
  /** Kernel `x87(s, record)`. */
  | { readonly kind: 'x87'; readonly id: number }

export type Feature =
  | 'BASE'
  | 'X87'
  | 'MMX'
  | 'SSE'
  | 'SSE2'
  | 'SSE3'
  | 'SSSE3'
  | 'SSE41'
  | 'SSE42'
  | 'SSE4A'
  | 'AES'
  | 'PCLMUL'
  | 'SHA'
  | 'AVX'
  | 'AVX2'
  | 'FMA'
  | 'F16C'
  | 'VAES'
  | 'VPCLMUL'
  | 'BMI1'
  | 'BMI2'
  | 'ADX'
  | 'MOVBE'
  | 'POPCNT'
  | 'LZCNT'
  | 'CX8'
  | 'CX16'
  | 'RDRAND'
  | 'RDSEED'
  | 'FSGSBASE'
  | 'XSAVE'
  | 'SVM'
  | 'SYSTEM'
  | 'CLFSH'
  | 'RDTSCP'
  | 'RDPID'
  | 'INVPCID'
  | 'SMAP'
  | 'PKU'
  | 'MONITOR'
  | 'CLZERO'
  | 'CMOV'

export type Names = readonly [word: string, double: string, quad: string]

export interface RowOptions {
  /** CPUID feature that the row belongs to. */
  readonly feature?: Feature
  /** 'i64': #UD in 64-bit mode. 'o64': only in 64-bit mode. */
  readonly modes?: 'i64' | 'o64'
  /** Operand size in 64-bit mode: 'd64' defaults to 64 (66 gives 16), 'f64' is always 64 . */
  readonly size64?: 'd64' | 'f64'
  /** The mandatory 66 is the operand-size prefix as well. */
  readonly sizedBy66?: boolean
  /** LOCK is allowed (with a memory destination). */
  readonly lock?: boolean
  /** Meaning of F3/F2 where they are not part of the encoding: 'rep' or 'repcc'. */
  readonly rep?: 'rep' | 'repcc'
  /** SSE memory operand of 16 bytes need not be aligned. */
  readonly unaligned?: boolean
  /** The memory operand takes a vector register as its index (VSIB), of this size: 'x' as long as the instruction's vectors, or 'dq'. */
  readonly indexed?: 'x' | 'dq'
  /** Flags left undefined by the manual (letters of "CPAZSO"): not compared by the tests. */
  readonly undefinedFlags?: string
  /** Mnemonics with 16, 32 and 64 bits where the manual has one for each; `mnemonic` then names the family. */
  readonly names?: Names
  /** The address size chooses among `names`, not the operand size. */
  readonly namesBy?: 'address'
  /** The memory operand is only read, though it stands first, where a destination stands otherwise. */
  readonly reads?: boolean
  /** Bytes of a memory operand whose notation has no size, with operand size 16, 32 and 64: the segment must hold them all. Absent: 1. */
  readonly bytes?: readonly [word: number, double: number, quad: number]
  /** Privileged or otherwise not runnable in a user-mode oracle. */
  readonly system?: boolean
}

/**
 * `encoding`: words separated by blanks.
 *   NP 66 F3 F2      mandatory prefix (NP: none of the three). Without any of these words, 66/F3/F2 are ordinary prefixes.
 *   0F 0F38 0F3A     map; absent: one-byte map
 *   XX               opcode byte in hex; `XX+r` = eight opcodes with a register in the low three bits
 *   /r  /0../7       a ModRM byte follows (any reg field / this reg field)
 *   mem reg          only with a memory / register form of ModRM
 *   =XX              the ModRM byte has exactly this value
 *   W0 W1            REX.W clear / set
 *   VEX              a VEX encoding; VEX.L chooses vectors of 128 or 256 bits. VEX.L0 VEX.L1: L is so. VEX.LIG: L means nothing, vectors are of 128 bits
 * `operands`: Intel appendix A notation, comma-separated, destination first: Eb Ew Ed Eq Ev Ey Gb Gw Gd Gv Gy Ib Iw Iz Iv Is(sign-extended byte) Jb Jz
 *   M Mw Md Mq Mt(80 bits) Mdq Ob Ov Rv Ry Zb Zv(register in opcode) Sw Cy Dy Xb Xv Yb Yv, fixed AL CL AX DX eAX rAX 1 ES CS SS DS FS GS,
 *   Vx/Vq/Vd (XMM by ModRM.reg), Wx/Wq/Wd/Ww/Wb (XMM or memory of 16/8/4/2/1 bytes by ModRM.rm), Ux (XMM by rm), Pq Qq Qd Nq (MMX), By (VEX.vvvv),
 *   Hx (XMM or YMM by VEX.vvvv), Lx (the same by bits 7:4 of an immediate byte); of vectors x = 16 or 32 bytes by VEX.L, Wh/Wf/We a half, fourth, eighth of them,
 *   ST, STi (x87 stack top, stack register by rm).
 */
export interface OpcodeRow {
  readonly encoding: string
  readonly mnemonic: string
  readonly operands: string
  readonly semantics: Semantics
  readonly options: RowOptions
}

export function row(encoding: string, mnemonic: string, operands: string, semantics: Semantics, options: RowOptions = {}): OpcodeRow {
  return { encoding, mnemonic, operands, semantics, options }
}

export const rule = (name: string): Semantics => ({ kind: 'rule', rule: name })
export const helper = (id: number): Semantics => ({ kind: 'helper', id, endsBlock: false })
/** A helper after which control flow, mode or interrupt state may differ: the block ends. */
export const helperEnd = (id: number): Semantics => ({ kind: 'helper', id, endsBlock: true })
export const vector = (id: number): Semantics => ({ kind: 'vector', id })
export const x87 = (id: number): Semantics => ({ kind: 'x87', id })
