import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alu } from './alu.js'
import { decodeMmio, type CodeSize } from './decode.js'
import { executeMmio, type MmioEnvironment, type Value } from './execute.js'

class FakeCpu implements MmioEnvironment {
  readonly values = new BigUint64Array(16)
  readonly device = new Map<number, bigint>()
  readonly writes: string[] = []
  flagBits = 2
  translated: (segment: number, offset: bigint, write: boolean) => number | undefined = (_s, offset) => Number(offset)

  readonly registers = {
    lo: (r: number) => Number(this.values[r]! & 0xffffffffn),
    hi: (r: number) => Number(this.values[r]! >> 32n),
    number: (r: number) => Number(this.values[r]!),
    big: (r: number) => this.values[r]!,
    set: (r: number, lo: number, hi: number) => {
      this.values[r] = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
    },
    setSized: (r: number, size: number, lo: number, hi: number) => {
      const value = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
      if (size >= 4) this.values[r] = size === 4 ? value & 0xffffffffn : value
      else {
        const mask = (1n << BigInt(8 * size)) - 1n
        this.values[r] = (this.values[r]! & ~mask) | (value & mask)
      }
    },
  }

  flags(): number {
    return this.flagBits
  }

  setFlags(value: number): void {
    this.flagBits = value
  }

  read(gpa: number, size: number): Value {
    const value = (this.device.get(gpa) ?? 0n) & ((1n << BigInt(8 * size)) - 1n)
    return { lo: Number(value & 0xffffffffn), hi: Number(value >> 32n) }
  }

  write(gpa: number, size: number, value: Value): void {
    const whole = ((BigInt(value.hi >>> 0) << 32n) | BigInt(value.lo >>> 0)) & ((1n << BigInt(8 * size)) - 1n)
    this.device.set(gpa, whole)
    this.writes.push(`${gpa.toString(16)}/${size}=${whole.toString(16)}`)
  }

  translate(segment: number, offset: bigint, write: boolean): number | undefined {
    return this.translated(segment, offset, write)
  }
}

const GPA = 0xfee00000

function run(cpu: FakeCpu, hex: string, code: CodeSize = 64, write = true) {
  const bytes = Uint8Array.from(hex.split(' '), (b) => parseInt(b, 16))
  const instruction = decodeMmio(bytes, code)
  assert.ok(instruction, `${hex} is decoded`)
  return { instruction, outcome: executeMmio(cpu, instruction, GPA, write) }
}

test('moves of every size, with lengths', () => {
  const cpu = new FakeCpu()
  cpu.values[0] = 0x1122334455667788n
  cpu.values[9] = 0xaabbccddn
  assert.equal(run(cpu, '89 04 25 00 00 e0 fe').instruction.length, 7) // mov [disp32], eax
  assert.equal(run(cpu, '48 89 47 10').instruction.length, 4) // mov [rdi+10], rax
  assert.equal(run(cpu, '88 67 10').instruction.length, 3) // mov [rdi+10], ah
  assert.equal(run(cpu, '40 88 37').instruction.length, 3) // mov [rdi], sil
  run(cpu, '66 44 89 08') // mov [rax], r9w
  run(cpu, 'c7 80 b0 00 00 00 44 33 22 11') // mov dword [rax+b0], imm
  run(cpu, '48 c7 00 ff ff ff ff') // mov qword [rax], -1
  run(cpu, '0f 38 f1 00') // movbe [rax], eax
  assert.deepEqual(cpu.writes, [
    'fee00000/4=55667788',
    'fee00000/8=1122334455667788',
    'fee00000/1=77',
    'fee00000/1=0',
    'fee00000/2=ccdd',
    'fee00000/4=11223344',
    'fee00000/8=ffffffffffffffff',
    'fee00000/4=88776655',
  ])
})

test('loads extend as their opcode says', () => {
  const cpu = new FakeCpu()
  cpu.device.set(GPA, 0x8899aabbccddeef0n)
  cpu.values.fill(0xffffffffffffffffn)
  run(cpu, '8b 00', 64, false)
  assert.equal(cpu.values[0], 0xccddeef0n)
  run(cpu, '48 8b 08', 64, false)
  assert.equal(cpu.values[1], 0x8899aabbccddeef0n)
  run(cpu, '0f b6 10', 64, false)
  assert.equal(cpu.values[2], 0xf0n)
  run(cpu, '48 0f bf 18', 64, false)
  assert.equal(cpu.values[3], 0xffffffffffffeef0n)
  run(cpu, '0f be 28', 64, false)
  assert.equal(cpu.values[5], 0xfffffff0n)
  run(cpu, '48 63 30', 64, false)
  assert.equal(cpu.values[6], 0xffffffffccddeef0n)
  run(cpu, '8a 20', 64, false) // mov ah, [rax]
  assert.equal(cpu.values[0], 0xccddf0f0n)
  run(cpu, 'a1 00 00 e0 fe', 32, false)
  assert.equal(cpu.values[0], 0xccddeef0n)
})

