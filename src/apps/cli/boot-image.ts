// Reads a kernel file's format and makes a bootable image of it.

import { basename } from 'node:path'
import { ImageError, isMultiboot, linuxImage, multibootImage, type GuestImage } from '../../guest/index.js'
import { HostResourceError } from '../../host/hypervisor/index.js'
import { exitCodes } from './ending.js'
import { CliError } from './errors.js'

export interface ImageParts {
  readonly kernel: Uint8Array
  readonly kernelName: string
  readonly initrd: Uint8Array | undefined
  readonly commandLine: string
  /** A Multiboot kernel that sets C-bits itself. */
  readonly knowsSev: boolean
}

/** Throws CliError for a file that is no kernel, or a broken one. */
export function bootImage(parts: ImageParts): GuestImage {
  return explained(parts.kernelName, () => {
    if (!isMultiboot(parts.kernel)) {
      const initrd = parts.initrd ? { initrd: parts.initrd } : {}
      return linuxImage({ kernel: parts.kernel, commandLine: parts.commandLine, ...initrd })
    }
    const modules = parts.initrd ? [{ bytes: parts.initrd, commandLine: '' }] : []
    const name = basename(parts.kernelName)
    return multibootImage({ kernel: parts.kernel, name, commandLine: parts.commandLine, modules, knowsSev: parts.knowsSev })
  })
}

/** Runs `action`; what is wrong with an image becomes one clear line. */
export function explained<T>(kernelName: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof HostResourceError) throw new CliError(`the VM cannot be made: ${error.message}`, undefined, exitCodes.usage)
    if (error instanceof ImageError) throw new CliError(`cannot boot '${kernelName}': ${error.message}`, adviceFor(error), exitCodes.usage)
    throw error
  }
}

function adviceFor(error: ImageError): string | undefined {
  switch (error.problem) {
    case 'too-little-memory':
      return 'give the guest more with --memory'
    case 'wrong-format':
      return 'a Linux bzImage or a Multiboot v1 ELF file is needed'
    case 'truncated':
      return 'the file may not be complete: copy or download it again'
    default:
      return undefined
  }
}
