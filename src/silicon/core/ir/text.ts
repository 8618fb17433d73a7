/**
 * The text form of a block's records, one line each, and its parser. An example:
 *
 *   @0#0 add64 rax, rbx, rcx
 *   @3#1 ld_z32_bd t1, rsi, 16
 *   @6#2 hlp cpuid/2, d 0, a 0, b 4, c 128
 *   @8#3 je 4
 *     -> 32 link 0 else 10 link 0
 *
 * `@pc offset in the block#index of the instruction`, the operation (ops.ts, in lower case without OP_), then its fields in the order d, a, b, c, imm, imm2,
 * as far as the operation has them (fields.ts). Slots go by name: rax, ah, t0, fs_base, zero, pc. Fields that an operation does not have are zero; where one
 * is not, it follows as `name!value`. The line `->` is the extension record of a conditional branch. `;` begins a comment.
 */

import * as S from '../state/layout.js'
import { type Field, fieldsAt, type IrFields, shapes } from './fields.js'
import * as helperIds from './helper-ids.js'
import * as ops from './ops.js'
import * as vectorIds from './vector-ids.js'
import * as x87Ids from './x87-ids.js'

const WORDS = 4

/** Names of the constants with `prefix`, by value, from the module that declares them. */
function namesOf(module: object, prefix: string, not: RegExp): Map<number, string> {
  const found = new Map<number, string>()
  for (const [name, value] of Object.entries(module) as [string, unknown][]) {
    if (name.startsWith(prefix) && !not.test(name) && typeof value === 'number') found.set(value, name.slice(prefix.length).toLowerCase())
  }
  return found
}

export const opNames: ReadonlyMap<number, string> = namesOf(ops, 'OP_', /^OP_COUNT$/)
const helperNames = namesOf(helperIds, 'H_', /^H_NONE$/)
const vectorNames = namesOf(vectorIds, 'V_', /_END$|^V_END$|^V_MMX$|^V_VEX$|^V_AVX$|^V_FMA$/)
const x87Names = namesOf(x87Ids, 'X87_', /^$/)

const inverse = (names: ReadonlyMap<number, string>): Map<string, number> => new Map([...names].map(([value, name]) => [name, value]))
const opCodes = inverse(opNames)

// ---- slots

const slotNames = nameSlots()
const slotCodes = inverse(slotNames)

function nameSlots(): Map<number, string> {
  const general = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi']
  const found = new Map<number, string>()
  for (let n = 0; n < 16; n++) found.set(S.RAX + n * 8, general[n] ?? `r${n}`)
  ;['ah', 'ch', 'dh', 'bh'].forEach((name, n) => found.set(S.RAX + n * 8 + 1, name))
  ;[S.T0, S.T1, S.T2, S.T3, S.T4, S.T5, S.T6, S.T7].forEach((at, n) => found.set(at, `t${n}`))
  ;['es', 'cs', 'ss', 'ds', 'fs', 'gs'].forEach((name, n) => found.set(S.SEG_BASE + n * 8, `${name}_base`))
  return found.set(S.ZERO, 'zero').set(S.PC, 'pc')
}

/** Name of a register-file offset; `[n]` where it has none. */
export const slotName = (at: number): string => slotNames.get(at) ?? `[${at}]`

// ---- helper ids: id | length << 16, written name/length

const tables: Readonly<Record<number, ReadonlyMap<number, string>>> = {
  [ops.OP_HLP]: helperNames,
  [ops.OP_VEC]: vectorNames,
  [ops.OP_X87]: x87Names,
}
const codes: Readonly<Record<number, ReadonlyMap<string, number>>> = {
  [ops.OP_HLP]: inverse(helperNames),
  [ops.OP_VEC]: inverse(vectorNames),
  [ops.OP_X87]: inverse(x87Names),
}

/** Name of the kernel function that a HLP, VEC or X87 record calls, or undefined where there is none. */
export function helperName(op: number, id: number): string | undefined {
  if (op === ops.OP_VEC && id >= vectorIds.V_VEX && id < vectorIds.V_AVX) {
    const twin = id - vectorIds.V_VEX
    return twin < vectorIds.V_MMX ? `vex.${vectorNames.get(twin)!}` : undefined
  }
  if (op === ops.OP_VEC && id >= vectorIds.V_MMX && id < vectorIds.V_VEX) {
    const twin = id - vectorIds.V_MMX
    return twin < vectorIds.V_TWIN_END ? `mmx.${vectorNames.get(twin)!}` : undefined
  }
  const own = tables[op]!.get(id)
  if (own !== undefined || op !== ops.OP_HLP) return own
  const segment = id - helperIds.H_LOAD_POINTER
  return segment > 0 && segment < 6 ? `load_pointer.${segment}` : undefined
}

function helperId(op: number, name: string): number | undefined {
  const [head, tail] = name.split('.')
  if (head === 'vex' && tail !== undefined) return vectorIds.V_VEX + (codes[op]!.get(tail) ?? NaN)
  if (head === 'mmx' && tail !== undefined) return vectorIds.V_MMX + (codes[op]!.get(tail) ?? NaN)
  if (head === 'load_pointer' && tail !== undefined) return helperIds.H_LOAD_POINTER + Number(tail)
  return codes[op]!.get(name)
}

// ---- records to text

const fieldNames = ['d', 'a', 'b', 'c', 'imm', 'imm2'] as const
type FieldName = (typeof fieldNames)[number]

