// Records what a #VMEXIT will report; the exit itself is completed by svm_leave (svm-exit.ts), at an instruction boundary of the run loop.

import { FAULT, FAULT_PENDING, FAULT_VMEXIT, GUEST_MODE } from '../state/layout'
import {
  SVM_EXITCODE, SVM_EXITINFO1, SVM_EXITINFO2, SVM_INTERCEPTS, SVM_NRIP, SVM_PENDING, SVM_PENDING_BYTES, SVM_PENDING_EXIT,
} from './svm-state'
import { NPF_HIGH_FINAL, NPF_HIGH_TABLE, VMEXIT_NPF } from '../../../spec/svm/exit-codes'

/** Does the running guest's VMCB intercept exit code `code` (00h to bfh)? False in host mode. */
export function intercepts(s: usize, code: u32): bool {
  if (!load<u32>(s, GUEST_MODE)) return false
  return ((load<u32>(s + SVM_INTERCEPTS + (code >> 5) * 4) >> (code & 31)) & 1) != 0
}

/** Notes exit code and information; the first exit recorded stands. */
export function record_exit(s: usize, code: i64, info1: u64, info2: u64, nrip: u64, bytes: bool): void {
  if (load<u32>(s, SVM_PENDING)) return
  store<i64>(s, code, SVM_EXITCODE)
  store<u64>(s, info1, SVM_EXITINFO1)
  store<u64>(s, info2, SVM_EXITINFO2)
  store<u64>(s, nrip, SVM_NRIP)
  store<u32>(s, bytes ? SVM_PENDING_EXIT | SVM_PENDING_BYTES : SVM_PENDING_EXIT, SVM_PENDING)
}

/**
 * A nested page fault (APM vol. 2, 24593, section 15.25.6): `error` is EXITINFO1 bits 31:0; bit 32 says that the final address faulted,
 * bit 33 that a guest page table did. Always exits. Instruction bytes are supplied except for fetches.
 */
export function svm_npf(s: usize, error: u32, finalAddress: bool, gpa: u64, fetch: bool): void {
  if (load<u32>(s, FAULT)) return
  const high: u64 = finalAddress ? NPF_HIGH_FINAL : NPF_HIGH_TABLE
  record_exit(s, VMEXIT_NPF, (high << 32) | error, gpa, 0, !fetch)
  store<u32>(s, FAULT_PENDING | FAULT_VMEXIT, FAULT)
}
