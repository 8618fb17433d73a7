// System instructions (AMD64 APM vol. 3, 24594, chapters 3 and 4, appendix A). What changes mode, paging, IF, TF or control flow ends the block.

import * as id from '../../ir/helper-ids.js'
import { helper, helperEnd, type Names, type OpcodeRow, row, type RowOptions } from '../row.js'

const system: RowOptions = { system: true }
const legacy: RowOptions = { ...system, modes: 'i64' }
const only64: RowOptions = { ...system, modes: 'o64' }
const stack: RowOptions = { ...system, size64: 'd64' }
const legacyStack: RowOptions = { ...system, modes: 'i64' }
const xsave: RowOptions = { feature: 'XSAVE' }
const reads: RowOptions = { ...system, reads: true }
/** A far pointer: offset and selector. */
const pointer = { bytes: [4, 6, 10] } as const
/** Limit and base of a descriptor table. */
const table = { bytes: [6, 6, 6] } as const
const register: RowOptions = { ...system, size64: 'f64' }
const image = (name: string): Names => [name, name, `${name}64`]
const fxsave = { bytes: [512, 512, 512] } as const
/** The legacy region and the header. */
const area = { bytes: [576, 576, 576] } as const

const segmentRows: readonly OpcodeRow[] = [
  row('06', 'PUSH', 'ES', helper(id.H_PUSH_SEGMENT), legacyStack),
  row('0E', 'PUSH', 'CS', helper(id.H_PUSH_SEGMENT), legacyStack),
  row('16', 'PUSH', 'SS', helper(id.H_PUSH_SEGMENT), legacyStack),
  row('1E', 'PUSH', 'DS', helper(id.H_PUSH_SEGMENT), legacyStack),
  row('0F A0', 'PUSH', 'FS', helper(id.H_PUSH_SEGMENT), stack),
  row('0F A8', 'PUSH', 'GS', helper(id.H_PUSH_SEGMENT), stack),
  row('07', 'POP', 'ES', helperEnd(id.H_POP_SEGMENT), legacyStack),
  row('17', 'POP', 'SS', helperEnd(id.H_POP_SEGMENT), legacyStack),
  row('1F', 'POP', 'DS', helperEnd(id.H_POP_SEGMENT), legacyStack),
  row('0F A1', 'POP', 'FS', helperEnd(id.H_POP_SEGMENT), stack),
  row('0F A9', 'POP', 'GS', helperEnd(id.H_POP_SEGMENT), stack),
  // There are six segment registers; CS cannot be loaded so. REX.R is ignored.
  ...[0, 1, 2, 3, 4, 5].flatMap((n) => [
    row(`8C /${n} reg`, 'MOV', 'Rv,Sw', helper(id.H_MOV_FROM_SEGMENT), system),
    row(`8C /${n} mem`, 'MOV', 'Mw,Sw', helper(id.H_MOV_FROM_SEGMENT), system),
  ]),
  ...[0, 2, 3, 4, 5].map((n) => row(`8E /${n}`, 'MOV', 'Sw,Ew', helperEnd(id.H_MOV_TO_SEGMENT), system)),
  row('C4 /r mem', 'LES', 'Gv,M', helperEnd(id.H_LOAD_POINTER + 0), { ...legacy, ...pointer }),
  row('C5 /r mem', 'LDS', 'Gv,M', helperEnd(id.H_LOAD_POINTER + 3), { ...legacy, ...pointer }),
  row('0F B2 /r mem', 'LSS', 'Gv,M', helperEnd(id.H_LOAD_POINTER + 2), { ...system, ...pointer }),
  row('0F B4 /r mem', 'LFS', 'Gv,M', helperEnd(id.H_LOAD_POINTER + 4), { ...system, ...pointer }),
  row('0F B5 /r mem', 'LGS', 'Gv,M', helperEnd(id.H_LOAD_POINTER + 5), { ...system, ...pointer }),
]

