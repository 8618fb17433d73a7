// The integer core: APM vol. 3, "General-Purpose Instruction Reference". Semantics are lowering rules of ir/rules/, or helpers for what is rare.

import * as id from '../../ir/helper-ids.js'
import { helper, row, rule, type Names, type OpcodeRow, type RowOptions } from '../row.js'

const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0')

const lock = { lock: true } as const
const not64 = { modes: 'i64' } as const
/** AMD processors honour 66 on near branches in 64-bit mode: 16 bits of RIP (APM vol. 3, section 1.2.3, table 1-3). */
const near = { size64: 'd64' } as const
const stack = { size64: 'd64' } as const

const arithmetic = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'] as const

function arithmeticRows(): OpcodeRow[] {
  return arithmetic.flatMap((name, n) => {
    const lockable: RowOptions = name === 'CMP' ? {} : lock
    const undefinedFlags = name === 'OR' || name === 'AND' || name === 'XOR' ? { undefinedFlags: 'A' } : {}
    const options = { ...lockable, ...undefinedFlags }
    return [
      row(`${hex(n * 8)} /r`, name, 'Eb,Gb', rule(name), options),
      row(`${hex(n * 8 + 1)} /r`, name, 'Ev,Gv', rule(name), options),
      row(`${hex(n * 8 + 2)} /r`, name, 'Gb,Eb', rule(name), undefinedFlags),
      row(`${hex(n * 8 + 3)} /r`, name, 'Gv,Ev', rule(name), undefinedFlags),
      row(hex(n * 8 + 4), name, 'AL,Ib', rule(name), undefinedFlags),
      row(hex(n * 8 + 5), name, 'rAX,Iz', rule(name), undefinedFlags),
      row(`80 /${n}`, name, 'Eb,Ib', rule(name), options),
      row(`81 /${n}`, name, 'Ev,Iz', rule(name), options),
      row(`82 /${n}`, name, 'Eb,Ib', rule(name), { ...options, ...not64 }),
      row(`83 /${n}`, name, 'Ev,Is', rule(name), options),
    ]
  })
}

const shifts = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SHL', 'SAR'] as const

/** Flags that a shift leaves undefined: OF for counts other than 1, AF, and CF for counts beyond the operand. */
function shiftRows(): OpcodeRow[] {
  return shifts.flatMap((name, n) => {
    const rotates = n < 4
    const many = { undefinedFlags: rotates ? 'O' : 'AO' }
    const once = { undefinedFlags: rotates ? '' : 'A' }
    return [
      row(`C0 /${n}`, name, 'Eb,Ib', rule(name), { undefinedFlags: rotates ? 'O' : 'AOC' }),
      row(`C1 /${n}`, name, 'Ev,Ib', rule(name), { undefinedFlags: rotates ? 'O' : 'AOC' }),
      row(`D0 /${n}`, name, 'Eb,1', rule(name), once),
      row(`D1 /${n}`, name, 'Ev,1', rule(name), once),
      row(`D2 /${n}`, name, 'Eb,CL', rule(name), { undefinedFlags: rotates ? many.undefinedFlags : 'AOC' }),
      row(`D3 /${n}`, name, 'Ev,CL', rule(name), { undefinedFlags: rotates ? many.undefinedFlags : 'AOC' }),
    ]
  })
}

const conditions = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const

function conditionRows(): OpcodeRow[] {
  return conditions.flatMap((name, n) => [
    row(hex(0x70 + n), `J${name}`, 'Jb', rule('Jcc'), near),
    row(`0F ${hex(0x80 + n)}`, `J${name}`, 'Jz', rule('Jcc'), near),
    row(`0F ${hex(0x90 + n)} /r`, `SET${name}`, 'Eb', rule('SETcc')),
    row(`0F ${hex(0x40 + n)} /r`, `CMOV${name}`, 'Gv,Ev', rule('CMOVcc'), { feature: 'CMOV' }),
  ])
}

