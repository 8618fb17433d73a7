/**
 * What the fields of each IR operation mean: one table, read by the text form and the verifier. The operations themselves stand in ops.ts; a family
 * here is a run of them. Sizes are written as in ops.ts: 0 = 8, 1 = 16, 2 = 32, 3 = 64 bits.
 */

import * as op from './ops.js'

/**
 * A field of d, a, b: `r`, `w` or `rw` and the bytes of a register-file slot; or what else stands there.
 * `count`: instructions of the block. `return`: a and b together, the return offset of CALL.
 */
export type Field =
  | { readonly kind: 'slot'; readonly reads: boolean; readonly writes: boolean; /** 0: by the size in field c. */ readonly bytes: number }
  | { readonly kind: 'none' | 'number' | 'segment' | 'xmm' | 'count' | 'scale' | 'delta' | 'link' | 'helper' }

export interface Shape {
  readonly d: Field
  readonly a: Field
  readonly b: Field
  readonly c: Field
  readonly imm: Field
  readonly imm2: Field
  /** Largest value of a field c that is a number. */
  readonly cMax: number
  readonly writesFlags: boolean
  /** May raise an exception or leave the block before it is done. */
  readonly faults: boolean
  /** Ends the block. */
  readonly ends: boolean
  /** Followed by an extension record. */
  readonly extension: boolean
  /** General registers written beside d and a, by register-file offset. */
  readonly alsoWrites: readonly number[]
}

const none: Field = { kind: 'none' }
const number: Field = { kind: 'number' }

/** `w8` with %: the size of the family's member in bytes. */
function field(text: string, bytes: number): Field {
  const slot = /^(r|w|rw)(\d|%|c)$/.exec(text)
  if (!slot) return { kind: text as Exclude<Field['kind'], 'slot'> }
  const size = slot[2] === '%' ? bytes : slot[2] === 'c' ? 0 : Number(slot[2])
  return { kind: 'slot', reads: slot[1] !== 'w', writes: slot[1] !== 'r', bytes: size }
}

type FieldName = 'd' | 'a' | 'b' | 'c' | 'imm' | 'imm2'

/** `text`: words like `d:w%`, and `flags`, `faults`, `ends`, `extension`, `c<N`, `+OFFSET` (a register written besides). */
function shape(text: string, bytes: number): Shape {
  const fields: Record<string, Field> = {}
  const words = text.split(' ').filter((word) => word !== '')
  for (const word of words) {
    const [name, kind] = word.split(':')
    if (kind !== undefined) fields[name!] = field(kind, bytes)
  }
  const limit = words.find((word) => word.startsWith('c<'))
  if (limit) fields['c'] ??= number
  const of = (name: FieldName): Field => fields[name] ?? none
  return {
    d: of('d'),
    a: of('a'),
    b: of('b'),
    c: of('c'),
    imm: of('imm'),
    imm2: of('imm2'),
    cMax: limit ? Number(limit.slice(2)) - 1 : 255,
    writesFlags: words.includes('flags'),
    faults: words.includes('faults'),
    ends: words.includes('ends'),
    extension: words.includes('extension'),
    alsoWrites: words.filter((word) => word.startsWith('+')).map((word) => Number(word.slice(1))),
  }
}

const ANY = [1, 2, 4, 8]
const WIDE = [4, 8]
const COMPARED = [1, 4, 8]
const jump = 'c:count ends extension'