const transferRows: readonly OpcodeRow[] = [
  row('EA', 'JMP', 'Ap', helperEnd(id.H_JMP_FAR), legacy),
  row('9A', 'CALL', 'Ap', helperEnd(id.H_CALL_FAR), legacy),
  row('FF /5 mem', 'JMP', 'M', helperEnd(id.H_JMP_FAR_MEMORY), { ...reads, ...pointer }),
  row('FF /3 mem', 'CALL', 'M', helperEnd(id.H_CALL_FAR_MEMORY), { ...reads, ...pointer }),
  row('CA', 'RETF', 'Iw', helperEnd(id.H_RET_FAR), system),
  row('CB', 'RETF', '', helperEnd(id.H_RET_FAR), system),
  row('CF', 'IRET', '', helperEnd(id.H_IRET), { ...system, names: ['IRET', 'IRETD', 'IRETQ'] }),
  row('CC', 'INT3', '', helperEnd(id.H_INT3), system),
  row('CD', 'INT', 'Ib', helperEnd(id.H_INT), system),
  row('CE', 'INTO', '', helperEnd(id.H_INTO), legacy),
  row('F1', 'INT1', '', helperEnd(id.H_INT1), system),
  row('0F 05', 'SYSCALL', '', helperEnd(id.H_SYSCALL), system),
  row('0F 07', 'SYSRET', '', helperEnd(id.H_SYSRET), system),
  row('0F 34', 'SYSENTER', '', helperEnd(id.H_SYSENTER), system),
  row('0F 35', 'SYSEXIT', '', helperEnd(id.H_SYSEXIT), system),
  row('0F 01 =F8', 'SWAPGS', '', helper(id.H_SWAPGS), only64),
]

const flagRows: readonly OpcodeRow[] = [
  row('FA', 'CLI', '', helper(id.H_CLI), system),
  row('FB', 'STI', '', helperEnd(id.H_STI), system),
  row('9C', 'PUSHF', '', helper(id.H_PUSHF), { size64: 'd64', names: ['PUSHF', 'PUSHFD', 'PUSHFQ'] }),
  row('9D', 'POPF', '', helperEnd(id.H_POPF), { size64: 'd64', names: ['POPF', 'POPFD', 'POPFQ'] }),
  row('NP 0F 01 =CA', 'CLAC', '', helper(id.H_CLAC), { ...system, feature: 'SMAP' }),
  row('NP 0F 01 =CB', 'STAC', '', helper(id.H_STAC), { ...system, feature: 'SMAP' }),
  row('F4', 'HLT', '', helperEnd(id.H_HLT), system),
  row('F3 90', 'PAUSE', '', helper(id.H_PAUSE), {}),
  row('NP 0F 01 =C8', 'MONITOR', '', helper(id.H_MONITOR), { ...system, feature: 'MONITOR' }),
  row('NP 0F 01 =C9', 'MWAIT', '', helper(id.H_MWAIT), { ...system, feature: 'MONITOR' }),
  row('NP 0F 01 =FA', 'MONITORX', '', helper(id.H_MONITORX), { ...system, feature: 'MONITOR' }),
  row('NP 0F 01 =FB', 'MWAITX', '', helper(id.H_MWAITX), { ...system, feature: 'MONITOR' }),
]

