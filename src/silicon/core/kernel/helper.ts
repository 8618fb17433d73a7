// HLP records, by range of ids (ir/helper-ids.ts).

import { H_MOVS, H_SCAS, H_ENTER, H_LEAVE, H_NEAR_CALL, H_POP_MEMORY, H_PUSHA } from '../ir/helper-ids'
import { rec_imm16 } from './fault'
import { odds_helper } from './odds'
import { stack_helper } from './stack'
import { string_operation } from './strings'
import { svm_helper } from './svm'
import { system_helper } from './system'
import { xsave_helper } from './xsave'

const SYSTEM_FIRST: u32 = 40
const SVM_FIRST: u32 = 140
const XSAVE_FIRST: u32 = 180

// @ts-ignore: decorator
@inline
function within(id: u32, first: u32, last: u32): bool {
  return id >= first && id <= last
}

export function helper(s: usize, rec: usize): u32 {
  const id = rec_imm16(rec)
  if (within(id, H_MOVS, H_SCAS)) return string_operation(s, rec)
  if (within(id, H_NEAR_CALL, H_LEAVE) || within(id, H_PUSHA, H_POP_MEMORY) || id == H_ENTER) return stack_helper(s, rec)
  if (id < SYSTEM_FIRST) return odds_helper(s, rec)
  if (id < SVM_FIRST) return system_helper(s, rec, id)
  if (id < XSAVE_FIRST) return svm_helper(s, rec, id)
  return xsave_helper(s, rec, id)
}
