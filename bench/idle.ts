// `node --import tsx bench/idle.ts`: what a guest costs that waits at its prompt. Needs the build (`npm run build`).

import { Command } from 'commander'
import { guestImage } from '../src/apps/cli/image/build.js'
import { cbitPeer } from './peers/cbit.js'
import type { Peer } from './peers/peer.js'
import { qemuPeer } from './peers/qemu.js'
import { RunningGuest } from './peers/running-guest.js'

interface Flags {
  readonly seconds: string
  readonly sev?: boolean
  readonly qemu?: boolean
}

const program = new Command('idle')
  .description('Boots the default guest, lets it wait at its prompt, and says how much processor time that took.')
  .option('--seconds <n>', 'how long', '20')
  .option('--sev', 'with SEV')
  .option('--qemu', 'QEMU too')

/** The kernel has work of its own left after the boot: modules, entropy, delayed freeing. */
const settleSeconds = 5

async function measure(peer: Peer, seconds: number): Promise<void> {
  const { kernel, initrd } = await guestImage({ progress: () => undefined })
  const guest = await RunningGuest.boot(peer, { kernel, initrd, append: 'console=ttyS0 panic=-1', memoryMiB: 512 })
  await guest.idle(settleSeconds)
  const { elapsed, wakes } = await guest.idle(seconds)
  await guest.powerOff()
  const share = (elapsed.processor / elapsed.wall) * 100
  process.stdout.write(
    `${peer.label}: ${elapsed.processor.toFixed(1)} ms of processor time in ${(elapsed.wall / 1000).toFixed(1)} s (${share.toFixed(2)} %), ` +
      `${(wakes / (elapsed.wall / 1000)).toFixed(1)} wakes a second\n`,
  )
}

program.parse()
const flags = program.opts<Flags>()
for (const peer of [cbitPeer(flags.sev ? 'sev' : 'none'), ...(flags.qemu ? [qemuPeer()] : [])]) await measure(peer, Number(flags.seconds))
