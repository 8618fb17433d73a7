// Bochs, the interpreter that other interpreters are measured by. Debian's package; no window, its serial port on a socket.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeBootDisk, type Geometry } from './boot-disk.js'
import { BenchError, type GuestFiles, type Peer } from './peer.js'

const bios = '/usr/share/bochs/BIOS-bochs-latest'
const vgaBios = '/usr/share/bochs/VGABIOS-lgpl-latest'

export function bochsPeer(program = 'bochs-bin'): Peer {
  let folder = ''
  let geometry: Geometry
  return {
    name: 'bochs',
    label: 'Bochs',
    apart: 'small',
    serial: 'socket',
    command(guest, port) {
      const file = join(folder, 'bochsrc')
      writeFileSync(file, configuration(guest, geometry, folder, port))
      // Debian's Bochs has the debugger, which waits for a word at the start.
      writeFileSync(join(folder, 'commands'), 'continue\n')
      return [program, '-q', '-f', file, '-rc', join(folder, 'commands')]
    },
    async prepare(guest) {
      for (const [file, name] of [
        [bios, 'bochsbios'],
        [vgaBios, 'vgabios'],
      ] as const) {
        if (!existsSync(file)) throw new BenchError(`its firmware is not installed: 'apt install ${name}'`)
      }
      this.describe()
      folder = mkdtempSync(join(tmpdir(), 'cbit-bochs-'))
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
      geometry = writeBootDisk(join(folder, 'disk'), guest)
    },
    describe() {
      try {
        const text = execFileSync(program, ['--help'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
        return /Bochs x86 Emulator [\d.]+/.exec(text)?.[0] ?? 'Bochs'
      } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
        throw new BenchError(
          missing ? "it is not installed: 'apt install bochs bochsbios vgabios'" : `${program} does not run: ${(error as Error).message}`,
        )
      }
    },
  }
}

function configuration(guest: GuestFiles, { cylinders, heads, sectors }: Geometry, folder: string, port: number): string {
  return [
    'config_interface: textconfig',
    // Debian has no display library without a display; this one waits for a viewer, or not.
    'display_library: rfb, options="timeout=0"',
    // Without a sound card in the host its mixer falls over.
    'sound: waveoutdrv=dummy, waveout=none, waveindrv=dummy, wavein=none, midioutdrv=dummy, midiout=none',
    'plugin_ctrl: speaker=0, es1370=0, sb16=0',
    `megs: ${guest.memoryMiB}`,
    `romimage: file=${bios}`,
    `vgaromimage: file=${vgaBios}`,
    // A processor with AVX2 and FMA, as cbit's and QEMU's are. Under Bochs' 'ryzen' Linux halts before it has printed a line.
    'cpu: model=corei7_haswell_4770, count=1, ips=50000000, reset_on_triple_fault=0',
    // Its time follows its instructions; ours is the host's. In step with real time it would wait whenever it is ahead.
    'clock: sync=none, time0=local',
    `ata0-master: type=disk, path=${join(folder, 'disk')}, mode=flat, cylinders=${cylinders}, heads=${heads}, spt=${sectors}`,
    'boot: disk',
    `com1: enabled=1, mode=socket-client, dev=127.0.0.1:${port}`,
    `log: ${join(folder, 'log')}`,
    'panic: action=fatal',
    'error: action=ignore',
    'info: action=ignore',
    'debug: action=ignore',
    '',
  ].join('\n')
}
