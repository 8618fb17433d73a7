// What stands beside what: a peer is a way to boot the same kernel and initramfs with a serial console.

import type { Architecture } from '../../src/apps/cli/image/apt.js'

export type PeerName = 'qemu' | 'cbit' | 'cbit-sev' | 'cbit-later' | 'cbit-sev-later' | 'bochs' | 'v86'

export interface GuestFiles {
  readonly kernel: string
  readonly initrd: string
  /** The kernel's command line; the same for all peers. */
  readonly append: string
  readonly memoryMiB: number
}

export interface Peer {
  readonly name: PeerName
  /** For tables and plots. */
  readonly label: string
  /** So slow that it is measured by itself beside cbit, in few rounds: with the sizes that all have, or with small ones. */
  readonly apart?: 'full' | 'small'
  /** What it can run; default amd64. */
  readonly architecture?: Architecture
  /** Makes what it needs besides the guest's files; throws BenchError where it cannot. */
  prepare?(guest: GuestFiles, progress: (text: string) => void): Promise<void>
  /** Where its serial console is; default stdio. A peer with a socket connects to a port of this machine. */
  readonly serial?: 'stdio' | 'socket'
  /** Guests that run everything once and power off before its first figure is taken, so that it measures later runs. */
  readonly earlierRuns?: number
  /** What it finds in its environment beside ours. */
  readonly environment?: Readonly<Record<string, string>>
  /** Program and arguments. `port` is for the serial console, if that is a socket. */
  command(guest: GuestFiles, port: number): readonly string[]
  /** What it is, with its version. Throws BenchError where it cannot be run. */
  describe(): string
}

/** Said to the person in one line, without a stack. */
export class BenchError extends Error {}
