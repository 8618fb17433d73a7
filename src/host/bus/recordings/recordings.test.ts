/**
 * The interrupt controllers and the clock's registers against QEMU 7.2 (TCG, machine q35). Random accesses from a seed; QEMU's answers
 * are recorded beside this file and compared with our board's. To record anew (needs QEMU and binutils): CBIT_RECORD=1.
 *
 * The accesses keep away from places where QEMU and the data sheets differ, and our board follows the sheets: an edge at a masked
 * I/O APIC pin is lost (QEMU keeps it), remote IRR is set only if a local APIC took the message, an 8259 request goes when its line
 * falls, ICW1 wants a new edge, LVT reserved bits read zero, the 8042 holds one byte.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { boardUnderTest } from '../board-under-test.js'

type Access =
  | { readonly kind: 'out' | 'store'; readonly at: number; readonly value: number }
  | { readonly kind: 'in' | 'load'; readonly at: number; readonly mask: number }
  | { readonly kind: 'take' }

const LOCAL_APIC = 0xfee0_0000
const IOAPIC = 0xfec0_0000

/** A list of accesses in the making, with a source of small random numbers. */
class Script {
  readonly accesses: Access[] = []
  constructor(private seed: number) {}

  random(below: number): number {
    this.seed = (Math.imul(this.seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return Math.floor(((this.seed >>> 8) / 0x80_0000) * below)
  }

  one(...values: readonly number[]): number {
    return values[this.random(values.length)]
  }

  out(...pairs: readonly (readonly [number, number])[]): void {
    for (const [at, value] of pairs) this.accesses.push({ kind: 'out', at, value })
  }

  in(at: number, mask = 0xff): void {
    this.accesses.push({ kind: 'in', at, mask })
  }

  apic(offset: number, value: number): void {
    this.accesses.push({ kind: 'store', at: LOCAL_APIC + offset, value: value >>> 0 })
  }

  readApic(offset: number, mask = 0xffff_ffff): void {
    this.accesses.push({ kind: 'load', at: LOCAL_APIC + offset, mask })
  }

  ioapic(register: number, value: number): void {
    this.accesses.push({ kind: 'store', at: IOAPIC, value: register }, { kind: 'store', at: IOAPIC + 0x10, value: value >>> 0 })
  }

  readIoapic(register: number, mask: number): void {
    this.accesses.push({ kind: 'store', at: IOAPIC, value: register }, { kind: 'load', at: IOAPIC + 0x10, mask })
  }

  /** Empties the keyboard controller. */
  drain(): void {
    this.in(0x60, 0)
    this.in(0x60, 0)
  }

  /** Firmware has used the board before us: masks, timers and clock to a known state. */
  calm(): void {
    this.out([0x21, 0xff], [0xa1, 0xff], [0x43, 0x30], [0x40, 0], [0x40, 0], [0x70, 0x0b], [0x71, 0x82], [0x70, 0x0c])
    this.in(0x71, 0)
    this.out([0x64, 0x60], [0x60, 0x24])
    this.drain()
  }
}

/** 8259 master with the keyboard controller pulling IRQ 1. */
function pic(script: Script): void {
  script.calm()
  script.out([0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, 1], [0x21, 0], [0xa0, 0x11], [0xa1, 0x28], [0xa1, 2], [0xa1, 1], [0xa1, 0xff])
  script.out([0x4d0, 0], [0x4d1, 0])
  for (let i = 0; i < 1500; i++) {
    const what = script.random(12)
    if (what === 0) script.out([0x21, script.random(4) ? script.random(256) & script.random(256) : 0])
    else if (what === 1) script.out([0x20, script.one(0x0a, 0x0b, 0x0c, 0x68, 0x48)])
    else if (what === 2) script.out([0x20, (script.random(8) << 5) | script.random(8)])
    else if (what === 3 && script.random(6) === 0) {
      script.drain()
      script.out([0x20, 0x11], [0x21, script.random(256)], [0x21, 4], [0x21, script.one(1, 3, 1, 1, 0x11)])
      script.in(0x21)
    } else if (what === 4) {
      script.drain()
      script.out([0x64, 0x60], [0x60, 0x24 | script.random(2)])
    } else if (what < 7) {
      script.drain()
      script.out([0x64, 0xd2], [0x60, script.random(256)])
    } else if (what === 7) script.in(0x60, 0)
    else if (what === 8) script.in(0x21)
    else if (what === 9) {
      script.out([0x20, 0x0c])
      script.in(0x20)
    } else script.in(0x20)
  }
}

/** Local APIC and I/O APIC: self-IPIs, logical and physical, pin 1 as edge and level, priorities, interrupts really taken. */
function apic(script: Script): void {
  script.calm()
  for (let pin = 0; pin < 24; pin++) {
    script.ioapic(0x10 + 2 * pin, pin === 1 ? 0x50 : 0x1_0000)
    script.ioapic(0x11 + 2 * pin, 0)
  }
  script.apic(0xf0, 0x1ff)
  script.apic(0xd0, 0x0100_0000)
  script.apic(0xe0, 0xffff_ffff)
  for (const lvt of [0x320, 0x330, 0x340, 0x350, 0x360, 0x370]) script.apic(lvt, 0x1_0000)
  for (const register of [0x280, 0x280, 0xb0, 0xb0, 0xb0, 0xb0]) script.apic(register, 0)
  for (let i = 0; i < 1500; i++) apicAccess(script)
}

function apicAccess(script: Script): void {
  const vector = 0x20 + script.random(0xe0)
  switch (script.random(15)) {
    case 0:
      return script.apic(0x80, script.random(3) ? script.random(256) : 0)
    case 1:
      return script.apic(0x300, 0x4_4000 | vector)
    case 2:
      script.apic(0x310, script.random(3) << 24)
      return script.apic(0x300, script.one(0x4800, 0x4000) | vector)
    case 3:
      return script.apic(0xb0, 0)
    case 4:
      script.apic(0xd0, script.random(256) << 24)
      return script.apic(0xe0, script.one(0xffff_ffff, 0x0fff_ffff))
    case 5:
      script.drain()
      script.ioapic(0x12, script.one(0, 0x8000) | vector)
      return script.ioapic(0x13, script.one(0, 0xff00_0000))
    case 6:
      script.drain()
      return script.out([0x64, 0x60], [0x60, 0x24 | (script.random(4) ? 1 : 0)])
    case 7:
      return script.in(0x60, 0)
    case 8:
      script.drain()
      return script.out([0x64, 0xd2], [0x60, 5])
    case 9:
      return script.readIoapic(0x12, 0xffff_efff)
    case 10:
      return void script.accesses.push({ kind: 'take' })
    case 11:
      return script.readApic(0xa0)
    case 12:
      return script.readApic(0x100 + 0x10 * script.random(24))
    case 13: {
      const register = script.one(0x20, 0x80, 0xd0, 0xe0, 0xf0, 0x300, 0x310, 0x320, 0x350, 0x360, 0x370, 0x3e0)
      return script.readApic(register, register === 0x300 ? 0xcfff : 0xffff_ffff)
    }
    default:
      return script.apic(script.one(0x320, 0x350, 0x360, 0x370), 0x1_0000 | vector)
  }
}

/** The clock's registers while it is being set, and CMOS bytes. */
function rtc(script: Script): void {
  script.calm()
  for (const [index, value] of [
    [0, 0x11],
    [2, 0x22],
    [4, 0x23],
    [6, 5],
    [7, 0x28],
    [8, 0x02],
    [9, 0x24],
    [0x32, 0x20],
    [1, 0],
    [3, 0],
    [5, 0],
  ]) {
    script.out([0x70, index], [0x71, value])
  }
  for (let i = 0; i < 600; i++) {
    const what = script.random(4)
    if (what === 0) script.out([0x70, script.one(0, 2, 4, 7, 8, 9, 1, 3, 5, 0x40, 0x7f)], [0x71, script.random(256)])
    else if (what === 1) script.out([0x70, 0x0b], [0x71, 0x82 | script.one(0, 4)])
    else {
      script.out([0x70, script.one(0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13)])
      script.in(0x71)
    }
  }
}

const scripts = { pic, apic, rtc }
type Name = keyof typeof scripts
type Recording = { readonly name: Name; readonly seed: number; readonly answers: string }

function accessesOf(name: Name, seed: number): readonly Access[] {
  const script = new Script(seed)
  scripts[name](script)
  return script.accesses
}

/** What our board answers, in the recorder's format. */
function perform(accesses: readonly Access[]): number[] {
  const { pc } = boardUnderTest({ vcpus: 1, ramBytes: 64 * 2 ** 20 })
  const answers: number[] = []
  for (const access of accesses) {
    if (access.kind === 'out') pc.ports.write(access.at, 1, access.value)
    else if (access.kind === 'store') pc.mmio.write(access.at, 4, access.value, 0, 0)
    else if (access.kind === 'in') answers.push(pc.ports.read(access.at, 1))
    else if (access.kind === 'load') answers.push(...word(pc.mmio.read(access.at, 4, 0).lo))
    else {
      for (let vector = pc.apics[0].acknowledge(); vector >= 0; vector = pc.apics[0].acknowledge()) answers.push(vector)
      answers.push(0)
    }
  }
  return answers
}

function word(value: number): [number, number, number, number] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
}

/** One line an access that answers, masked, so that two lists can be compared and read. */
function transcript(accesses: readonly Access[], answers: ArrayLike<number>): string[] {
  let at = 0
  const lines: string[] = []
  for (const access of accesses) {
    if (access.kind === 'take') {
      const vectors: number[] = []
      while (at < answers.length && answers[at] !== 0) vectors.push(answers[at++])
      at++
      lines.push(`takes ${vectors.map((vector) => vector.toString(16)).join(' ')}`)
    } else if (access.kind === 'in') lines.push(`in ${access.at.toString(16)} ${(answers[at++] & access.mask).toString(16)}`)
    else if (access.kind === 'load') {
      const value = answers[at] | (answers[at + 1] << 8) | (answers[at + 2] << 16) | (answers[at + 3] << 24)
      at += 4
      lines.push(`load ${access.at.toString(16)} ${((value & access.mask) >>> 0).toString(16)}`)
    }
  }
  return lines
}

function encode(accesses: readonly Access[]): Uint8Array {
  const bytes = accesses.flatMap((access) => {
    if (access.kind === 'out') return [1, access.at & 0xff, access.at >>> 8, access.value]
    if (access.kind === 'in') return [2, access.at & 0xff, access.at >>> 8]
    if (access.kind === 'store') return [3, ...word(access.at), ...word(access.value)]
    return access.kind === 'load' ? [4, ...word(access.at)] : [5]
  })
  return Uint8Array.from([...bytes, 0, 0, 0, 0])
}

function record(name: Name, seed: number): Recording {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-recorder-'))
  try {
    writeFileSync(join(folder, 'table.bin'), encode(accessesOf(name, seed)))
    const source = fileURLToPath(new URL('recorder.s', import.meta.url))
    execFileSync('as', ['--32', source, '-o', 'recorder.o'], { cwd: folder })
    execFileSync('ld', ['-m', 'elf_i386', '-Ttext', '0x100000', '--oformat', 'binary', 'recorder.o', '-o', 'recorder.bin'], {
      cwd: folder,
      stdio: 'ignore',
    })
    const board = ['-M', 'q35', '-m', '64', '-display', 'none', '-nodefaults', '-serial', 'null', '-no-reboot']
    const wires = ['-kernel', 'recorder.bin', '-debugcon', 'file:answers.bin', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']
    spawnSync('qemu-system-x86_64', [...board, ...wires], { cwd: folder, timeout: 30_000 })
    return { name, seed, answers: readFileSync(join(folder, 'answers.bin')).toString('base64') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const file = new URL('recordings.json', import.meta.url)
if (process.env['CBIT_RECORD']) {
  const plan: [Name, number][] = [
    ...[1, 2, 3].map((seed): [Name, number] => ['pic', seed]),
    ...[1, 2, 3, 4, 5, 6].map((seed): [Name, number] => ['apic', seed]),
    ...[1, 2].map((seed): [Name, number] => ['rtc', seed]),
  ]
  writeFileSync(
    file,
    JSON.stringify(
      plan.map(([name, seed]) => record(name, seed)),
      undefined,
      1,
    ) + '\n',
  )
}

for (const { name, seed, answers } of JSON.parse(readFileSync(file, 'utf8')) as Recording[]) {
  test(`${name}, seed ${seed}: the board answers as QEMU did`, () => {
    const accesses = accessesOf(name, seed)
    assert.deepEqual(transcript(accesses, perform(accesses)), transcript(accesses, Buffer.from(answers, 'base64')))
  })
}
