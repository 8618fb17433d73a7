// What stands beside what: a peer is a way to boot the same kernel and initramfs with a serial console on stdin and stdout.

export type PeerName = 'qemu' | 'cbit' | 'cbit-sev'

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
  /** Program and arguments. */
  command(guest: GuestFiles): readonly string[]
  /** What it is, with its version. Throws BenchError where it cannot be run. */
  describe(): string
}

/** Said to the person in one line, without a stack. */
export class BenchError extends Error {}
