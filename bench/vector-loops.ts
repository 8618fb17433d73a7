/**
 * Times of loops of vector and floating-point code (vector-loops.c) on the translated core. Not a test. Needs gcc and Linux.
 *   node --import tsx bench/vector-loops.ts [rounds] [name …]
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Machine } from '../tests/isa/machine.js'
import { CODE, DATA, FX_MXCSR, WINDOW_BYTES, type Case } from '../tests/isa/state.js'

const names = ['search', 'chacha', 'integers', 'dot', 'packed', 'mandelbrot', 'convert', 'exact']
const rounds = Number(process.argv[2] ?? 2000)
const wanted = process.argv.slice(3)
const REPEATS = 5
const RSP = 4
const RDI = 7
const RSI = 6

const script = `SECTIONS {
  . = ${CODE}; .text : { *(.text.start) *(.text*) *(.rodata*) *(.data*) }
  . = ${DATA}; .bss : { *(.bss*) *(COMMON) }
  /DISCARD/ : { *(*) } }`

function compiled(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-loops-'))
  try {
    writeFileSync(join(folder, 'script'), script)
    const elf = join(folder, 'loops')
    const options = [
      '-O2',
      '-fno-pic',
      '-no-pie',
      '-nostdlib',
      '-ffreestanding',
      '-fno-math-errno',
      '-mno-red-zone',
      '-fno-stack-protector',
      '-fcf-protection=none',
    ]
    execFileSync('gcc', [
      ...options,
      '-T',
      join(folder, 'script'),
      '-Wl,--build-id=none',
      '-o',
      elf,
      join(import.meta.dirname, 'vector-loops.c'),
    ])
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', elf, elf + '.bin'])
    return readFileSync(elf + '.bin')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function caseOf(code: Uint8Array, which: number): Case {
  const gpr = new BigUint64Array(16)
  gpr[RSP] = BigInt(DATA + 0x3ff8)
  gpr[RDI] = BigInt(rounds)
  gpr[RSI] = BigInt(which)
  const fx = new Uint8Array(512)
  new DataView(fx.buffer).setUint32(FX_MXCSR, 0x1f80, true)
  return {
    name: names[which]!,
    mode: 'long',
    code,
    offset: 0,
    gpr,
    rflags: 0x202,
    fs: 0n,
    gs: 0n,
    fx,
    window: new Uint8Array(WINDOW_BYTES),
  }
}

/** Nanoseconds that the main thread has run, compilers' threads not counted. */
const processorNs = (): number => Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0])

const code = compiled()
for (const [which, name] of names.entries()) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const machine = new Machine(true)
  let best = Infinity
  let instructions = 0
  for (let n = 0; n < REPEATS; n++) {
    machine.load(caseOf(code, which))
    const before = machine.core.instructionsRetired
    const start = processorNs()
    for (let k = 0; k < 100_000 && machine.core.run(2_000_000) === 1; k++);
    best = Math.min(best, processorNs() - start)
    instructions = machine.core.instructionsRetired - before
    if (machine.outcome().vector !== 3)
      throw new Error(`${name} ended with ${machine.outcome().vector} at ${machine.outcome().rip.toString(16)}`)
  }
  console.log(
    `${name.padEnd(12)} ${(best / rounds).toFixed(0).padStart(9)} ns a round ${(best / instructions).toFixed(2).padStart(7)} ns an instruction`,
  )
}
