import { join } from 'node:path'
import type { Command } from 'commander'
import { createBoard } from '../../../board/index.js'
import { HostMachine } from '../../../host/hypervisor/index.js'
import { type SevDriver, SevError } from '../../../host/sev-driver/index.js'
import { createSoc } from '../../../silicon/soc.js'
import { openChip } from '../chip-folder.js'
import { chipKernels } from '../chip-kernels.js'
import { CliError } from '../errors.js'
import { adoptionFiles } from './owner-adopt.js'
import { privateFolder, readBytes, writePublic } from './owner-files.js'

const dramBytes = 32 << 20

/** The chip without a guest, its platform initialised. */
function withPlatform<T>(folder: string, use: (driver: SevDriver) => T): T {
  const { fuses, flashFile } = openChip(folder)
  const board = createBoard({ fuses, flashFile })
  const soc = createSoc({ board, kernels: chipKernels(), dramBytes })
  const driver = new HostMachine(soc.host).readySev()
  try {
    return use(driver)
  } finally {
    driver.shutdown()
  }
}

/** All certificates of the chain that ends in this chip's PDH. */
export function exportChain(folder: string): Readonly<Record<'ark' | 'ask' | 'cek' | 'oca' | 'pek' | 'pdh', Uint8Array>> {
  const { ark, ask } = openChip(folder).fuses.certificates
  return { ark: ark!, ask: ask!, ...withPlatform(folder, (driver) => driver.ownership.pdhCertExport()) }
}

function writeChain(folder: string, out: string): void {
  const chain = exportChain(folder)
  privateFolder(out)
  for (const [name, bytes] of Object.entries(chain)) writePublic(join(out, `${name}.cert`), bytes)
  process.stdout.write(`ark, ask, cek, oca, pek and pdh in ${out}. For the owner: cbit owner verify-chain --emulated ${out}\n`)
}

function writeRequest(folder: string, file: string): void {
  writePublic(
    file,
    withPlatform(folder, (driver) => driver.ownership.pekCsr()),
  )
  process.stdout.write(`${file} goes to the owner: cbit owner adopt\n`)
}

function own(folder: string, from: string): void {
  const [pek, oca] = [adoptionFiles.pek, adoptionFiles.oca].map((name) => readBytes(join(from, name), 'what the owner signed')) as [
    Uint8Array,
    Uint8Array,
  ]
  try {
    withPlatform(folder, (driver) => driver.ownership.pekCertImport(pek, oca))
  } catch (error) {
    if (!(error instanceof SevError)) throw error
    const advice = {
      ALREADY_OWNED: "the chip has an owner: 'cbit chip pek-gen' makes it its own again, with new keys",
      INVALID_CERTIFICATE: "the owner signs what 'cbit chip csr' has written since the last 'pek-gen'",
      INVALID_LENGTH: 'the files are no certificates of SEV',
    } as Partial<Record<string, string>>
    throw new CliError(`the chip does not take this owner (${error.command}: ${error.statusName})`, advice[error.statusName])
  }
}

export function addChip(program: Command): void {
  const chip = program
    .command('chip')
    .summary('a chip of your own, the same at every start')
    .description("Chips that keep their identity: a folder with fuses and flash, for 'cbit run --chip'.")
  chip
    .command('export')
    .argument('<chip>', 'folder of the chip; a new chip is made where there is none')
    .argument('<out>', 'folder for the certificates')
    .summary('write the certificate chain of a chip, for owners of guests to verify')
    .action(writeChain)
  chip
    .command('csr')
    .argument('<chip>', 'folder of the chip')
    .argument('<file>', 'the request')
    .summary("write the chip's endorsement key for an owner to sign ('cbit owner adopt')")
    .action(writeRequest)
  chip
    .command('own')
    .argument('<chip>', 'folder of the chip')
    .argument('<from>', "folder with what 'cbit owner adopt' has written")
    .summary('give the chip, which owns itself, to an owner; it gets a new Diffie-Hellman key')
    .action(own)
  for (const [name, summary, act] of [
    ['pek-gen', 'new owner, endorsement and Diffie-Hellman keys: the chip owns itself', (driver: SevDriver) => driver.ownership.pekGen()],
    ['pdh-gen', 'a new Diffie-Hellman key: sessions made for the old one no longer open', (driver: SevDriver) => driver.ownership.pdhGen()],
  ] as const) {
    chip
      .command(name)
      .argument('<chip>', 'folder of the chip')
      .summary(summary)
      .action((folder: string) => withPlatform(folder, act))
  }
}
