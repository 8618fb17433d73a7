// The first difference between two machines, for people.

import { Decoder, DECODED, type CodeSize } from '../../../src/silicon/core/decode/decoder.js'
import { disassemble } from '../../../src/silicon/core/decode/disassemble.js'
import { Instruction } from '../../../src/silicon/core/decode/instruction.js'
import { opcodeTable } from '../../../src/silicon/core/decode/opcodes.js'
import * as S from '../../../src/silicon/core/state/layout.js'
import type { Soc } from '../../../src/silicon/soc.js'
import type { FieldDifference } from './compared-state.js'

const SHOWN_MAX = 64
const PAGE_BYTES = 0x1000

export interface Place {
  readonly instructions: number
  readonly rip: bigint
}

export class LockstepDifference extends Error {
  /** `agreed`: where the machines last did. `at`: where they do not, by the translated one. */
  constructor(
    what: string,
    readonly agreed: Place,
    readonly at: Place,
    readonly fields: readonly FieldDifference[],
    code: readonly string[],
  ) {
    const lines = [
      what,
      `after ${at.instructions} instructions, RIP ${hex(at.rip, 8)} on the translating machine`,
      `last the same after ${agreed.instructions} instructions, RIP ${hex(agreed.rip, 8)}`,
      ...(fields.length > 0 ? ['', 'field: interpreted, translated'] : []),
      ...fields.map(({ name, interpreted, translated, bytes }) => `  ${name}: ${hex(interpreted, bytes)}, ${hex(translated, bytes)}`),
      ...(code.length > 0 ? ['', 'code from where they were last the same:'] : []),
      ...code.map((line) => `  ${line}`),
    ]
    super(lines.join('\n'))
  }
}

export const hex = (value: bigint, bytes: number): string => `0x${value.toString(16).padStart(2 * bytes, '0')}`

/** Code of at most `instructions` from RIP on, until its block ends or its page does; nothing where the core has forgotten the page. */
export function codeAt(soc: Soc, rip: bigint, instructions: number): string[] {
  const { kernel, cores } = soc.inside
  const { state } = cores[0]!
  const mode = kernel.view.getUint32(state + S.MODE, true)
  const size: CodeSize = (mode & S.MODE_CODE_MASK) === S.MODE_CODE64 ? 8 : (mode & S.MODE_CODE_MASK) === S.MODE_CODE32 ? 4 : 2
  const linear = size === 8 ? rip : BigInt.asUintN(32, kernel.view.getBigUint64(state + S.CS_BASE, true) + rip)
  const page = pageInTlb(kernel.view, state, linear)
  if (page < 0) return ['(its page is not at hand)']
  const bytes = new Uint8Array(kernel.view.buffer, page, PAGE_BYTES)
  const decoder = new Decoder(opcodeTable())
  const instruction = new Instruction()
  const lines: string[] = []
  let at = Number(linear & BigInt(PAGE_BYTES - 1))
  for (let n = 0; n < Math.min(instructions, SHOWN_MAX) && at < PAGE_BYTES; n++) {
    const here = rip + BigInt(at) - (linear & BigInt(PAGE_BYTES - 1))
    if (decoder.decode(bytes, at, PAGE_BYTES, size, instruction) !== DECODED) break
    const text = disassemble(instruction, size, here)
    const raw = Buffer.from(bytes.subarray(at, at + instruction.length)).toString('hex')
    lines.push(`${here.toString(16).padStart(16, '0')}  ${raw.padEnd(22)}  ${text}`)
    at += instruction.length
    if (/^(repz? |bnd )?(j|call|ret|loop|iret|sys(call|ret|enter|exit)|int|hlt)/.test(text)) break
  }
  return lines
}

/** Where the page of `linear` stands in linear memory by the core's TLB for instructions, or -1. */
function pageInTlb(view: DataView, s: number, linear: bigint): number {
  const page = Number((linear >> 12n) & 0xfffffn)
  const salt = linear >> 63n ? 0 : view.getUint32(s + S.SPACE, true) * S.SPACE_SPREAD
  const entry = s + S.TLB_EXEC + ((page ^ salt) & (S.TLB_EXEC_ENTRIES - 1)) * 16
  const tagged = view.getBigUint64(entry, true) & ~0xfffn
  if (tagged !== (linear & ~0xfffn)) return -1
  return (page * PAGE_BYTES + view.getUint32(entry + 8, true)) >>> 0
}
