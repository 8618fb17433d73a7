import { readFileSync, statSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type CodeSize, Decoder, DECODED, LENGTH_MAX } from '../../../silicon/core/decode/decoder.js'
import { disassemble } from '../../../silicon/core/decode/disassemble.js'
import { Instruction } from '../../../silicon/core/decode/instruction.js'
import { opcodeTable } from '../../../silicon/core/decode/opcodes.js'
import { BlockLowering } from '../../../silicon/core/ir/lower.js'
import { MODE_CODE16, MODE_CODE32, MODE_CODE64, MODE_FLAT, MODE_STACK32 } from '../../../silicon/core/state/layout.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseBytes } from '../quantities.js'

interface DisasmFlags {
  readonly mode: '16' | '32' | '64'
  readonly address: string
  readonly skip: string
  readonly length?: string
  readonly ir?: boolean
}

/** A terminal is no place for more, and the text of an instruction is some thirty times its bytes. */
const codeBytesMax = 16 << 20

const modes: Readonly<Record<DisasmFlags['mode'], { readonly size: CodeSize; readonly bits: number }>> = {
  '16': { size: 2, bits: MODE_CODE16 | MODE_FLAT },
  '32': { size: 4, bits: MODE_CODE32 | MODE_STACK32 | MODE_FLAT },
  '64': { size: 8, bits: MODE_CODE64 },
}

const examples = `
Examples:
  cbit disasm boot.bin --mode 16 --address 0x7c00     a boot sector
  cbit disasm page.bin --address 0xffffffff81000000   a page of kernel code
  cbit disasm page.bin --ir                           with the core's intermediate code of each block
`

export function addDisasm(program: Command): void {
  program
    .command('disasm')
    .argument('<file>', 'raw machine code')
    .summary('show machine code as the emulated core decodes it')
    .description(
      "Shows the instructions of raw machine code as the emulated core decodes them, in Intel's syntax, by the core's own opcode table.",
    )
    .addOption(new Option('--mode <bits>', 'code size').choices(['16', '32', '64']).default('64'))
    .option('--address <number>', 'address of the first byte shown', '0')
    .option('--skip <size>', 'bytes of the file to pass over', '0')
    .option('--length <size>', 'how many bytes to show')
    .option('--ir', 'show what each block of instructions is lowered to')
    .addHelpText('after', examples)
    .action(disasm)
}

async function disasm(file: string, flags: DisasmFlags): Promise<void> {
  const code = readCode(file, flags)
  const address = parseAddress(flags.address)
  const { size, bits } = modes[flags.mode]
  const lines = flags.ir ? await withIr(code, size, bits, address) : listing(code, size, address, 0, code.length)
  process.stdout.write(lines.join('\n') + '\n')
}

function readCode(file: string, flags: DisasmFlags): Uint8Array {
  const skip = parseBytes(flags.skip, '--skip')
  try {
    const { size } = statSync(file)
    const length = flags.length === undefined ? size - skip : parseBytes(flags.length, '--length')
    if (length > codeBytesMax)
      throw new CliError(`${length} bytes are more than ${codeBytesMax}`, 'give --skip and --length', exitCodes.usage)
    const code = readFileSync(file).subarray(skip, skip + length)
    if (code.length === 0) throw new CliError(`'${file}' has no bytes there`, `it has ${size}`, exitCodes.usage)
    return code
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`cannot read '${file}': ${(error as Error).message}`, undefined, exitCodes.usage)
  }
}

function parseAddress(text: string): bigint {
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) || BigInt(text) >> 64n !== 0n) {
    throw new CliError(`'${text}' is no address`, 'give --address a value such as 0xffffffff81000000', exitCodes.usage)
  }
  return BigInt(text)
}

/** One line an instruction of [from, to); a byte that begins none is shown as data. */
function listing(code: Uint8Array, size: CodeSize, address: bigint, from: number, to: number): string[] {
  const decoder = new Decoder(opcodeTable())
  const instruction = new Instruction()
  const lines: string[] = []
  for (let at = from; at < to;) {
    const here = BigInt.asUintN(64, address + BigInt(at))
    const decoded = decoder.decode(code, at, code.length, size, instruction) === DECODED
    const length = decoded ? instruction.length : 1
    const bytes = [...code.subarray(at, at + length)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = decoded ? disassemble(instruction, size, here) : `(bad)`
    lines.push(`${here.toString(16).padStart(size === 8 ? 16 : 8, '0')}  ${bytes.padEnd(3 * LENGTH_MAX - 1 - 14)}  ${text}`)
    at += length
  }
  return lines
}

async function withIr(code: Uint8Array, size: CodeSize, bits: number, address: bigint): Promise<string[]> {
  // Loaded here: its tables of names would delay every start of the program.
  const { blockText } = await import('../../../silicon/core/ir/text.js')
  const lowering = new BlockLowering(opcodeTable())
  const lines: string[] = []
  for (let at = 0; at < code.length;) {
    const block = lowering.lower(code, at, code.length, bits)
    // The last instruction is cut short by the end of the file.
    const length = block ? Math.max(block.length, 1) : code.length - at
    lines.push(...listing(code, size, address, at, Math.min(at + length, code.length)))
    if (block)
      lines.push(
        ...blockText(block.emitter.words, block.emitter.count)
          .trimEnd()
          .split('\n')
          .map((line) => `    ${line}`),
        '',
      )
    at += length
  }
  return lines
}
