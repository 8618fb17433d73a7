import * as V from '../../spec/svm/vmcb.js'
import type { Vcpu } from './vcpu.js'

/** How a VM's run ended, for programs and for people. */
export type ExitReason = 'shutdown' | 'reset' | 'debug-exit' | 'triple-fault' | 'halted-for-ever' | 'stopped' | 'moved' | 'internal-error'

export interface RegisterReport {
  readonly names: readonly string[]
  readonly values: readonly bigint[]
}

export interface ExitReport {
  readonly reason: ExitReason
  /** One readable sentence. */
  readonly explanation: string
  /** Reason `debug-exit`: the value written to port 0xf4. The process ends with 2 * value + 1. */
  readonly value?: number
  /** Where the guest stood. Plain SEV leaves registers readable to the host, which is why they are here even for encrypted guests. */
  readonly registers?: RegisterReport
  readonly instructions: number
  readonly guestTimeNs: number
}

const GENERAL_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15']
const CONTROL_NAMES: readonly (readonly [string, number])[] = [
  ['rip', V.VMCB_RIP],
  ['rflags', V.VMCB_RFLAGS],
  ['cr0', V.VMCB_CR0],
  ['cr2', V.VMCB_CR2],
  ['cr3', V.VMCB_CR3],
  ['cr4', V.VMCB_CR4],
  ['efer', V.VMCB_EFER],
]

/** The registers of a vCPU that has its core. */
export function registerReport({ registers, vmcb }: Vcpu): RegisterReport {
  return {
    names: [...GENERAL_NAMES, ...CONTROL_NAMES.map(([name]) => name)],
    values: [...GENERAL_NAMES.map((_, i) => registers.big(i)), ...CONTROL_NAMES.map(([, offset]) => vmcb.big(offset))],
  }
}

export function formatRegisters(report: RegisterReport): string {
  const cells = report.names.map((name, i) => `${name.padStart(6)} ${report.values[i]!.toString(16).padStart(16, '0')}`)
  const lines: string[] = []
  for (let i = 0; i < cells.length; i += 4) lines.push(cells.slice(i, i + 4).join('  '))
  return lines.join('\n')
}
