// Snapshots as files: written whole or not at all, read once from front to end.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Sink, Source } from '../../../host/hypervisor/index.js'
import { CliError } from '../errors.js'

/** While so much more is being written the disk takes what came before, so that little is left for the end. */
const DISK_BYTES = 32 << 20

/** `write` fills a file that gets its name when all of it is on the disk; until then, and whatever fails, a file that had the name stays. Mode 0600. */
export async function writeWhole<T>(file: string, write: (sink: Sink) => Promise<T>): Promise<{ result: T; bytes: number }> {
  const partial = `${file}.${process.pid}.partial`
  const handle = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw new CliError(`cannot write ${file}: ${(error as Error).message}`)
  })
  let bytes = 0
  let diskError: unknown
  let onDisk: Promise<void> = Promise.resolve()
  try {
    try {
      const result = await write(async (block) => {
        for (let at = 0; at < block.length;) {
          const { bytesWritten } = await handle.write(block, at, block.length - at).catch((error: unknown) => {
            diskError = error
            throw error
          })
          at += bytesWritten
        }
        if (Math.floor((bytes + block.length) / DISK_BYTES) > Math.floor(bytes / DISK_BYTES)) {
          // An error of the disk is told once: it must not be told to nobody.
          await onDisk
          onDisk = handle.datasync()
          onDisk.catch(() => undefined)
        }
        bytes += block.length
      })
      await onDisk
      await handle.sync()
      await handle.close()
      await rename(partial, file)
      await syncFolder(dirname(file))
      return { result, bytes }
    } finally {
      await onDisk.catch(() => undefined)
      await handle.close().catch(() => undefined)
    }
  } catch (error) {
    await rm(partial, { force: true })
    const { code, syscall, message } = error as NodeJS.ErrnoException
    if (diskError !== undefined || (code !== undefined && syscall !== undefined)) throw new CliError(`cannot write ${file}: ${message}`)
    throw error
  }
}

/** A name in a folder is on the disk when the folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const BLOCK_BYTES = 1 << 20

export interface OpenFile {
  readonly source: Source
  readonly bytes: number
  /** How much of it has been given. */
  done(): number
  close(): void
}

export function openFile(file: string): OpenFile {
  const fail = (error: unknown): never => {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`)
  }
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    return fail(error)
  }
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor)
    throw new CliError(`${file} is not a file`)
  }
  let block: Uint8Array = new Uint8Array(BLOCK_BYTES)
  let [from, to, done] = [0, 0, 0]
  const source = (length: number): Uint8Array | undefined => {
    if (to - from < length) {
      const room = length > block.length ? new Uint8Array(length) : block
      room.set(block.subarray(from, to))
      ;[block, to, from] = [room, to - from, 0]
      try {
        while (to < length) {
          const n = readSync(descriptor, block, to, block.length - to, null)
          if (n === 0) return undefined
          to += n
        }
      } catch (error) {
        return fail(error)
      }
    }
    from += length
    done += length
    return block.subarray(from - length, from)
  }
  return { source, bytes: fstatSync(descriptor).size, done: () => done, close: () => closeSync(descriptor) }
}
