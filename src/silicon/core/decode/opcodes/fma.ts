// FMA3 (AMD APM vol. 4, VFMADDPD and its kin). The name's digits say which operands are multiplied and which is added: 132 = first by third plus second,
// 213 = second by first plus third, 231 = second by third plus first.

import * as V from '../../ir/vector-ids.js'
import { row, vector, type OpcodeRow } from '../row.js'

/** High nibble of the opcode, in the order of V_FMA. */
const orders = [
  ['9', '132'],
  ['A', '213'],
  ['B', '231'],
] as const

/** Low nibbles of the packed and the scalar form, in the order of V_FMA. */
const operations = [
  ['8', '9', 'MADD'],
  ['A', 'B', 'MSUB'],
  ['C', 'D', 'NMADD'],
  ['E', 'F', 'NMSUB'],
  ['6', '', 'MADDSUB'],
  ['7', '', 'MSUBADD'],
] as const

const fma = { feature: 'FMA', unaligned: true } as const

export const fmaRows: readonly OpcodeRow[] = orders.flatMap(([high, order], o) =>
  operations.flatMap(([packed, scalar, operation], n) => {
    const id = V.V_FMA + o * 32 + n * 4
    const name = `VF${operation}${order}`
    const rows = [
      row(`VEX 66 0F38 ${high}${packed} /r W0`, `${name}PS`, 'Vx,Hx,Wx', vector(id), fma),
      row(`VEX 66 0F38 ${high}${packed} /r W1`, `${name}PD`, 'Vx,Hx,Wx', vector(id + 1), fma),
    ]
    if (scalar === '') return rows
    return [
      ...rows,
      row(`VEX.LIG 66 0F38 ${high}${scalar} /r W0`, `${name}SS`, 'Vx,Hx,Wd', vector(id + 2), fma),
      row(`VEX.LIG 66 0F38 ${high}${scalar} /r W1`, `${name}SD`, 'Vx,Hx,Wq', vector(id + 3), fma),
    ]
  }),
)
