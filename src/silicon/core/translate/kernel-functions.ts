/** Functions of the core kernel that regions call, in the order of their places in the table and of their types. */

import { F64, type FunctionType, I32, I64 } from '../../../lib/wasm-encoder.js'

export const F_RECORD = 0
export const F_MATERIALIZE = 1
export const F_CONDITION = 2
export const F_CARRY = 3
export const F_VECTOR = 4
export const F_X87 = 5
export const F_FLOAT = 6
export const F_FMA = 7
export const F_CALL = 8
export const F_PLACE = 9

export const kernelFunctions: readonly { readonly name: string; readonly type: FunctionType }[] = [
  { name: 'execute_record', type: { parameters: [I32, I32], results: [I32] } },
  { name: 'materialize', type: { parameters: [I32, I32, I64, I64, I64], results: [] } },
  { name: 'condition_on', type: { parameters: [I32, I32, I64, I64, I64, I32], results: [I32] } },
  { name: 'carry_on', type: { parameters: [I32, I32, I64, I64, I64], results: [I64] } },
  { name: 'vector', type: { parameters: [I32, I32], results: [I32] } },
  { name: 'x87', type: { parameters: [I32, I32], results: [I32] } },
  { name: 'slow_float', type: { parameters: [I32, I32], results: [I32] } },
  { name: 'quick_fma', type: { parameters: [F64, F64, F64], results: [F64] } },
  { name: 'call_region', type: { parameters: [I32, I64], results: [I32] } },
  { name: 'place', type: { parameters: [I32, I64, I32, I32], results: [I32] } },
]

/** The table that regions call them through; `exported` are the core kernel's exports. */
export function kernelFunctionTable(exported: Readonly<Record<string, unknown>>): WebAssembly.Table {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: kernelFunctions.length })
  kernelFunctions.forEach(({ name }, n) => table.set(n, exported[name]))
  return table
}

/** Type of a region function: entry → R_*. */
export const regionType = { parameters: [I32], results: [I32] } as const
