// Bare-metal kernels of a few instructions through the program itself: what they print, how they end, what the loader tells them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const folder = mkdtempSync(join(tmpdir(), 'cbit-multiboot-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  readonly code: number | null
  /** One character a byte. */
  readonly output: string
  readonly errors: string
}

let kernels = 0

function run(kernel: Uint8Array, ...words: string[]): Outcome {
  const path = join(folder, `kernel-${kernels++}`)
  writeFileSync(path, kernel)
  const result = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'src/apps/cli/main.ts', 'run', '--kernel', path, '--memory', '64M', ...words],
    {
      cwd: root,
      encoding: 'latin1',
      timeout: 60_000,
      input: '',
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
    },
  )
  return { code: result.status, output: result.stdout, errors: result.stderr }
}

// ---- the smallest assembler: 32-bit code

const LOAD = 0x100000
const HEADER_BYTES = 0x10

const word32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
const toPort = (port: number): number[] => [0x66, 0xba, port & 0xff, port >> 8] // mov dx, port
/** Sends the string that ESI points to: lodsb; test al, al; jz out; mov dx, 3f8h; out dx, al; jmp back. */
const PRINT = [0xac, 0x84, 0xc0, 0x74, 0x07, ...toPort(0x3f8), 0xee, 0xeb, 0xf4]
/** Sends ECX bytes from ESI: cld; mov dx, 3f8h; rep outsb. */
const SEND = [0xfc, ...toPort(0x3f8), 0xf3, 0x6e]
const exitWith = (value: number): number[] => [...toPort(0xf4), 0xb0, value, 0xee, 0xf4]
/** call over the string; pop esi; print. */
const say = (text: string): number[] => [0xe8, ...word32(text.length + 1), ...[...text].map((c) => c.charCodeAt(0)), 0, 0x5e, ...PRINT]
/** mov esp, 200000h: the loader leaves no stack. */
const STACK = [0xbc, ...word32(0x200000)]
const UNDEFINED = [0x0f, 0x0b]
const HALT = [0xfa, 0xf4]
/** mov esi, [ebx + offset] and mov ecx, [ebx + offset]. */
const loadEsi = (offset: number): number[] => [0x8b, 0x73, offset]
const loadEcx = (offset: number): number[] => [0x8b, 0x4b, offset]

/** Multiboot header (specification 0.6.96, section 3.1.1), then code. */
function image(code: readonly number[]): number[] {
  const magic = 0x1badb002
  const flags = 3
  return [...word32(magic), ...word32(flags), ...word32(-(magic + flags)), ...word32(0), ...code]
}

/** An ELF executable of one segment at LOAD (gABI chapters 4 and 5). */
function elf(bits: 32 | 64, code: readonly number[]): Uint8Array {
  const content = image(code)
  const at = 0x1000
  const bytes = new Uint8Array(at + content.length)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, 1, 1])
  bytes.set(content, at)
  view.setUint16(16, 2, true)
  view.setUint16(18, bits === 32 ? 3 : 62, true)
  view.setUint32(20, 1, true)
  const wide = bits === 64
  /** Fields that are as wide as the class, at their offsets in both classes. */
  const field = (offset32: number, offset64: number, value: number): void => view.setUint32(wide ? offset64 : offset32, value, true)
  const table = wide ? 64 : 52
  field(24, 24, LOAD + HEADER_BYTES)
  field(28, 32, table)
  view.setUint16(wide ? 52 : 40, table, true)
  view.setUint16(wide ? 54 : 42, wide ? 56 : 32, true)
  view.setUint16(wide ? 56 : 44, 1, true)
  view.setUint32(table, 1, true)
  field(table + 4, table + 8, at)
  field(table + 8, table + 16, LOAD)
  field(table + 12, table + 24, LOAD)
  field(table + 16, table + 32, content.length)
  field(table + 20, table + 40, content.length + 0x1000)
  return bytes
}

// ---- how kernels end

for (const bits of [32, 64] as const) {
  test(`an ELF${bits} kernel prints, and its exit value comes out`, () => {
    const { code, output, errors } = run(elf(bits, [...STACK, ...say('Hello from ring 0\r\n'), ...exitWith(21)]))
    assert.equal(output, 'Hello from ring 0\r\n')
    assert.equal(code, 43, errors)
    assert.equal(errors, '')
  })
}

test('isa-debug-exit: V ends with 2V+1', () => {
  for (const value of [0, 1, 2, 0x3f]) assert.equal(run(elf(32, exitWith(value))).code, 2 * value + 1)
})

test('a triple fault has its own code, says where, and shows the registers', () => {
  const { code, output, errors } = run(elf(32, [...STACK, ...say('before'), ...UNDEFINED]))
  assert.equal(output, 'before')
  assert.equal(code, 8)
  assert.match(errors, /^cbit: triple fault: .*$/m)
  assert.match(errors, /\brip\b/)
  assert.match(errors, /rsp 0000000000200000/)
})