const controlRows: readonly OpcodeRow[] = [
  row('0F 20 /r', 'MOV', 'Ry,Cy', helper(id.H_MOV_FROM_CR), register),
  row('0F 22 /r', 'MOV', 'Cy,Ry', helperEnd(id.H_MOV_TO_CR), register),
  row('0F 21 /r', 'MOV', 'Ry,Dy', helper(id.H_MOV_FROM_DR), register),
  row('0F 23 /r', 'MOV', 'Dy,Ry', helperEnd(id.H_MOV_TO_DR), register),
  row('0F 06', 'CLTS', '', helperEnd(id.H_CLTS), system),
  row('0F 01 /6', 'LMSW', 'Ew', helperEnd(id.H_LMSW), reads),
  row('0F 01 /4 reg', 'SMSW', 'Rv', helper(id.H_SMSW), system),
  row('0F 01 /4 mem', 'SMSW', 'Mw', helper(id.H_SMSW), system),
  row('0F 01 /2 mem', 'LGDT', 'M', helper(id.H_LGDT), { ...reads, ...table }),
  row('0F 01 /3 mem', 'LIDT', 'M', helper(id.H_LIDT), { ...reads, ...table }),
  row('0F 01 /0 mem', 'SGDT', 'M', helper(id.H_SGDT), { ...system, ...table }),
  row('0F 01 /1 mem', 'SIDT', 'M', helper(id.H_SIDT), { ...system, ...table }),
  row('0F 00 /0 reg', 'SLDT', 'Rv', helper(id.H_SLDT), system),
  row('0F 00 /0 mem', 'SLDT', 'Mw', helper(id.H_SLDT), system),
  row('0F 00 /1 reg', 'STR', 'Rv', helper(id.H_STR), system),
  row('0F 00 /1 mem', 'STR', 'Mw', helper(id.H_STR), system),
  row('0F 00 /2', 'LLDT', 'Ew', helper(id.H_LLDT), reads),
  row('0F 00 /3', 'LTR', 'Ew', helper(id.H_LTR), reads),
  row('0F 00 /4', 'VERR', 'Ew', helper(id.H_VERR), reads),
  row('0F 00 /5', 'VERW', 'Ew', helper(id.H_VERW), reads),
  row('0F 02 /r', 'LAR', 'Gv,Ew', helper(id.H_LAR), system),
  row('0F 03 /r', 'LSL', 'Gv,Ew', helper(id.H_LSL), system),
  row('63 /r', 'ARPL', 'Ew,Gw', helper(id.H_ARPL), legacy),
  row('0F 08', 'INVD', '', helperEnd(id.H_INVD), system),
  row('0F 09', 'WBINVD', '', helperEnd(id.H_WBINVD), system),
  row('F3 0F 09', 'WBNOINVD', '', helperEnd(id.H_WBINVD), system),
  row('0F 01 /7 mem', 'INVLPG', 'M', helperEnd(id.H_INVLPG), reads),
  row('66 0F38 82 /r mem', 'INVPCID', 'Gy,Mdq', helperEnd(id.H_INVPCID), { ...register, feature: 'INVPCID' }),
  row('NP 0F 01 =D0', 'XGETBV', '', helper(id.H_XGETBV), xsave),
  row('NP 0F 01 =D1', 'XSETBV', '', helperEnd(id.H_XSETBV), { ...system, ...xsave }),
  row('NP 0F 01 =EE', 'RDPKRU', '', helper(id.H_RDPKRU), { feature: 'PKU' }),
  row('NP 0F 01 =EF', 'WRPKRU', '', helperEnd(id.H_WRPKRU), { feature: 'PKU' }),
]

const machineRows: readonly OpcodeRow[] = [
  row('0F A2', 'CPUID', '', helper(id.H_CPUID), { system: true }),
  row('0F 32', 'RDMSR', '', helper(id.H_RDMSR), system),
  row('0F 30', 'WRMSR', '', helperEnd(id.H_WRMSR), system),
  row('0F 31', 'RDTSC', '', helper(id.H_RDTSC), system),
  row('0F 33', 'RDPMC', '', helper(id.H_RDPMC), system),
  row('0F 01 =F9', 'RDTSCP', '', helper(id.H_RDTSCP), { ...system, feature: 'RDTSCP' }),
  row('F3 0F C7 /7 reg', 'RDPID', 'Ry', helper(id.H_RDPID), { ...register, feature: 'RDPID' }),
  row('NP 0F C7 /6 reg', 'RDRAND', 'Rv', helper(id.H_RDRAND), { ...system, feature: 'RDRAND' }),
  row('66 0F C7 /6 reg', 'RDRAND', 'Rv', helper(id.H_RDRAND), { ...system, feature: 'RDRAND', sizedBy66: true }),
  row('NP 0F C7 /7 reg', 'RDSEED', 'Rv', helper(id.H_RDRAND), { ...system, feature: 'RDSEED' }),
  row('66 0F C7 /7 reg', 'RDSEED', 'Rv', helper(id.H_RDRAND), { ...system, feature: 'RDSEED', sizedBy66: true }),
  row('F3 0F AE /0 reg', 'RDFSBASE', 'Ry', helper(id.H_RDFSBASE), { ...only64, feature: 'FSGSBASE' }),
  row('F3 0F AE /1 reg', 'RDGSBASE', 'Ry', helper(id.H_RDGSBASE), { ...only64, feature: 'FSGSBASE' }),
  row('F3 0F AE /2 reg', 'WRFSBASE', 'Ry', helper(id.H_WRFSBASE), { ...only64, feature: 'FSGSBASE' }),
  row('F3 0F AE /3 reg', 'WRGSBASE', 'Ry', helper(id.H_WRGSBASE), { ...only64, feature: 'FSGSBASE' }),
  row('0F 01 =FC', 'CLZERO', '', helper(id.H_CLZERO), { feature: 'CLZERO' }),
]

