// QEMU's TCG with the devices that cbit has too: no disk, no network, serial console on stdio. QEMU has no SEV without an EPYC under it.

import { execFileSync } from 'node:child_process'
import { BenchError, type Peer } from './peer.js'

export function qemuPeer(program = 'qemu-system-x86_64'): Peer {
  return {
    name: 'qemu',
    label: 'QEMU TCG',
    command: ({ kernel, initrd, append, memoryMiB }) => [
      program,
      ...['-accel', 'tcg', '-machine', 'q35', '-cpu', 'max', '-smp', '1', '-m', String(memoryMiB)],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot'],
      ...['-kernel', kernel, '-initrd', initrd, '-append', append],
    ],
    describe() {
      try {
        return execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0]!.trim()
      } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
        throw new BenchError(
          missing
            ? `${program} is not installed: 'apt install qemu-system-x86', give --qemu PROGRAM, or measure cbit alone with --peers cbit,cbit-sev`
            : `${program} does not run: ${(error as Error).message.split('\n')[0]}`,
        )
      }
    },
  }
}