const unaryRows: readonly OpcodeRow[] = [
  row('40+r', 'INC', 'Zv', rule('INC'), not64),
  row('48+r', 'DEC', 'Zv', rule('DEC'), not64),
  row('FE /0', 'INC', 'Eb', rule('INC'), lock),
  row('FE /1', 'DEC', 'Eb', rule('DEC'), lock),
  row('FF /0', 'INC', 'Ev', rule('INC'), lock),
  row('FF /1', 'DEC', 'Ev', rule('DEC'), lock),
  row('F6 /2', 'NOT', 'Eb', rule('NOT'), lock),
  row('F7 /2', 'NOT', 'Ev', rule('NOT'), lock),
  row('F6 /3', 'NEG', 'Eb', rule('NEG'), lock),
  row('F7 /3', 'NEG', 'Ev', rule('NEG'), lock),
]

const undefinedMultiply = { undefinedFlags: 'SZAP' } as const
const undefinedAll = { undefinedFlags: 'CPAZSO' } as const

const multiplyRows: readonly OpcodeRow[] = [
  row('F6 /4', 'MUL', 'Eb', rule('MUL'), undefinedMultiply),
  row('F7 /4', 'MUL', 'Ev', rule('MUL'), undefinedMultiply),
  row('F6 /5', 'IMUL', 'Eb', rule('IMUL'), undefinedMultiply),
  row('F7 /5', 'IMUL', 'Ev', rule('IMUL'), undefinedMultiply),
  row('F6 /6', 'DIV', 'Eb', rule('DIV'), undefinedAll),
  row('F7 /6', 'DIV', 'Ev', rule('DIV'), undefinedAll),
  row('F6 /7', 'IDIV', 'Eb', rule('IDIV'), undefinedAll),
  row('F7 /7', 'IDIV', 'Ev', rule('IDIV'), undefinedAll),
  row('0F AF /r', 'IMUL', 'Gv,Ev', rule('IMUL2'), undefinedMultiply),
  row('69 /r', 'IMUL', 'Gv,Ev,Iz', rule('IMUL3'), undefinedMultiply),
  row('6B /r', 'IMUL', 'Gv,Ev,Is', rule('IMUL3'), undefinedMultiply),
]

const testRows: readonly OpcodeRow[] = [
  row('84 /r', 'TEST', 'Eb,Gb', rule('TEST'), { undefinedFlags: 'A' }),
  row('85 /r', 'TEST', 'Ev,Gv', rule('TEST'), { undefinedFlags: 'A' }),
  row('A8', 'TEST', 'AL,Ib', rule('TEST'), { undefinedFlags: 'A' }),
  row('A9', 'TEST', 'rAX,Iz', rule('TEST'), { undefinedFlags: 'A' }),
  ...[0, 1].flatMap((n) => [
    row(`F6 /${n}`, 'TEST', 'Eb,Ib', rule('TEST'), { undefinedFlags: 'A' }),
    row(`F7 /${n}`, 'TEST', 'Ev,Iz', rule('TEST'), { undefinedFlags: 'A' }),
  ]),
]