test('read-modify-write instructions and their flags', () => {
  const cpu = new FakeCpu()
  cpu.device.set(GPA, 0xf0n)
  cpu.values[1] = 0x10n
  run(cpu, '01 08') // add [rax], ecx
  assert.equal(cpu.device.get(GPA), 0x100n)
  run(cpu, '00 08') // add byte
  assert.equal(cpu.device.get(GPA), 0x10n)
  run(cpu, '80 08 80') // or byte, 80
  assert.equal(cpu.device.get(GPA), 0x90n)
  assert.equal(cpu.flagBits & 0x8d5, 0x84)
  run(cpu, '83 20 f0') // and dword, -16
  assert.equal(cpu.device.get(GPA), 0x90n)
  run(cpu, '3b 08') // cmp ecx, [rax]
  assert.equal(cpu.flagBits & 0x8d5, 0x81)
  run(cpu, '0f ba 28 00') // bts [rax], 0
  assert.equal(cpu.device.get(GPA), 0x91n)
  assert.equal(cpu.flagBits & 1, 0)
  run(cpu, '87 08') // xchg
  assert.equal(cpu.values[1], 0x91n)
  assert.equal(cpu.device.get(GPA), 0x10n)
  cpu.values[0] = 0x10n
  run(cpu, 'f0 0f b1 08') // lock cmpxchg
  assert.equal(cpu.device.get(GPA), 0x91n)
  assert.equal(cpu.flagBits & 0x40, 0x40)
  run(cpu, 'f7 18') // neg
  assert.equal(cpu.device.get(GPA), 0xffffff6fn)
  run(cpu, 'f6 00 01') // test byte, 1
  assert.equal(cpu.flagBits & 0x40, 0)
})

test('string moves go on to the end of the page, forward and backward', () => {
  const cpu = new FakeCpu()
  cpu.values[0] = 0xabcdn
  cpu.values[1] = 3n
  cpu.values[7] = 0x5000n
  assert.equal(run(cpu, 'f3 66 ab').outcome, 'done')
  assert.deepEqual(cpu.writes, ['fee00000/2=abcd', 'fee00002/2=abcd', 'fee00004/2=abcd'])
  assert.equal(cpu.values[7], 0x5006n)
  assert.equal(cpu.values[1], 0n)

  cpu.values[1] = 2n
  cpu.flagBits |= 0x400
  assert.equal(run(cpu, 'f3 ab').outcome, 'again')
  assert.equal(cpu.values[1], 1n)

  cpu.flagBits = 2
  cpu.values[6] = 0x9000n
  cpu.device.set(0x9000, 0x77n)
  assert.equal(run(cpu, 'a4').outcome, 'done')
  assert.equal(cpu.device.get(GPA), 0x77n)
  cpu.translated = () => undefined
  assert.equal(run(cpu, 'a4').outcome, 'faulted')
})

test('what is not emulated is said, and no bytes make the decoder fail', () => {
  assert.equal(decodeMmio(Uint8Array.of(0x0f, 0x10, 0x00), 64), undefined) // movups
  assert.equal(decodeMmio(Uint8Array.of(0x8b, 0xc0), 64), undefined) // register form
  assert.equal(decodeMmio(Uint8Array.of(0xc7, 0x00, 0x01), 64), undefined) // cut short
  assert.equal(decodeMmio(new Uint8Array(0), 64), undefined)
  let seed = 7
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16
  for (let round = 0; round < 20000; round++) {
    const bytes = Uint8Array.from({ length: random() % 16 }, () => random() & 0xff)
    const code = ([16, 32, 64] as const)[random() % 3]!
    const instruction = decodeMmio(bytes, code)
    if (!instruction) continue
    assert.ok(instruction.length > 0 && instruction.length <= bytes.length)
    executeMmio(new FakeCpu(), instruction, GPA, true)
  }
})

test('flags of wide arithmetic', () => {
  assert.deepEqual(alu('add', 0x7fn, 1n, 1, false), { value: 0x80n, flags: 0x890 })
  assert.deepEqual(alu('sub', 0n, 1n, 8, false), { value: 0xffffffffffffffffn, flags: 0x95 })
  assert.deepEqual(alu('adc', 0xffn, 0n, 1, true), { value: 0n, flags: 0x55 })
  assert.deepEqual(alu('sbb', 5n, 4n, 4, true), { value: 0n, flags: 0x44 })
})

test('CMPS and SCAS compare up to the first difference or match', () => {
  const cpu = new FakeCpu()
  const [rax, rcx, rsi, rdi] = [0, 1, 6, 7]
  for (let i = 0; i < 8; i++) {
    cpu.device.set(GPA + i, BigInt(i))
    cpu.device.set(0x5000 + i, BigInt(i === 5 ? 9 : i))
  }
  const start = (count: bigint): void => {
    cpu.values[rcx] = count
    cpu.values[rsi] = BigInt(GPA)
    cpu.values[rdi] = 0x5000n
  }
  start(3n)
  assert.equal(run(cpu, 'f3 a6').outcome, 'done') // repe cmpsb
  assert.deepEqual([cpu.values[rcx], cpu.values[rsi], cpu.flagBits & 0x40], [0n, BigInt(GPA + 3), 0x40])
  start(8n)
  run(cpu, 'f3 a6')
  assert.deepEqual([cpu.values[rcx], cpu.values[rdi], cpu.flagBits & 0x41], [2n, 0x5006n, 1])
  cpu.values[rax] = 4n
  cpu.values[rcx] = 100n
  cpu.values[rdi] = BigInt(GPA)
  run(cpu, 'f2 ae') // repne scasb
  assert.deepEqual([cpu.values[rcx], cpu.values[rdi], cpu.flagBits & 0x40], [95n, BigInt(GPA + 5), 0x40])
  start(0n)
  run(cpu, 'f3 a6')
  assert.equal(cpu.values[rsi], BigInt(GPA))
  start(1000n)
  cpu.device.clear()
  assert.equal(run(cpu, 'f3 a6').outcome, 'again')
  assert.equal(cpu.values[rcx], 1000n - 512n)
})