/** First operation, how many, the sizes that they go round, their shape. */
const families: readonly (readonly [first: number, last: number, sizes: readonly number[], text: string])[] = [
  [op.OP_ADD8, op.OP_XOR64, ANY, 'd:w% a:r% b:r% flags'],
  [op.OP_CMP8, op.OP_TEST64, ANY, 'a:r% b:r% flags'],
  [op.OP_ADDI8, op.OP_XORI64, ANY, 'd:w% a:r% imm:number flags'],
  [op.OP_CMPI8, op.OP_TESTI64, ANY, 'a:r% imm:number flags'],
  [op.OP_ADDN32, op.OP_XORN64, WIDE, 'd:w% a:r% b:r%'],
  [op.OP_ADDIN32, op.OP_XORIN64, WIDE, 'd:w% a:r% imm:number'],
  [op.OP_INC8, op.OP_NEG64, ANY, 'd:w% a:r% flags'],
  [op.OP_NOT8, op.OP_NOT64, ANY, 'd:w% a:r%'],
  [op.OP_SHLI8, op.OP_SARI64, ANY, 'd:w% a:r% imm:number flags'],
  [op.OP_SHL8, op.OP_SAR64, ANY, 'd:w% a:r% b:r1 flags'],
  [op.OP_SHLIN32, op.OP_SARIN64, WIDE, 'd:w% a:r% imm:number'],
  [op.OP_ROTATE, op.OP_ROTATE, ANY, 'd:wc a:rc b:r1 c<16 flags'],
  [op.OP_SHIFT_DOUBLE, op.OP_SHIFT_DOUBLE, ANY, 'd:wc a:rc b:rc c<8 flags'],
  [op.OP_MOV64, op.OP_MOV8, [8, 4, 2, 1], 'd:w% a:r%'],
  [op.OP_MOVI64, op.OP_MOVI64, ANY, 'd:w8 imm:number imm2:number'],
  [op.OP_MOVI64S, op.OP_MOVI64S, ANY, 'd:w8 imm:number'],
  [op.OP_MOVI32, op.OP_MOVI8, [4, 2, 1], 'd:w% imm:number'],
  [op.OP_ZX8, op.OP_ZX16, [1, 2], 'd:w8 a:r%'],
  [op.OP_SX8_32, op.OP_SX8_64, WIDE, 'd:w% a:r1'],
  [op.OP_SX16_32, op.OP_SX16_64, WIDE, 'd:w% a:r2'],
  [op.OP_SX32_64, op.OP_SX32_64, ANY, 'd:w8 a:r4'],
  [op.OP_SX8_16, op.OP_ZX8_16, [2], 'd:w2 a:r1'],
  [op.OP_XCHG8, op.OP_XCHG64, ANY, 'd:rw% a:rw%'],
  [op.OP_LEA_BD, op.OP_LEA_BD, ANY, 'd:w8 a:r8 imm:number'],
  [op.OP_LEA_BIS, op.OP_LEA_BIS, ANY, 'd:w8 a:r8 b:r8 c:scale imm:number'],
  [op.OP_LEA32_BD, op.OP_LEA32_BD, ANY, 'd:w4 a:r8 imm:number'],
  [op.OP_LEA32_BIS, op.OP_LEA32_BIS, ANY, 'd:w4 a:r8 b:r8 c:scale imm:number'],
  [op.OP_SEGMENT, op.OP_SEGMENT, ANY, 'd:w8 a:r8 b:segment c:number imm:number imm2:number faults'],
  [op.OP_CANONICAL, op.OP_CANONICAL, ANY, 'a:r8 imm:number faults'],
  [op.OP_LD_Z8_BD, op.OP_LD_Z64_BD, [8], 'd:w8 a:r8 imm:number faults'],
  [op.OP_LD_S8_32_BD, op.OP_LD_S16_64_BD, WIDE, 'd:w% a:r8 imm:number faults'],
  [op.OP_LD_S32_64_BD, op.OP_LD_S32_64_BD, ANY, 'd:w8 a:r8 imm:number faults'],
  [op.OP_LD_P8_BD, op.OP_LD_P16_BD, [1, 2], 'd:w% a:r8 imm:number faults'],
  [op.OP_LD_S8_16_BD, op.OP_LD_S8_16_BD, ANY, 'd:w2 a:r8 imm:number faults'],
  [op.OP_LD_Z8_BIS, op.OP_LD_Z64_BIS, [8], 'd:w8 a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_LD_S8_32_BIS, op.OP_LD_S16_64_BIS, WIDE, 'd:w% a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_LD_S32_64_BIS, op.OP_LD_S32_64_BIS, ANY, 'd:w8 a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_LD_P8_BIS, op.OP_LD_P16_BIS, [1, 2], 'd:w% a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_LD_S8_16_BIS, op.OP_LD_S8_16_BIS, ANY, 'd:w2 a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_ST8_BD, op.OP_ST64_BD, ANY, 'd:r% a:r8 imm:number faults'],
  [op.OP_ST8_BIS, op.OP_ST64_BIS, ANY, 'd:r% a:r8 b:r8 c:scale imm:number faults'],
  [op.OP_STI8, op.OP_STI64, ANY, 'a:r8 imm:number imm2:number faults'],
  [op.OP_LDW8, op.OP_LDW64, ANY, 'd:w8 a:r8 faults'],
  [op.OP_PUSH64, op.OP_PUSH64, ANY, 'a:r8 faults +0x20'],
  [op.OP_PUSHI64, op.OP_PUSHI64, ANY, 'imm:number faults +0x20'],
  [op.OP_POP64, op.OP_POP64, ANY, 'd:w8 faults +0x20'],
  [op.OP_CALL, op.OP_CALL, ANY, 'a:number b:number c:count imm:delta imm2:link faults ends +0x20'],
  [op.OP_CALLI, op.OP_CALLI, ANY, 'a:r8 b:number c:count imm:number faults ends +0x20'],
  [op.OP_RET, op.OP_RET, ANY, 'b:number c:count imm:number faults ends +0x20'],
  [op.OP_JMP, op.OP_JMP, ANY, 'c:count imm:delta imm2:link ends'],
  [op.OP_JMPI, op.OP_JMPI, ANY, 'd:number a:r8 b:number c:count faults ends'],
  [op.OP_NEXT, op.OP_NEXT, ANY, 'c:count imm:delta imm2:link ends'],
  [op.OP_JO, op.OP_JG, ANY, jump],
  [op.OP_CMPJ_B_8, op.OP_CMPJ_G_64, COMPARED, `a:r% b:r% flags ${jump}`],
  [op.OP_CMPIJ_B_8, op.OP_CMPIJ_G_64, COMPARED, `a:r% imm:number flags ${jump}`],
  [op.OP_TESTJ_E_8, op.OP_TESTJ_NS_64, COMPARED, `a:r% b:r% flags ${jump}`],
  [op.OP_TESTIJ_E_8, op.OP_TESTIJ_NS_64, COMPARED, `a:r% imm:number flags ${jump}`],
  [op.OP_JZ_SLOT, op.OP_JNZ_SLOT, [8], `d:number a:r8 ${jump}`],
  [op.OP_SETO, op.OP_SETG, [1], 'd:w1'],
  [op.OP_CMOV16, op.OP_CMOV64, [2, 4, 8], 'd:rw% a:r% c<16'],
  [op.OP_IMUL16, op.OP_IMUL64, [2, 4, 8], 'd:w% a:r% b:r% flags'],
  [op.OP_MULTIPLY, op.OP_MULTIPLY, ANY, 'a:rc c<8 flags +0x00 +0x10'],
  [op.OP_DIVIDE, op.OP_DIVIDE, ANY, 'a:rc c<8 flags faults +0x00 +0x10'],
  [op.OP_BIT, op.OP_BIT, ANY, 'd:rwc b:r8 c<16 flags'],
  [op.OP_SCAN, op.OP_SCAN, ANY, 'd:rwc a:rc c<20 flags'],
  [op.OP_BSWAP32, op.OP_BSWAP64, WIDE, 'd:rw%'],
  [op.OP_SIGN, op.OP_SIGN, ANY, 'c<4 +0x10'],
  [op.OP_FLAG, op.OP_FLAG, ANY, 'imm:number flags +0x00'],
  [op.OP_MULTIPLY_APART, op.OP_MULTIPLY_APART, ANY, 'd:wc a:rc b:wc c<4'],
  [op.OP_ADD_CARRY, op.OP_ADD_CARRY, ANY, 'd:rwc a:rc c<8 flags'],
  [op.OP_BMI, op.OP_BMI, ANY, 'd:wc a:rc b:rc c<48 imm:number flags'],
  [op.OP_RAISE, op.OP_RAISE, ANY, 'd:number a:number imm2:number faults ends'],
  [op.OP_HLP, op.OP_X87, ANY, 'd:number a:number b:number c:number imm:helper imm2:number faults'],
  [op.OP_VMOV, op.OP_VMOV, ANY, 'd:xmm a:xmm'],
  [op.OP_VLD_BD, op.OP_VST_BD, ANY, 'd:xmm a:r8 c<2 imm:number faults'],
  [op.OP_LEAVE, op.OP_LEAVE, ANY, 'faults ends'],
  [op.OP_PROFILE, op.OP_PROFILE, ANY, 'imm:number'],
  [op.OP_REGION, op.OP_REGION, ANY, 'imm:number imm2:number'],
]

/** Shape of each operation, by code. */
export const shapes: readonly Shape[] = compile()

function compile(): Shape[] {
  const found: Shape[] = []
  for (const [first, last, sizes, text] of families) {
    for (let code = first; code <= last; code++) found[code] = shape(text, sizes[(code - first) % sizes.length]!)
  }
  for (let code = 0; code < op.OP_COUNT; code++) if (!found[code]) throw new Error(`fields.ts says nothing of operation ${code}`)
  return found
}

/** One record as its fields; `offset` and `index` are the halves of x. */
export interface IrFields {
  readonly op: number
  readonly d: number
  readonly a: number
  readonly b: number
  readonly c: number
  readonly offset: number
  readonly index: number
  readonly imm: number
  readonly imm2: number
}

/** Reads the record of four words at `at` (in words). */
export function fieldsAt(words: Int32Array, at: number): IrFields {
  const [first, second] = [words[at]!, words[at + 1]!]
  return {
    op: first & 0xffff,
    d: (first >>> 16) & 0xff,
    a: first >>> 24,
    b: second & 0xff,
    c: (second >>> 8) & 0xff,
    offset: (second >>> 16) & 0x3ff,
    index: second >>> 26,
    imm: words[at + 2]!,
    imm2: words[at + 3]!,
  }
}

/** Bytes of a slot field: its own, or the size in the low bits of field c. */
export const slotBytes = (record: IrFields, slot: { readonly bytes: number }): number => slot.bytes || 1 << (record.c & 3)

/** Bytes of guest memory of the loads OP_LD_Z8_BD …, in their order. */
const loadBytes = [1, 2, 4, 8, 1, 1, 2, 2, 4, 1, 2, 1]

/** What a load or store asks of memory; undefined for operations that are none. LDW asks for a store. */
export function accessOf(code: number): { readonly bytes: number; readonly write: boolean; readonly indexed: boolean } | undefined {
  if (code < op.OP_LD_Z8_BD || code > op.OP_LDW64) return undefined
  if (code < op.OP_ST8_BD) {
    return { bytes: loadBytes[(code - op.OP_LD_Z8_BD) % loadBytes.length]!, write: false, indexed: code >= op.OP_LD_Z8_BIS }
  }
  return { bytes: 1 << ((code - op.OP_ST8_BD) & 3), write: true, indexed: code >= op.OP_ST8_BIS && code <= op.OP_ST64_BIS }
}