const moveRows: readonly OpcodeRow[] = [
  row('88 /r', 'MOV', 'Eb,Gb', rule('MOV')),
  row('89 /r', 'MOV', 'Ev,Gv', rule('MOV')),
  row('8A /r', 'MOV', 'Gb,Eb', rule('MOV')),
  row('8B /r', 'MOV', 'Gv,Ev', rule('MOV')),
  row('A0', 'MOV', 'AL,Ob', rule('MOV')),
  row('A1', 'MOV', 'rAX,Ov', rule('MOV')),
  row('A2', 'MOV', 'Ob,AL', rule('MOV')),
  row('A3', 'MOV', 'Ov,rAX', rule('MOV')),
  row('B0+r', 'MOV', 'Zb,Ib', rule('MOV')),
  row('B8+r', 'MOV', 'Zv,Iv', rule('MOV')),
  row('C6 /0', 'MOV', 'Eb,Ib', rule('MOV')),
  row('C7 /0', 'MOV', 'Ev,Iz', rule('MOV')),
  row('0F B6 /r', 'MOVZX', 'Gv,Eb', rule('MOVZX')),
  row('0F B7 /r', 'MOVZX', 'Gv,Ew', rule('MOVZX')),
  row('0F BE /r', 'MOVSX', 'Gv,Eb', rule('MOVSX')),
  row('0F BF /r', 'MOVSX', 'Gv,Ew', rule('MOVSX')),
  row('63 /r', 'MOVSXD', 'Gv,Ed', rule('MOVSX'), { modes: 'o64' }),
  row('8D /r mem', 'LEA', 'Gv,M', rule('LEA')),
  row('86 /r', 'XCHG', 'Eb,Gb', rule('XCHG'), lock),
  row('87 /r', 'XCHG', 'Ev,Gv', rule('XCHG'), lock),
  row('90+r', 'XCHG', 'Zv,rAX', rule('XCHG')),
  row('0F C8+r', 'BSWAP', 'Zv', rule('BSWAP')),
  row('98', 'CBW', '', rule('CBW'), { names: ['CBW', 'CWDE', 'CDQE'] }),
  row('99', 'CWD', '', rule('CWD'), { names: ['CWD', 'CDQ', 'CQO'] }),
  row('D7', 'XLAT', '', rule('XLAT')),
  row('NP 0F38 F0 /r mem', 'MOVBE', 'Gv,Mv', helper(id.H_MOVBE_LOAD), { feature: 'MOVBE' }),
  row('NP 0F38 F1 /r mem', 'MOVBE', 'Mv,Gv', helper(id.H_MOVBE_STORE), { feature: 'MOVBE' }),
  // 66 selects among rows here (F2 is CRC32) and remains the operand size.
  row('66 0F38 F0 /r mem', 'MOVBE', 'Gv,Mv', helper(id.H_MOVBE_LOAD), { feature: 'MOVBE', sizedBy66: true }),
  row('66 0F38 F1 /r mem', 'MOVBE', 'Mv,Gv', helper(id.H_MOVBE_STORE), { feature: 'MOVBE', sizedBy66: true }),
]

const flagRows: readonly OpcodeRow[] = [
  row('F5', 'CMC', '', rule('CMC')),
  row('F8', 'CLC', '', rule('CLC')),
  row('F9', 'STC', '', rule('STC')),
  row('FC', 'CLD', '', rule('CLD')),
  row('FD', 'STD', '', rule('STD')),
  row('9E', 'SAHF', '', rule('SAHF')),
  row('9F', 'LAHF', '', rule('LAHF')),
  // In no manual, and in every processor.
  row('D6', 'SALC', '', rule('SALC'), not64),
]

const controlRows: readonly OpcodeRow[] = [
  row('E8', 'CALL', 'Jz', rule('CALL'), near),
  row('FF /2', 'CALL', 'Ev', rule('CALLI'), near),
  row('C3', 'RET', '', rule('RET'), near),
  row('C2', 'RET', 'Iw', rule('RET'), near),
  row('E9', 'JMP', 'Jz', rule('JMP'), near),
  row('EB', 'JMP', 'Jb', rule('JMP'), near),
  row('FF /4', 'JMP', 'Ev', rule('JMPI'), near),
  row('E0', 'LOOPNE', 'Jb', rule('LOOPNE'), near),
  row('E1', 'LOOPE', 'Jb', rule('LOOPE'), near),
  row('E2', 'LOOP', 'Jb', rule('LOOP'), near),
  row('E3', 'JCXZ', 'Jb', rule('JCXZ'), { ...near, names: ['JCXZ', 'JECXZ', 'JRCXZ'], namesBy: 'address' }),
  row('0F 0B', 'UD2', '', rule('UD')),
  row('0F B9 /r', 'UD1', 'Gv,Ev', rule('UD')),
  row('0F FF', 'UD0', '', rule('UD')),
]

const stackRows: readonly OpcodeRow[] = [
  row('50+r', 'PUSH', 'Zv', rule('PUSH'), stack),
  row('58+r', 'POP', 'Zv', rule('POP'), stack),
  row('68', 'PUSH', 'Iz', rule('PUSHI'), stack),
  row('6A', 'PUSH', 'Is', rule('PUSHI'), stack),
  row('FF /6', 'PUSH', 'Ev', rule('PUSH'), stack),
  row('8F /0', 'POP', 'Ev', rule('POP'), stack),
  row('60', 'PUSHA', '', helper(id.H_PUSHA), { ...not64, names: ['PUSHA', 'PUSHAD', ''] }),
  row('61', 'POPA', '', helper(id.H_POPA), { ...not64, names: ['POPA', 'POPAD', ''] }),
  row('C8', 'ENTER', 'Iw,Ib', rule('ENTER'), stack),
  row('C9', 'LEAVE', '', rule('LEAVE'), stack),
  row('62 /r mem', 'BOUND', 'Gv,M', helper(id.H_BOUND), { ...not64, bytes: [4, 8, 8] }),
]

