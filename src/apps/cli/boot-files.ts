// From the options of a command to what the machine boots: files read, defaults filled in, limits checked.

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { isMultiboot, pagedBytes, type GuestImage } from '../../guest/index.js'
import { bootImage } from './boot-image.js'
import { CliError } from './errors.js'
import { exitCodes } from './ending.js'
import { guestImage } from './image/build.js'
import { formatBytes } from './quantities.js'
import type { Progress } from './image/apt.js'

export interface BootFiles {
  readonly image: GuestImage
  /** The kernel's file. */
  readonly kernel: Uint8Array
  readonly imageName: string
}

export interface BootOptions {
  readonly kernel?: string | undefined
  readonly initrd?: string | undefined
  readonly append?: string | undefined
  /** A Multiboot kernel that sets C-bits itself. */
  readonly knowsSev?: boolean | undefined
}

/** No kernel or initramfs is larger; a device file or a disk given by mistake would fill our memory. */
const fileBytesMax = 1 << 30

export async function bootFiles(options: BootOptions, progress: Progress): Promise<BootFiles> {
  const own = options.kernel === undefined ? await guestImage({ progress }) : undefined
  const kernelName = own ? `Debian's kernel ${own.manifest.kernelVersion}` : options.kernel!
  const kernel = readImageFile(own?.kernel ?? options.kernel!, 'kernel')
  const initrdFile = options.initrd ?? own?.initrd
  const initrd = initrdFile === undefined ? undefined : readImageFile(initrdFile, 'initramfs')
  const append = options.append ?? ''
  // A Multiboot kernel gets exactly the words it was given.
  const commandLine = isMultiboot(kernel) ? append : linuxCommandLine(append)
  const image = bootImage({ kernel, kernelName, initrd, commandLine, knowsSev: options.knowsSev ?? false })
  return { image, kernel, imageName: kernelName }
}

/** What `bootFiles` reads, with the image for one guest: once it has been taken nothing here holds its bytes, which are in the guest's memory by then. */
export interface SingleBoot {
  readonly kernel: Uint8Array
  readonly imageName: string
  takeImage(): GuestImage
}

export async function singleBoot(options: BootOptions, progress: Progress): Promise<SingleBoot> {
  const { image, kernel, imageName } = await bootFiles(options, progress)
  let left: GuestImage | undefined = image
  const takeImage = (): GuestImage => {
    if (!left) throw new Error('the image has been taken')
    const taken = left
    left = undefined
    return taken
  }
  return { kernel, imageName, takeImage }
}

/** The console, and a panic that ends the machine, unless `append` says otherwise. */
export function linuxCommandLine(append: string): string {
  const has = (name: string): boolean => new RegExp(`(^|\\s)${name}=`).test(append)
  const defaults = [...(has('console') ? [] : ['console=ttyS0']), ...(has('panic') ? [] : ['panic=-1'])]
  return [...defaults, append.trim()].filter(Boolean).join(' ')
}

function readImageFile(file: string, what: string): Uint8Array {
  try {
    const status = statSync(file)
    if (!status.isFile()) throw new CliError(`the ${what} '${file}' is not a regular file`, undefined, exitCodes.usage)
    if (status.size > fileBytesMax) {
      throw new CliError(
        `the ${what} '${file}' has ${formatBytes(status.size)}; at most ${formatBytes(fileBytesMax)} can be loaded`,
        undefined,
        exitCodes.usage,
      )
    }
    return readPaged(file, status.size)
  } catch (error) {
    if (error instanceof CliError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'you may not read it' : message
    const advice = code === 'EACCES' ? `make it readable: sudo chmod a+r ${file}` : 'check the path'
    throw new CliError(`cannot read the ${what} '${file}': ${reason}`, advice, exitCodes.usage)
  }
}

/** At most `size` bytes of `file`: it may have become shorter. */
function readPaged(file: string, size: number): Uint8Array {
  const bytes = pagedBytes(size)
  const handle = openSync(file, 'r')
  try {
    for (let done = 0; done < size;) {
      const n = readSync(handle, bytes, done, size - done, null)
      if (n === 0) return bytes.subarray(0, done)
      done += n
    }
    return bytes
  } finally {
    closeSync(handle)
  }
}
