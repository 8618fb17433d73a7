/** Which rows of the opcode table the host's CPU can judge, why it cannot judge the others, and what is not compared. */

import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import type { Tolerance } from './compare.js'
import { FX_ST, FX_STATUS, FX_XMM, type CodeMode } from './state.js'

const flagBits: Readonly<Record<string, number>> = { C: 1, P: 4, A: 0x10, Z: 0x40, S: 0x80, O: 0x800 }

const unlike: readonly (readonly [RegExp, string])[] = [
  [/^(CPUID|XGETBV|RDPID|RDTSCP?|RDPMC|RDRAND|RDSEED)$/, 'its result is the machine’s own'],
  [/^(SGDT|SIDT|SLDT|STR|SMSW)$/, 'the host’s kernel emulates it (UMIP)'],
  [/^(RD|WR)PKRU$/, 'the host’s kernel decides whether it exists (CR4.PKE)'],
  [/^(SYSCALL|SYSENTER)$/, 'it enters the host’s kernel'],
  [/^(vmmcall|vmgexit)$/, 'it calls the host’s hypervisor'],
  [/^(MONITORX|MWAITX|INT1)$/, 'the host’s hypervisor interferes'],
  [/^(vm(run|load|save)|stgi|clgi|skinit|invlpga)$/, 'the host’s EFER.SVME is its hypervisor’s'],
]

/** Why the host's CPU cannot judge `row` in `mode`; undefined where it can. */
export function notOnHost(row: CompiledRow, mode: CodeMode): string | undefined {
  const { modes } = row.row.options
  if (modes !== undefined && (modes === 'o64') !== (mode === 'long')) return `not in ${mode} mode`
  return unlike.find(([pattern]) => pattern.test(row.row.mnemonic))?.[1]
}

const xmm = (at: number): boolean => at >= FX_XMM
const status = (at: number): boolean => at === FX_STATUS || at === FX_STATUS + 1

/** Images longer than a register, and accesses that the processor splits: which byte of the page faults first is its own affair. */
function faultsAnywhere(row: CompiledRow): boolean {
  return (
    row.operands.some((o) => o.class === 'M' && (o.size === '' || o.size === 't')) ||
    /^(V?MASKMOV|PUSHA|POPA|ENTER|IRET|RETF)/.test(row.row.mnemonic)
  )
}

/** The processor writes the stack of a far CALL before it finds fault with the target. */
const isFarCall = (row: CompiledRow): boolean => row.row.mnemonic === 'CALL' && row.row.semantics.kind === 'helper'

export function toleranceOf(row: CompiledRow, mode: CodeMode): Tolerance {
  return { ...rowTolerance(row), narrow: mode !== 'long', dirtyFault: isFarCall(row) }
}

function rowTolerance(row: CompiledRow): Tolerance {
  const { mnemonic, options } = row.row
  const flags = [...(options.undefinedFlags ?? '')].reduce((mask, letter) => mask | (flagBits[letter] ?? 0), 0)
  const faultPage = faultsAnywhere(row)
  // Estimates: the manual gives a bound, not a value (APM vol. 4, RCPPS and RSQRTPS); vector.test.ts holds them to it.
  if (/^V?(RCP|RSQRT)/.test(mnemonic)) return { flags, faultPage, fx: xmm, upper: () => true }
  // Of operands out of range the result is undefined, and PE and C1 of transcendental functions say how the processor computed: x87.test.ts.
  if (/^(F2XM1|FYL2XP1|FYL2X|FPATAN|FPTAN|FSINCOS|FSIN|FCOS)$/.test(mnemonic))
    return { flags, faultPage, fx: (at) => status(at) || lastBits(at) }
  return { flags, faultPage }
}

/** The lowest byte of a significand. */
const lastBits = (at: number): boolean => at >= FX_ST && at < FX_XMM && (at & 15) === 0

/** Of these the host's CPU shows only that user code is refused; what they do is tested by hand. */
const privileged =
  /^(CLI|STI|HLT|INS?B?|OUTS?B?|CLTS|LMSW|LGDT|LIDT|LLDT|LTR|INVD|WBINVD|WBNOINVD|INVLPG|INVPCID|XSETBV|RDMSR|WRMSR|SWAPGS|SYSRET|SYSEXIT|CLAC|STAC|MONITOR|MWAIT|XSAVES|XRSTORS)$/

export function refusedToUsers(row: CompiledRow): boolean {
  return privileged.test(row.row.mnemonic) || row.operands.some((o) => o.class === 'C' || o.class === 'D')
}

/** Test files with cases written by hand, by mnemonic. */
const byHand: readonly (readonly [RegExp, string])[] = [
  [
    /^(CPUID|RDMSR|WRMSR|RDTSCP?|FXSAVE|FXRSTOR|XSAVE|XRSTOR|XSAVEC|XSAVES|XRSTORS|XSETBV|XGETBV|RDPKRU|WRPKRU|RDRAND|RDPID|CLZERO|CLAC|STAC)$/,
    'system-state',
  ],
  [
    /^(INT|INT1|IRET|JMP|CALL|RETF|SYSCALL|SYSRET|SYSENTER|SYSEXIT|SWAPGS|POPF|PUSHF|STI|CLI|HLT|IN|OUT|INS|OUTS|INSB|OUTSB|LAR|LSL|VERR|VERW|ARPL|LTR|LLDT|LGDT|SGDT)$/,
    'system',
  ],
  [/^(vm|stgi|clgi|skinit|invlpga)/, 'svm'],
  [/^(INVLPG|INVPCID)$/, 'mmu'],
  [/^(CLTS|LMSW|SMSW|LIDT|SIDT|SLDT|STR|INVD|WBINVD|WBNOINVD|RDPMC|MONITORX?|MWAITX?|RDSEED)$/, 'privileged'],
]

export function writtenByHand(row: CompiledRow): string | undefined {
  if (row.operands.some((o) => o.class === 'C' || o.class === 'D')) return 'system'
  return byHand.find(([pattern]) => pattern.test(row.row.mnemonic))?.[1]
}