test('a kernel that halts for ever with interrupts off is not waited for', () => {
  const { code, errors } = run(elf(32, HALT))
  assert.equal(code, 10)
  assert.match(errors, /halted for ever, with interrupts off/)
})

test('a kernel in an encrypted VM must say that it knows SEV', () => {
  const program = elf(32, [...STACK, ...say('private'), ...exitWith(0)])
  const refused = run(program, '--sev', 'sev')
  assert.equal(refused.code, 2)
  assert.match(refused.errors, /cannot run encrypted/)
  const knowing = run(program, '--sev', 'sev', '--knows-sev')
  assert.deepEqual([knowing.output, knowing.code], ['private', 1], knowing.errors)
})

// ---- what the loader tells them

test('the loader leaves its magic number in EAX', () => {
  // cmp eax, magic; je to the second exit
  const compared = [0x3d, ...word32(0x2badb002), 0x74, exitWith(0).length]
  assert.equal(run(elf(32, [...compared, ...exitWith(1), ...exitWith(5)])).code, 11)
})

test('the command line begins with the name of the kernel', () => {
  const { output, code } = run(elf(32, [...loadEsi(16), ...PRINT, ...exitWith(0)]), '--append', 'one two=2 "three"')
  assert.match(output, /^\S*kernel-\d+ one two=2 "three"$/)
  assert.equal(code, 1)
})

test('the first module is the file that --initrd names', () => {
  const module = join(folder, 'module')
  const content = Buffer.from('module\0with any bytes\xff', 'latin1')
  writeFileSync(module, content)
  // mov edi, [ebx+24]; mov esi, [edi]; mov ecx, [edi+4]; sub ecx, esi
  const place = [0x8b, 0x7b, 24, 0x8b, 0x37, 0x8b, 0x4f, 4, 0x29, 0xf1]
  const { output } = run(elf(32, [...place, ...SEND, ...exitWith(0)]), '--initrd', module)
  assert.deepEqual(Buffer.from(output, 'latin1'), content)
})

interface Range {
  readonly base: bigint
  readonly bytes: bigint
  readonly type: number
}

/** Section 3.3: entries of a size, which does not count itself, then base, length and type. */
function memoryMap(raw: string): Range[] {
  const view = new DataView(Uint8Array.from(raw, (c) => c.charCodeAt(0)).buffer)
  const ranges: Range[] = []
  for (let at = 0; at < view.byteLength; at += 4 + view.getUint32(at, true)) {
    ranges.push({ base: view.getBigUint64(at + 4, true), bytes: view.getBigUint64(at + 12, true), type: view.getUint32(at + 20, true) })
  }
  return ranges
}

test('the memory map gives RAM once, in order, as much as --memory says but for the hole below 1 MiB and the tables at the top', () => {
  const program = elf(32, [...loadEsi(48), ...loadEcx(44), ...SEND, ...exitWith(0)])
  const { output, code, errors } = run(program)
  assert.equal(code, 1, errors)
  const map = memoryMap(output)
  for (const [i, range] of map.entries()) {
    const next = map[i + 1]
    if (next) assert.ok(range.base + range.bytes <= next.base, 'ranges overlap')
  }
  const ram = map.filter((range) => range.type === 1)
  assert.equal(ram[0]!.base, 0n)
  assert.equal(ram[1]!.base, 0x100000n)
  const end = ram[1]!.base + ram[1]!.bytes
  assert.ok(end > 0x3f00000n && end <= 0x4000000n, end.toString(16))
})

test('a kernel finds the ACPI tables by looking for the RSDP in the ROM below 1 MiB', () => {
  // mov esi, f0000h; mov ecx, 36
  const { output } = run(elf(32, [0xbe, ...word32(0xf0000), 0xb9, ...word32(36), ...SEND, ...exitWith(0)]))
  const rsdp = Buffer.from(output, 'latin1')
  assert.equal(rsdp.toString('latin1', 0, 8), 'RSD PTR ')
  for (const length of [20, 36])
    assert.equal(
      rsdp.subarray(0, length).reduce((sum, byte) => (sum + byte) & 0xff, 0),
      0,
    )
  const xsdt = rsdp.readUInt32LE(24)
  assert.ok(xsdt >= 0x3f00000 && xsdt < 0x4000000)
})

test('an MSR that CPUID does not offer raises an exception: SPEC_CTRL and PRED_CMD', () => {
  // mov ecx, msr; rdmsr or, with zeros, wrmsr
  assert.equal(run(elf(32, [0xb9, ...word32(0x48), 0x0f, 0x32, ...exitWith(0)])).code, 8)
  assert.equal(run(elf(32, [0xb9, ...word32(0x49), 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30, ...exitWith(0)])).code, 8)
})