function fieldText(record: IrFields, name: FieldName, kind: Field): string {
  const value = record[name]
  switch (kind.kind) {
    case 'slot':
      return slotName(value)
    case 'helper':
      return `${helperName(record.op, value & 0xffff) ?? value & 0xffff}/${value >>> 16}`
    case 'xmm':
      return `xmm${value}`
    default:
      return isCall(record.op) ? `${name} ${value}` : String(value)
  }
}

const isCall = (op: number): boolean => op >= ops.OP_HLP && op <= ops.OP_X87

/** Calls name their function first. */
const orderOf = (op: number): readonly FieldName[] => (isCall(op) ? ['imm', 'd', 'a', 'b', 'c', 'imm2'] : fieldNames)

function recordText(record: IrFields): string {
  const shape = shapes[record.op]
  if (!shape) return `@${record.offset}#${record.index} ${record.op}`
  const order = orderOf(record.op)
  const shown = order.filter((name) => shape[name].kind !== 'none').map((name) => fieldText(record, name, shape[name]))
  const extra = order.filter((name) => shape[name].kind === 'none' && record[name] !== 0).map((name) => `${name}!${record[name]}`)
  const fields = [...shown, ...extra].join(', ')
  return `@${record.offset}#${record.index} ${opNames.get(record.op)!}${fields && ' '}${fields}`
}

/** The text of `count` records. */
export function blockText(words: Int32Array, count: number): string {
  const lines: string[] = []
  for (let n = 0; n < count; n++) {
    const record = fieldsAt(words, n * WORDS)
    lines.push(recordText(record))
    if (!shapes[record.op]?.extension || n + 1 >= count) continue
    const at = ++n * WORDS
    lines.push(`  -> ${words[at]!} link ${words[at + 1]!} else ${words[at + 2]!} link ${words[at + 3]!}`)
  }
  return lines.join('\n') + '\n'
}

// ---- text to records

export class IrSyntaxError extends Error {
  constructor(line: number, reason: string) {
    super(`IR text, line ${line}: ${reason}`)
  }
}

class Line {
  constructor(
    private readonly text: string,
    private readonly line: number,
  ) {}

  fail(reason: string): never {
    throw new IrSyntaxError(this.line, reason)
  }

  number(text: string | undefined, min: number, max: number): number {
    const value = text !== undefined && /^-?\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) this.fail(`${text ?? 'nothing'} is no number from ${min} to ${max}`)
    return value
  }

  words(): number[] {
    const extension = /^->\s+(\S+)\s+link\s+(\S+)\s+else\s+(\S+)\s+link\s+(\S+)$/.exec(this.text)
    if (extension) return extension.slice(1).map((text) => this.number(text, -0x80000000, 0x7fffffff))
    return this.record()
  }

  private record(): number[] {
    const found = /^@(\d+)#(\d+)\s+(\w+)\s*(.*)$/.exec(this.text) ?? this.fail('a record begins with @offset#index and an operation')
    const op = opCodes.get(found[3]!) ?? this.fail(`no operation ${found[3]!}`)
    const shape = shapes[op]!
    const values: Record<FieldName, number> = { d: 0, a: 0, b: 0, c: 0, imm: 0, imm2: 0 }
    const tokens = found[4] === '' ? [] : found[4]!.split(',').map((token) => token.trim())
    for (const name of orderOf(op)) {
      if (shape[name].kind === 'none') continue
      values[name] = this.value(op, name, shape[name], tokens.shift() ?? this.fail(`${found[3]!} needs field ${name}`))
    }
    for (const token of tokens) {
      const extra = /^(d|a|b|c|imm|imm2)!(-?\d+)$/.exec(token) ?? this.fail(`${found[3]!} has no field for ${token}`)
      values[extra[1] as FieldName] = this.plain(extra[1] as FieldName, extra[2]!)
    }
    const x = this.number(found[1], 0, 0x3ff) | (this.number(found[2], 0, 0x3f) << 10)
    return [op | (values.d << 16) | (values.a << 24), values.b | (values.c << 8) | (x << 16), values.imm, values.imm2]
  }

  private plain(name: FieldName, text: string): number {
    return name.startsWith('imm') ? this.number(text, -0x80000000, 0x7fffffff) : this.number(text, 0, 255)
  }

  private value(op: number, name: FieldName, kind: Field, token: string): number {
    switch (kind.kind) {
      case 'slot': {
        const unnamed = /^\[(\d+)\]$/.exec(token)
        return slotCodes.get(token) ?? (unnamed ? this.number(unnamed[1], 0, 255) : this.fail(`no slot ${token}`))
      }
      case 'helper': {
        const [text = '', length] = token.split('/')
        const id = /^\d+$/.test(text) ? this.number(text, 0, 0xffff) : helperId(op, text)
        if (id === undefined || Number.isNaN(id)) return this.fail(`no kernel function ${text}`)
        return id | (this.number(length, 0, 0xffff) << 16)
      }
      case 'xmm':
        return this.plain(name, token.replace(/^xmm/, ''))
      default:
        return this.plain(name, isCall(op) ? token.replace(new RegExp(`^${name} `), '') : token)
    }
  }
}

/** Reads the text form. Throws IrSyntaxError. */
export function parseBlock(text: string): { words: Int32Array; count: number } {
  const words: number[] = []
  text.split('\n').forEach((line, n) => {
    const bare = line.replace(/;.*$/, '').trim()
    if (bare !== '') words.push(...new Line(bare, n + 1).words())
  })
  return { words: Int32Array.from(words), count: words.length / WORDS }
}
