/**
 * Nanoseconds of processor time per instruction of the core on small loops. Not a test:
 *   node --import tsx bench/interpreter.ts [million instructions] [translate]
 * Build the kernels for speed first: node tools/build-kernel.js
 */

import { Machine } from '../tests/isa/machine.js'
import { CODE, DATA, WINDOW_BYTES, type Case } from '../tests/isa/state.js'

const MILLION = 1_000_000
const instructions = Number(process.argv[2] ?? 100) * MILLION
const translate = process.argv[3] === 'translate'
const CODE_OFFSET = 0x100

interface Loop {
  readonly name: string
  readonly code: readonly number[]
  /** Instructions in one round, to tell the time of a round. */
  readonly round: number
}

/** Jump back from the end of `body` to its start, `opcode` being a short conditional jump. */
const back = (body: readonly number[], opcode = 0x75): number[] => [...body, opcode, -(body.length + 2) & 255]

const loops: readonly Loop[] = [
  {
    // mov rax,[rsi+rdx*8] / add rbx,rax / xor rdi,rbx / add rdx,1 / and edx,0x3ff / dec rcx / jnz
    name: 'load, add, xor, add, and, dec, jnz',
    code: back([
      0x48, 0x8b, 0x04, 0xd6, 0x48, 0x01, 0xc3, 0x48, 0x31, 0xdf, 0x48, 0x83, 0xc2, 0x01, 0x81, 0xe2, 0xff, 0x03, 0, 0, 0x48, 0xff, 0xc9,
    ]),
    round: 7,
  },
  {
    // mov rax,[rsi+rdx*8] / mov [rsi+rdx*8+0x2000],rax / add rdx,1 / and edx,0x1ff / dec rcx / jnz
    name: 'copy by 8 bytes',
    code: back([
      0x48, 0x8b, 0x04, 0xd6, 0x48, 0x89, 0x84, 0xd6, 0x00, 0x20, 0, 0, 0x48, 0x83, 0xc2, 0x01, 0x81, 0xe2, 0xff, 0x01, 0, 0, 0x48, 0xff,
      0xc9,
    ]),
    round: 6,
  },
  {
    // movzx eax,byte [rsi+rdx] / xor ebx,eax / imul ebx,ebx,0x01000193 / inc edx / and edx,0xfff / dec rcx / jnz
    name: 'FNV-1a hash of bytes',
    code: back([
      0x0f, 0xb6, 0x04, 0x16, 0x31, 0xc3, 0x69, 0xdb, 0x93, 0x01, 0x00, 0x01, 0xff, 0xc2, 0x81, 0xe2, 0xff, 0x0f, 0, 0, 0x48, 0xff, 0xc9,
    ]),
    round: 7,
  },
  {
    // call f / dec rcx / jnz back / (int3) … f: push rbp / mov rbp,rsp / pop rbp / ret
    name: 'call, push, mov, pop, ret',
    code: [0xe8, 6, 0, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xcc, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3],
    round: 7,
  },
  {
    // mov rdx,rsi / lea rdi,[rsi+0x2000] / mov r8,rcx / mov ecx,0x1000 / rep movsb / mov rsi,rdx / mov rcx,r8 / dec rcx / jnz
    name: 'rep movsb of 4 KiB (budget counts 8 bytes as one)',
    code: back([
      0x48, 0x89, 0xf2, 0x48, 0x8d, 0xbe, 0x00, 0x20, 0, 0, 0x49, 0x89, 0xc8, 0xb9, 0x00, 0x10, 0, 0, 0xf3, 0xa4, 0x48, 0x89, 0xd6, 0x4c,
      0x89, 0xc1, 0x48, 0xff, 0xc9,
    ]),
    round: 9,
  },
  {
    // movdqu xmm0,[rsi] / pxor xmm1,xmm0 / paddd xmm2,xmm1 / movdqu [rsi+0x2000],xmm2 / dec rcx / jnz
    name: 'SSE2: load, pxor, paddd, store, dec, jnz',
    code: back([
      0xf3, 0x0f, 0x6f, 0x06, 0x66, 0x0f, 0xef, 0xc8, 0x66, 0x0f, 0xfe, 0xd1, 0xf3, 0x0f, 0x7f, 0x96, 0x00, 0x20, 0, 0, 0x48, 0xff, 0xc9,
    ]),
    round: 6,
  },
]

function start(machine: Machine, code: readonly number[]): void {
  const gpr = new BigUint64Array(16)
  gpr[1] = 1n << 60n
  gpr[4] = BigInt(DATA + 0x3f00)
  gpr[6] = BigInt(DATA)
  const fx = new Uint8Array(512)
  new DataView(fx.buffer).setUint32(24, 0x1f80, true)
  const window = new Uint8Array(WINDOW_BYTES)
  const one: Case = {
    name: '',
    mode: 'long',
    code: Uint8Array.from(code),
    offset: CODE_OFFSET,
    gpr,
    rflags: 0x202,
    fs: 0n,
    gs: 0n,
    fx,
    window,
  }
  machine.load(one)
}

for (const { name, code, round } of loops) {
  const machine = new Machine(translate)
  start(machine, code)
  // WebAssembly functions are replaced by their optimised form at a call, never in a loop: short runs first, and time for the compiler.
  for (let n = 0; n < 20; n++) {
    machine.core.run(MILLION / 4)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const began = process.cpuUsage()
  const retired = machine.core.instructionsRetired
  machine.core.run(instructions)
  const spent = process.cpuUsage(began)
  const ns = ((spent.user + spent.system) * 1000) / (machine.core.instructionsRetired - retired)
  const stopped = machine.u64(0xf8) < BigInt(CODE) ? ' (stopped early)' : ''
  console.log(
    `${name}: ${ns.toFixed(2)} ns per instruction, ${(1000 / ns).toFixed(0)} MIPS, ${(ns * round).toFixed(1)} ns a round${stopped}`,
  )
}
