// Names for the addresses of a guest: the kernel's from a list or out of the kernel file itself, programs' from their ELF files.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { elfSymbols, ImageError, isElf, kallsyms, kernelPayload, parseSystemMap, type Symbol } from '../../../guest/index.js'
import { CliError } from '../errors.js'
import { exitCodes } from '../ending.js'

/** vmlinux is 30 to 100 MiB; a payload that unpacks to more is none. */
const vmlinuxBytesMax = 512 << 20

/** Programs that unpack what Node cannot, and the Debian packages they come in. Bytes behind the stream are the kernel's and no error. */
const unpackers: Readonly<Record<string, { readonly words: readonly string[]; readonly from: string }>> = {
  xz: { words: ['xz', '-dc', '--single-stream'], from: 'xz-utils' },
  lzma: { words: ['xz', '-dc', '--format=lzma'], from: 'xz-utils' },
  zstd: { words: ['zstd', '-dcq'], from: 'zstd' },
  lz4: { words: ['lz4', '-dcq'], from: 'lz4' },
  bzip2: { words: ['bzip2', '-dc'], from: 'bzip2' },
  lzop: { words: ['lzop', '-dc'], from: 'lzop' },
}

/** The symbols that a Linux kernel carries in itself, at the addresses it was linked for. Throws CliError where they cannot be had. */
export function symbolsOfKernel(bzImage: Uint8Array): Symbol[] {
  const advice = "give its System.map (or the guest's /proc/kallsyms) with --profile-symbols FILE"
  try {
    const payload = kernelPayload(bzImage)
    if (!payload) throw new CliError('the kernel is packed in a way that cbit does not know', advice)
    return kallsyms(unpack(payload.compression, payload.bytes))
  } catch (error) {
    if (error instanceof ImageError) throw new CliError(error.message, advice)
    throw error
  }
}

function unpack(compression: string, bytes: Uint8Array): Uint8Array {
  if (compression === 'none') return bytes
  if (compression === 'gzip') return gunzipSync(bytes, { maxOutputLength: vmlinuxBytesMax })
  const { words, from } = unpackers[compression]!
  const { stdout, error } = spawnSync(words[0]!, words.slice(1), {
    input: bytes,
    maxBuffer: vmlinuxBytesMax,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  if (error || !stdout || stdout.length === 0) {
    throw new CliError(`the kernel's symbols are packed with ${compression}, which ${words[0]} does not unpack here`, `install ${from}`)
  }
  return stdout
}

/** `FILE` or `FILE@BASE`: a list of symbols, or an ELF file that is loaded BASE bytes above the addresses it was linked for. */
export function symbolsFromFile(argument: string): { readonly symbols: Symbol[]; readonly elf: boolean } {
  const [, file, base] = /^(.*?)(?:@(0x[0-9a-fA-F]+))?$/s.exec(argument)!
  try {
    const bytes = readFileSync(file!)
    const elf = isElf(bytes)
    const symbols = elf ? elfSymbols(bytes) : parseSystemMap(bytes.toString('latin1'))
    const moved = BigInt(base ?? 0)
    return { elf, symbols: symbols.map(({ name, address }) => ({ name, address: address + moved })) }
  } catch (error) {
    throw new CliError(`no symbols from ${file!}: ${(error as Error).message}`, undefined, exitCodes.usage)
  }
}
