// Kernel and initramfs for each peer: the default image of its architecture with the bench's programs behind.

import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Architecture, Progress } from '../../src/apps/cli/image/apt.js'
import { guestImage } from '../../src/apps/cli/image/build.js'
import type { GuestFiles } from '../peers/peer.js'
import { guestPrograms } from './programs.js'

export interface GuestChoice {
  readonly kernel?: string | undefined
  readonly initrd?: string | undefined
  readonly memoryMiB: number
}

export interface PreparedGuest {
  readonly files: GuestFiles
  /** Programs that could not be had, each with the reason. */
  readonly missing: Readonly<Record<string, string>>
}

const append = 'console=ttyS0 panic=-1'

/** `choice` names a kernel and initramfs of the person's own in place of the default ones, for 64-bit guests. */
export async function preparedGuest(architecture: Architecture, choice: GuestChoice, progress: Progress): Promise<PreparedGuest> {
  const own = architecture === 'amd64' && choice.kernel !== undefined && choice.initrd !== undefined
  const image = own ? { kernel: choice.kernel, initrd: choice.initrd } : await guestImage({ architecture, progress })
  const { archive, missing } = await guestPrograms(architecture, progress)
  const initrd = join(mkdtempSync(join(tmpdir(), 'cbit-bench-')), `initramfs-${architecture}.cpio`)
  process.on('exit', () => rmSync(dirname(initrd), { recursive: true, force: true }))
  copyFileSync(image.initrd!, initrd)
  // The kernel looks for the next archive at a multiple of four bytes.
  appendFileSync(initrd, new Uint8Array(-statSync(initrd).size & 3))
  appendFileSync(initrd, readFileSync(archive))
  return { files: { kernel: image.kernel!, initrd, append, memoryMiB: choice.memoryMiB }, missing }
}
