// What comes into a guest between two instructions: injected events (APM vol. 2, 24593, section 15.20), virtual interrupts
// (section 15.21) and the physical interrupt that takes the processor back to the host (section 15.13.1).

import { EFLAGS, EVENT_INJECT, EVENT_INTERRUPT, EVENTS, GIF, GUEST_MODE, PC, SHADOW } from '../state/layout'
import { SVM_EVENTINJ, SVM_EVENTINJ_NRIP, SVM_HOST, SVM_HOST_IF, SVM_V_INTR } from './svm-state'
import {
  EVENT_ERROR_VALID, EVENT_TYPE_EXCEPTION, EVENT_TYPE_INTR, EVENT_TYPE_SHIFT, EVENT_TYPE_SOFTWARE, EVENT_VECTOR_MASK, V_IGN_TPR, V_INTR_MASKING,
  V_INTR_PRIO_SHIFT, V_IRQ,
} from '../../../spec/svm/vmcb'
import { VMEXIT_INTR, VMEXIT_VINTR } from '../../../spec/svm/exit-codes'
import { FLAG_IF } from '../../../spec/x86/flags'
import { R_NEXT } from '../ir/results'
import { deliver_event } from './exception'
import { intercepts, record_exit } from './svm-record'
import { svm_leave, virtual_tpr } from './svm-exit'

/** Before an instruction of the guest, with PC exact: R_NEXT, R_JUMP when an event has been delivered, R_EXIT after a #VMEXIT. */
export function svm_events(s: usize): u32 {
  const events = load<u32>(s, EVENTS)
  if (events & EVENT_INJECT) {
    store<u32>(s, events & ~EVENT_INJECT, EVENTS)
    return inject(s)
  }
  store<u32>(s, events & ~EVENT_INTERRUPT, EVENTS)
  if (!virtual_interrupt_ready(s)) return R_NEXT
  if (intercepts(s, VMEXIT_VINTR)) {
    record_exit(s, VMEXIT_VINTR, 0, 0, 0, false)
    return svm_leave(s)
  }
  const control = load<u64>(s, SVM_V_INTR)
  store<u64>(s, control & ~<u64>V_IRQ, SVM_V_INTR)
  return deliver_event(s, <u32>(control >> 32) & 0xff, EVENT_TYPE_INTR, false, 0, load<u64>(s, PC))
}

/**
 * EVENTINJ. Intercepts are not looked at. A software interrupt, and INT3 and INTO as exceptions, return to the nRIP that the VMCB
 * supplies, so that the instruction is not executed again; without one (zero) to RIP.
 */
function inject(s: usize): u32 {
  const event = load<u64>(s, SVM_EVENTINJ)
  const word = <u32>event
  const vector = word & EVENT_VECTOR_MASK
  const type = (word >> EVENT_TYPE_SHIFT) & 7
  const software = type == EVENT_TYPE_SOFTWARE || (type == EVENT_TYPE_EXCEPTION && (vector == 3 || vector == 4))
  const nrip = load<u64>(s, SVM_EVENTINJ_NRIP)
  const next = software && nrip ? nrip : load<u64>(s, PC)
  return deliver_event(s, vector, type, (word & EVENT_ERROR_VALID) != 0, <u32>(event >> 32), next)
}

/** V_IRQ, open to it: GIF, RFLAGS.IF, no shadow, and a priority above the task priority unless that is ignored. */
function virtual_interrupt_ready(s: usize): bool {
  const control = load<u32>(s, SVM_V_INTR)
  if (!(control & V_IRQ) || !load<u32>(s, GIF) || load<u32>(s, SHADOW) || !(load<u32>(s, EFLAGS) & FLAG_IF)) return false
  return (control & V_IGN_TPR) != 0 || ((control >> V_INTR_PRIO_SHIFT) & 15) > virtual_tpr(s)
}

/**
 * A physical interrupt stands before the core in guest mode, at an instruction boundary with PC exact. R_EXIT: it was intercepted. R_NEXT:
 * it is held off (no intercept, GIF or the governing IF clear): the interrupt stays pending.
 */
export function svm_physical_interrupt(s: usize): u32 {
  if (!load<u32>(s, GUEST_MODE) || !load<u32>(s, GIF) || !intercepts(s, VMEXIT_INTR)) return R_NEXT
  const masking = (load<u32>(s, SVM_V_INTR) & V_INTR_MASKING) != 0
  const open = masking ? load<u32>(s, SVM_HOST) & SVM_HOST_IF : load<u32>(s, EFLAGS) & FLAG_IF
  if (!open || (!masking && load<u32>(s, SHADOW))) return R_NEXT
  record_exit(s, VMEXIT_INTR, 0, 0, 0, false)
  return svm_leave(s)
}