const rep = { rep: 'rep' } as const
const repcc = { rep: 'repcc' } as const
const sized = (name: string): Names => [`${name}W`, `${name}D`, `${name}Q`]

const stringRows: readonly OpcodeRow[] = [
  row('A4', 'MOVSB', 'Yb,Xb', rule('MOVS'), rep),
  row('A5', 'MOVS', 'Yv,Xv', rule('MOVS'), { ...rep, names: sized('MOVS') }),
  row('A6', 'CMPSB', 'Xb,Yb', rule('CMPS'), repcc),
  row('A7', 'CMPS', 'Xv,Yv', rule('CMPS'), { ...repcc, names: sized('CMPS') }),
  row('AA', 'STOSB', 'Yb,AL', rule('STOS'), rep),
  row('AB', 'STOS', 'Yv,rAX', rule('STOS'), { ...rep, names: sized('STOS') }),
  row('AC', 'LODSB', 'AL,Xb', rule('LODS'), rep),
  row('AD', 'LODS', 'rAX,Xv', rule('LODS'), { ...rep, names: sized('LODS') }),
  row('AE', 'SCASB', 'AL,Yb', rule('SCAS'), repcc),
  row('AF', 'SCAS', 'rAX,Yv', rule('SCAS'), { ...repcc, names: sized('SCAS') }),
]

const bitNames = ['BT', 'BTS', 'BTR', 'BTC'] as const

function bitRows(): OpcodeRow[] {
  return bitNames.flatMap((name, n) => {
    const options = { ...(n > 0 ? lock : {}), undefinedFlags: 'PASO' }
    return [
      row(`0F ${hex(0xa3 + n * 8)} /r`, name, 'Ev,Gv', rule(name), options),
      row(`0F BA /${4 + n}`, name, 'Ev,Ib', rule(name), options),
    ]
  })
}

const scanRows: readonly OpcodeRow[] = [
  row('0F BC /r', 'BSF', 'Gv,Ev', rule('BSF'), { undefinedFlags: 'CPASO' }),
  row('0F BD /r', 'BSR', 'Gv,Ev', rule('BSR'), { undefinedFlags: 'CPASO' }),
  row('F3 0F BC /r', 'TZCNT', 'Gv,Ev', rule('TZCNT'), { feature: 'BMI1', undefinedFlags: 'PASO' }),
  row('F3 0F BD /r', 'LZCNT', 'Gv,Ev', rule('LZCNT'), { feature: 'LZCNT', undefinedFlags: 'PASO' }),
  row('F3 0F B8 /r', 'POPCNT', 'Gv,Ev', rule('POPCNT'), { feature: 'POPCNT' }),
]

const doubleShift = { undefinedFlags: 'AOC' } as const

const wideRows: readonly OpcodeRow[] = [
  row('0F A4 /r', 'SHLD', 'Ev,Gv,Ib', rule('SHLD'), doubleShift),
  row('0F A5 /r', 'SHLD', 'Ev,Gv,CL', rule('SHLD'), doubleShift),
  row('0F AC /r', 'SHRD', 'Ev,Gv,Ib', rule('SHRD'), doubleShift),
  row('0F AD /r', 'SHRD', 'Ev,Gv,CL', rule('SHRD'), doubleShift),
  row('0F B0 /r', 'CMPXCHG', 'Eb,Gb', helper(id.H_CMPXCHG), lock),
  row('0F B1 /r', 'CMPXCHG', 'Ev,Gv', helper(id.H_CMPXCHG), lock),
  row('0F C0 /r', 'XADD', 'Eb,Gb', helper(id.H_XADD), lock),
  row('0F C1 /r', 'XADD', 'Ev,Gv', helper(id.H_XADD), lock),
  row('0F C7 /1 mem', 'CMPXCHG8B', 'M', helper(id.H_CMPXCHG_WIDE), {
    ...lock,
    feature: 'CX8',
    bytes: [8, 8, 16],
    names: ['CMPXCHG8B', 'CMPXCHG8B', 'CMPXCHG16B'],
  }),
]

