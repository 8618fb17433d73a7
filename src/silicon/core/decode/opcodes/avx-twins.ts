// VEX forms of the SSE and AES instructions (AMD APM vol. 4, each under the name of its legacy form), made from the legacy rows: same opcode, mandatory
// prefix and name with V before it. What differs is stated by form in the table below: operands, and whether VEX.L chooses the size.

import * as V from '../../ir/vector-ids.js'
import { row, vector, type Feature, type OpcodeRow } from '../row.js'
import { cryptoRows } from './crypto.js'
import { sseRows } from './sse.js'

/** Encoding word, and the operands as they follow from the legacy ones. */
interface Form {
  readonly vex: 'VEX' | 'VEX.L0' | 'VEX.L1' | 'VEX.LIG'
  readonly operands: string
  /** Restricts ModRM, where the legacy row does not and the VEX form has two rows. */
  readonly only?: 'mem' | 'reg'
  /** VEX.W, where the form has a row for each; that of W1 is named by the operand of 64 bits and exists in 64-bit mode alone. */
  readonly w?: 0 | 1
}

const any = (operands: string): readonly Form[] => [{ vex: 'VEX', operands }]
const short = (operands: string): readonly Form[] => [{ vex: 'VEX.L0', operands }]
const scalar = (operands: string): readonly Form[] => [{ vex: 'VEX.LIG', operands }]

/**
 * By mnemonic and operands of the legacy row; the first that matches counts. $1 … in operands are groups of the pattern. Where the legacy destination is a
 * source as well, VEX.vvvv is that source.
 */
const forms: readonly (readonly [RegExp, readonly Form[]])[] = [
  // no VEX form, or one of another opcode (avx.ts)
  [/^(SHA|CRC32|EXTRQ|INSERTQ|MOVNTS|MOVNTI|P?BLENDV|CVT\w*PI|CLFLUSH|CLWB)/, []],
  // moves
  [
    /^MOVS([SD]) Vx,W(.)/,
    [
      { vex: 'VEX.LIG', operands: 'Vx,M$2', only: 'mem' },
      { vex: 'VEX.LIG', operands: 'Vx,Hx,Ux', only: 'reg' },
    ],
  ],
  [
    /^MOVS([SD]) W(.),Vx/,
    [
      { vex: 'VEX.LIG', operands: 'M$2,Vx', only: 'mem' },
      { vex: 'VEX.LIG', operands: 'Ux,Hx,Vx', only: 'reg' },
    ],
  ],
  [/^MOV[LH]P[SD] Vx,(Mq)/, short('Vx,Hx,$1')],
  [/^MOV(HL|LH)PS/, short('Vx,Hx,Ux')],
  [/^MOV[LH]P[SD] Mq,Vx/, short('Mq,Vx')],
  [
    /^MOVDDUP/,
    [
      { vex: 'VEX.L0', operands: 'Vx,Wq' },
      { vex: 'VEX.L1', operands: 'Vx,Wx' },
    ],
  ],
  [/^MOVNT\w+ Mdq,Vx/, any('Mx,Vx')],
  [/^(MOVNTDQA|LDDQU)/, any('Vx,Mx')],
  [/^(MOV[DQ]|MASKMOVDQU) (.*)$/, short('$2')],
  [/^(MOV[AU]P[SD]|MOVDQ[AU]|MOVS[LH]DUP|MOVMSKP[SD]|PMOVMSKB) (.*)$/, any('$2')],
  [
    /^PEXTRD/,
    [
      { vex: 'VEX.L0', operands: 'Ed,Vx,Ib', w: 0 },
      { vex: 'VEX.L0', operands: 'Eq,Vx,Ib', w: 1 },
    ],
  ],
  // one source
  [/^(AESIMC|AESKEYGENASSIST|PHMINPOSUW|PCMP.STR.|PEXTR[BW]|EXTRACTPS|LDMXCSR|STMXCSR) (.*)$/, short('$2')],
  [/^(PSHUFD|PSHUF[LH]W|PABS.|PTEST|(?:SQRT|RSQRT|RCP|ROUND)P[SD]|CVTT?(?:DQ2PS|PS2DQ)) (.*)$/, any('$2')],
  [/^PMOV[SZ]X(BW|WD|DQ)/, any('Vx,Wh')],
  [/^PMOV[SZ]X(BD|WQ)/, any('Vx,Wf')],
  [/^PMOV[SZ]XBQ/, any('Vx,We')],
  [/^CVT(DQ|PS)2PD/, any('Vx,Wh')],
  [/^CVT(PD2PS|T?PD2DQ)/, any('Vdq,Wx')],
  [/^(U?COMIS[SD]|CVTT?S[SD]2SI) (.*)$/, scalar('$2')],
  // two sources
  [
    /^PINSRD/,
    [
      { vex: 'VEX.L0', operands: 'Vx,Hx,Ed,Ib', w: 0 },
      { vex: 'VEX.L0', operands: 'Vx,Hx,Eq,Ib', w: 1 },
    ],
  ],
  [/^PINSR[BW] Vx,(.*)$/, short('Vx,Hx,$1')],
  [/^(INSERTPS|DPPD) Vx,(.*)$/, short('Vx,Hx,$2')],
  [/^((?:ADD|SUB|MUL|DIV|MIN|MAX|CMP|SQRT|RSQRT|RCP|ROUND)S[SD]|CVT(?:SI|SS|SD)2S[SD]) Vx,(.*)$/, scalar('Vx,Hx,$2')],
  [/^PS(RL|RA|LL)\w+ Ux,Ib/, any('Hx,Ux,Ib')],
  [/^PS(RL|RA|LL)[WDQ] Vx,Wx/, any('Vx,Hx,Wdq')],
  [/^\w+ Vx,(Wx(?:,Ib)?)$/, any('Vx,Hx,$1')],
]

/** The 256-bit forms of integer instructions are AVX2's, those of AES and PCLMULQDQ have features of their own. */
function featureOf(legacy: OpcodeRow, vex: Form['vex']): Feature {
  const { feature } = legacy.options
  if (feature === 'PCLMUL') return 'VPCLMUL'
  if (vex === 'VEX' && feature === 'AES') return 'VAES'
  return vex === 'VEX' && /^(P|MPSADBW|MOVNTDQA)/.test(legacy.mnemonic) ? 'AVX2' : 'AVX'
}

function twins(legacy: OpcodeRow): readonly OpcodeRow[] {
  const { semantics, mnemonic, operands, encoding, options } = legacy
  if (semantics.kind !== 'vector') return []
  const notation = `${mnemonic} ${operands}`
  const found = forms.find(([pattern]) => pattern.test(notation))
  if (!found) throw new Error(`opcode table: no VEX form stated for ${notation}`)
  const [pattern, list] = found
  return list.map(({ vex, operands: form, only, w }) => {
    const text = pattern.exec(notation)![0].replace(pattern, form)
    const words = [vex, encoding, ...(only ? [only] : []), ...(w === undefined ? [] : [`W${w}`])]
    return row(words.join(' '), `V${mnemonic}`, text, vector(V.V_VEX + semantics.id), {
      feature: featureOf(legacy, vex),
      unaligned: true,
      ...(w === 1 && { modes: 'o64' as const }),
      ...(options.names && { names: [`V${options.names[0]}`, `V${options.names[1]}`, `V${options.names[2]}`] as const }),
      ...(options.reads && { reads: true }),
    })
  })
}

export const avxTwinRows: readonly OpcodeRow[] = [...sseRows, ...cryptoRows].flatMap(twins)
