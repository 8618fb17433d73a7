// v86 as a program, in a process of its own: node v86-machine.js PACKAGE-FOLDER BIOS VGA-BIOS KERNEL INITRD MEMORY-MIB APPEND. Its serial port is on stdin and stdout.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, bios, vgaBios, kernel, initrd, memoryMiB, append] = process.argv.slice(2)
const { V86 } = await import(pathToFileURL(join(folder, 'build/libv86.mjs')).href)
const bytes = (file) => {
  const { buffer, byteOffset, byteLength } = readFileSync(file)
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) }
}

const emulator = new V86({
  wasm_path: join(folder, 'build/v86.wasm'),
  bios: bytes(bios),
  vga_bios: bytes(vgaBios),
  bzimage: bytes(kernel),
  initrd: bytes(initrd),
  cmdline: append,
  memory_size: Number(memoryMiB) << 20,
  vga_memory_size: 2 << 20,
  acpi: false,
  autostart: true,
  disable_speaker: true,
})
emulator.add_listener('serial0-output-byte', (byte) => process.stdout.write(Uint8Array.of(byte)))
process.stdin.on('data', (chunk) => {
  for (const byte of chunk) emulator.bus.send('serial0-input', byte)
})
process.stdin.on('end', () => process.exit(0))
