import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import type { Flash } from '../silicon/doors/board.js'

/** What the secure processor needs, with room. */
export const FLASH_BYTES = 0x1_0000

/** Flash that is forgotten with the board. */
export function volatileFlash(bytes: number = FLASH_BYTES): Flash {
  const content = new Uint8Array(bytes).fill(0xff)
  return {
    bytes,
    read(offset, length) {
      checkRange(bytes, offset, length)
      return content.slice(offset, offset + length)
    },
    write(offset, data) {
      checkRange(bytes, offset, data.length)
      content.set(data, offset)
    },
  }
}

/** Flash kept in a file, which is made (erased: all ones) where there is none. Throws what the file system throws. */
export function fileFlash(path: string, bytes: number = FLASH_BYTES): Flash {
  openFile(path, (file) => {
    const size = fstatSync(file).size
    if (size > bytes) ftruncateSync(file, bytes)
    if (size < bytes) writeSync(file, new Uint8Array(bytes - size).fill(0xff), 0, bytes - size, size)
  })
  return {
    bytes,
    read(offset, length) {
      checkRange(bytes, offset, length)
      const data = new Uint8Array(length)
      openFile(path, (file) => readSync(file, data, 0, length, offset))
      return data
    },
    write(offset, data) {
      checkRange(bytes, offset, data.length)
      openFile(path, (file) => writeSync(file, data, 0, data.length, offset))
    },
  }
}

/** Opens for reading and writing; makes the file where there is none, never truncates one. */
function openFile(path: string, use: (file: number) => void): void {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    use(file)
  } finally {
    closeSync(file)
  }
}

function checkRange(bytes: number, offset: number, length: number): void {
  if (!Number.isInteger(offset) || offset < 0 || length < 0 || offset + length > bytes)
    throw new RangeError(`no flash at ${offset} for ${length} bytes`)
}