const bmi1 = { feature: 'BMI1', undefinedFlags: 'AP' } as const
const bmi2 = { feature: 'BMI2' } as const

const vexRows: readonly OpcodeRow[] = [
  row('VEX.L0 NP 0F38 F2 /r', 'ANDN', 'Gy,By,Ey', rule('ANDN'), bmi1),
  row('VEX.L0 NP 0F38 F3 /1', 'BLSR', 'By,Ey', rule('BLSR'), bmi1),
  row('VEX.L0 NP 0F38 F3 /2', 'BLSMSK', 'By,Ey', rule('BLSMSK'), bmi1),
  row('VEX.L0 NP 0F38 F3 /3', 'BLSI', 'By,Ey', rule('BLSI'), bmi1),
  row('VEX.L0 NP 0F38 F5 /r', 'BZHI', 'Gy,Ey,By', rule('BZHI'), { ...bmi2, undefinedFlags: 'AP' }),
  row('VEX.L0 F3 0F38 F5 /r', 'PEXT', 'Gy,By,Ey', rule('PEXT'), bmi2),
  row('VEX.L0 F2 0F38 F5 /r', 'PDEP', 'Gy,By,Ey', rule('PDEP'), bmi2),
  row('VEX.L0 F2 0F38 F6 /r', 'MULX', 'Gy,By,Ey', rule('MULX'), bmi2),
  row('VEX.L0 NP 0F38 F7 /r', 'BEXTR', 'Gy,Ey,By', rule('BEXTR'), { ...bmi1, undefinedFlags: 'APS' }),
  row('VEX.L0 66 0F38 F7 /r', 'SHLX', 'Gy,Ey,By', rule('SHLX'), bmi2),
  row('VEX.L0 F3 0F38 F7 /r', 'SARX', 'Gy,Ey,By', rule('SARX'), bmi2),
  row('VEX.L0 F2 0F38 F7 /r', 'SHRX', 'Gy,Ey,By', rule('SHRX'), bmi2),
  row('VEX.L0 F2 0F3A F0 /r', 'RORX', 'Gy,Ey,Ib', rule('RORX'), bmi2),
  row('66 0F38 F6 /r', 'ADCX', 'Gy,Ey', rule('ADCX'), { feature: 'ADX' }),
  row('F3 0F38 F6 /r', 'ADOX', 'Gy,Ey', rule('ADOX'), { feature: 'ADX' }),
]

const decimal = { ...not64, undefinedFlags: 'O' } as const
const ascii = { ...not64, undefinedFlags: 'PZSO' } as const

const decimalRows: readonly OpcodeRow[] = [
  row('27', 'DAA', '', helper(id.H_DAA), decimal),
  row('2F', 'DAS', '', helper(id.H_DAS), decimal),
  row('37', 'AAA', '', helper(id.H_AAA), ascii),
  row('3F', 'AAS', '', helper(id.H_AAS), ascii),
  row('D4', 'AAM', 'Ib', helper(id.H_AAM), { ...not64, undefinedFlags: 'CAO' }),
  row('D5', 'AAD', 'Ib', helper(id.H_AAD), { ...not64, undefinedFlags: 'CAO' }),
]

/** Hints: 0F 0D (prefetch for writing) and 0F 19 … 0F 1F, ENDBR among them, do nothing. */
const hintRows: readonly OpcodeRow[] = [
  row('0F 0D /r mem', 'PREFETCHW', 'M', rule('NOP'), { reads: true }),
  ...['19', '1A', '1B', '1C', '1D', '1E', '1F'].map((opcode) => row(`0F ${opcode} /r`, 'NOP', 'Ev', rule('NOP'))),
]

export const integerRows: readonly OpcodeRow[] = [
  ...arithmeticRows(),
  ...shiftRows(),
  ...conditionRows(),
  ...unaryRows,
  ...multiplyRows,
  ...testRows,
  ...moveRows,
  ...flagRows,
  ...controlRows,
  ...stackRows,
  ...stringRows,
  ...bitRows(),
  ...scanRows,
  ...wideRows,
  ...vexRows,
  ...decimalRows,
  ...hintRows,
]