const portRows: readonly OpcodeRow[] = [
  row('E4', 'IN', 'AL,Ib', helperEnd(id.H_IN8_IMM), system),
  row('E5', 'IN', 'eAX,Ib', helperEnd(id.H_IN_IMM), system),
  row('EC', 'IN', 'AL,DX', helperEnd(id.H_IN8), system),
  row('ED', 'IN', 'eAX,DX', helperEnd(id.H_IN), system),
  row('E6', 'OUT', 'Ib,AL', helperEnd(id.H_OUT8_IMM), system),
  row('E7', 'OUT', 'Ib,eAX', helperEnd(id.H_OUT_IMM), system),
  row('EE', 'OUT', 'DX,AL', helperEnd(id.H_OUT8), system),
  row('EF', 'OUT', 'DX,eAX', helperEnd(id.H_OUT), system),
  row('6C', 'INSB', 'Yb,DX', helperEnd(id.H_INS8), { ...system, rep: 'rep' }),
  row('6D', 'INS', 'Yz,DX', helperEnd(id.H_INS), { ...system, rep: 'rep', names: ['INSW', 'INSD', 'INSD'] }),
  row('6E', 'OUTSB', 'DX,Xb', helperEnd(id.H_OUTS8), { ...system, rep: 'rep' }),
  row('6F', 'OUTS', 'DX,Xz', helperEnd(id.H_OUTS), { ...system, rep: 'rep', names: ['OUTSW', 'OUTSD', 'OUTSD'] }),
]

const stateRows: readonly OpcodeRow[] = [
  row('NP 0F AE /0 mem', 'FXSAVE', 'M', helper(id.H_FXSAVE), { feature: 'SSE', names: image('FXSAVE'), ...fxsave }),
  row('NP 0F AE /1 mem', 'FXRSTOR', 'M', helper(id.H_FXRSTOR), { feature: 'SSE', reads: true, names: image('FXRSTOR'), ...fxsave }),
  row('NP 0F AE /4 mem', 'XSAVE', 'M', helper(id.H_XSAVE), { ...xsave, names: image('XSAVE'), ...area }),
  row('NP 0F AE /5 mem', 'XRSTOR', 'M', helperEnd(id.H_XRSTOR), { ...xsave, reads: true, names: image('XRSTOR'), ...area }),
  row('NP 0F AE /6 mem', 'XSAVEOPT', 'M', helper(id.H_XSAVEOPT), { ...xsave, names: image('XSAVEOPT'), ...area }),
  row('NP 0F C7 /4 mem', 'XSAVEC', 'M', helper(id.H_XSAVEC), { ...xsave, names: image('XSAVEC'), ...area }),
  row('NP 0F C7 /5 mem', 'XSAVES', 'M', helper(id.H_XSAVES), { ...system, ...xsave, names: image('XSAVES'), ...area }),
  row('NP 0F C7 /3 mem', 'XRSTORS', 'M', helperEnd(id.H_XRSTORS), { ...system, ...xsave, reads: true, names: image('XRSTORS'), ...area }),
]

export const systemRows: readonly OpcodeRow[] = [
  ...segmentRows,
  ...transferRows,
  ...flagRows,
  ...controlRows,
  ...machineRows,
  ...portRows,
  ...stateRows,
]
