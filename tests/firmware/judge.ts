// libvirt's owner tool and Debian's OVMF: the machine's own where the tool runs, else out of Debian's packages, with the Python and the libraries
// they need, in cbit's cache. Nothing is installed, no root is needed.

import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, writableFolder } from '../../src/apps/cli/cache.js'
import { Apt, machineRelease, machineSources } from '../../src/apps/cli/image/apt.js'
import { unpack } from '../../src/apps/cli/image/unpack.js'

const packages = ['libvirt-clients-qemu', 'python3-lxml', 'python3-cryptography', 'ovmf']

export class Judge {
  readonly #command: readonly string[]
  readonly #environment: NodeJS.ProcessEnv
  /** An OVMF image as Debian ships it. */
  readonly firmware: string

  constructor(command: readonly string[], environment: NodeJS.ProcessEnv, firmware: string) {
    this.#command = command
    this.#environment = environment
    this.firmware = firmware
  }

  run(...words: readonly string[]): SpawnSyncReturns<string> {
    const [program, ...before] = this.#command
    return spawnSync(program!, [...before, ...words], { encoding: 'utf8', env: { ...process.env, ...this.#environment } })
  }

  /** Why it cannot judge, or undefined. */
  get trouble(): string | undefined {
    const { status, stderr, error } = this.run('--help')
    if (error) return error.message
    if (status !== 0) return stderr.trim().split('\n').at(-1) ?? `exit code ${status}`
    return existsSync(this.firmware) ? undefined : `${this.firmware} is absent`
  }
}

/** `root`: where the packages lie. Their own loader takes their own libraries, so that it does not matter what the machine is. */
function unpacked(root: string): Judge {
  const loader = [
    join(root, 'lib64/ld-linux-x86-64.so.2'),
    '--library-path',
    `${root}/usr/lib/x86_64-linux-gnu:${root}/lib/x86_64-linux-gnu`,
  ]
  return new Judge(
    [...loader, join(root, 'usr/bin/python3'), '-B', '-s', join(root, 'usr/bin/virt-qemu-sev-validate')],
    { PYTHONHOME: join(root, 'usr'), PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') },
    join(root, 'usr/share/ovmf/OVMF.fd'),
  )
}

async function fetched(): Promise<Judge> {
  const release = machineRelease()
  const folder = join(cacheFolder(), 'judge', release)
  if (existsSync(folder)) return unpacked(folder)
  const work = mkdtempSync(join(writableFolder(join(cacheFolder(), 'judge')), 'making-'))
  try {
    const apt = new Apt(join(work, 'apt'), machineSources(release), () => undefined)
    await apt.update()
    for (const { file } of await apt.downloadAll(packages)) await unpack(file, join(work, 'root'))
    if (!existsSync(folder)) renameSync(join(work, 'root'), folder)
    return unpacked(folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The judge, or why there is none here. CBIT_SEV_VALIDATE names one that is elsewhere. */
export async function findJudge(): Promise<Judge | string> {
  const own = new Judge([process.env['CBIT_SEV_VALIDATE'] ?? 'virt-qemu-sev-validate'], {}, '/usr/share/ovmf/OVMF.fd')
  if (own.trouble === undefined) return own
  if (process.env['CBIT_SEV_VALIDATE'] !== undefined) return `CBIT_SEV_VALIDATE does not run: ${own.trouble}`
  try {
    const judge = await fetched()
    return judge.trouble === undefined ? judge : `virt-qemu-sev-validate does not run here: ${judge.trouble}`
  } catch (error) {
    return `virt-qemu-sev-validate does not run here (${own.trouble}) and cannot be fetched: ${(error as Error).message}`
  }
}
