// A Linux kernel that is launched unpacked: what its own unpacking would leave, entered at the first instruction of the kernel proper.

import { spawnSync } from 'node:child_process'
import { isElf, kernelPayload, type GuestImage } from '../../../src/guest/index.js'
import { parseElf } from '../../../src/guest/multiboot/elf.js'
import { wholePages } from '../../../src/guest/guest-memory.js'

const VMLINUX_BYTES_MAX = 512 << 20

/** `image` with `kernel`'s own program in place of the one that unpacks it, or why that cannot be had. Unpacking is three quarters of a boot's instructions. */
export function unpacked(image: GuestImage, kernel: Uint8Array): GuestImage | string {
  const payload = kernelPayload(kernel)
  if (payload?.compression !== 'xz') return `the kernel is not packed with xz`
  const { stdout } = spawnSync('xz', ['-dc', '--single-stream'], { input: payload.bytes, maxBuffer: VMLINUX_BYTES_MAX })
  if (!stdout || !isElf(stdout)) return 'xz does not unpack the kernel here'
  const program = parseElf(stdout)
  return {
    description: `${image.description}, unpacked`,
    plan(platform) {
      const { regions, entry } = image.plan(platform)
      const placed = regions.map((region) => (region.name === 'kernel' ? wholePages(region.name, program.base, program.bytes) : region))
      return { regions: placed, entry: { ...entry, rip: program.entry } }
    },
  }
}
