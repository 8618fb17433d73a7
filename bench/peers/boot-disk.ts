// A disk image that boots a Linux kernel with initramfs and command line by a boot sector of our own (boot-sector.S).

import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BenchError, type GuestFiles } from './peer.js'

const sector = 512
const chunkSectors = 64
const chunk = chunkSectors * sector
const commandSectors = 4

export interface Geometry {
  readonly cylinders: number
  readonly heads: number
  readonly sectors: number
}

/** Writes the image to `file`; returns the geometry that it fills exactly. */
export function writeBootDisk(file: string, { kernel, initrd, append, memoryMiB }: GuestFiles): Geometry {
  const image = readFileSync(kernel)
  const setupSectors = (image[0x1f1] || 4) + 1
  const parts = { code: image.subarray(setupSectors * sector), initrd: readFileSync(initrd) }
  const chunks = (bytes: Uint8Array): number => Math.ceil(bytes.length / chunk)
  const setupLba = chunkSectors
  const kernelLba = setupLba + chunkSectors
  const initrdLba = kernelLba + chunks(parts.code) * chunkSectors
  const end = initrdLba + chunks(parts.initrd) * chunkSectors
  const words = Buffer.alloc(sector)
  // High in memory, below what firmware may keep for itself at its end.
  const initrdAddress = Math.floor(((memoryMiB - 4) * 0x100000 - parts.initrd.length) / 0x1000) * 0x1000 - chunk
  const values = [
    setupLba,
    setupSectors,
    kernelLba,
    chunks(parts.code),
    initrdLba,
    chunks(parts.initrd),
    initrdAddress,
    parts.initrd.length,
  ]
  values.forEach((value, i) => words.writeUInt32LE(value, 4 * i))
  const command = Buffer.alloc(commandSectors * sector)
  if (command.write(`${append}\0`, 'latin1') !== append.length + 1) throw new BenchError('the command line is too long for a boot disk')
  const heads = 16
  const sectors = 63
  const cylinders = Math.ceil(end / (heads * sectors))
  const disk = openSync(file, 'w')
  const put = (bytes: Uint8Array, lba: number): void => void writeSync(disk, bytes, 0, bytes.length, lba * sector)
  try {
    put(bootSector(), 0)
    put(words, 1)
    put(command, 2)
    put(image.subarray(0, setupSectors * sector), setupLba)
    put(parts.code, kernelLba)
    put(parts.initrd, initrdLba)
    put(new Uint8Array(sector), cylinders * heads * sectors - 1)
  } finally {
    closeSync(disk)
  }
  return { cylinders, heads, sectors }
}

function bootSector(): Buffer {
  const work = mkdtempSync(join(tmpdir(), 'cbit-boot-'))
  try {
    const source = fileURLToPath(new URL('boot-sector.S', import.meta.url))
    const output = join(work, 'sector')
    const words = ['-m32', '-nostdlib', '-static', '-Wl,-Ttext=0x7c00,--oformat=binary,--build-id=none', '-o', output, source]
    const { error, status, stderr } = spawnSync('gcc', words, { encoding: 'utf8' })
    if (error) throw new BenchError('gcc, which assembles its boot sector, is not installed')
    if (status !== 0) throw new BenchError(`gcc does not assemble the boot sector: ${stderr.trim().split('\n')[0] ?? ''}`)
    return readFileSync(output)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
