// `cbit owner adopt`: platforms of one's own, so that a guest's policy can keep it within them.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { platformRandom } from '../../../lib/crypto.js'
import { newOwnerKey, ownerCertificate, signPlatformKey } from '../../../owner/index.js'
import { CliError } from '../errors.js'
import { privateFolder, readBytes, writePrivate, writePublic } from './owner-files.js'

/** What goes back to the platform's provider. */
export const adoptionFiles = { pek: 'pek.cert', oca: 'oca.cert' } as const
const keyFile = 'oca.key'

function random(bytes: number): Uint8Array {
  const target = new Uint8Array(bytes)
  platformRandom(target)
  return target
}

function ownersKey(folder: string): Uint8Array {
  privateFolder(folder)
  const file = join(folder, keyFile)
  if (!existsSync(file)) writePrivate(file, newOwnerKey(random))
  return readBytes(file, "the owner's key")
}

function adopt(folder: string, requestFile: string, out: string): void {
  const request = readBytes(requestFile, 'the request')
  const key = ownersKey(folder)
  const oca = key.length === 48 ? ownerCertificate(key) : undefined
  if (!oca) throw new CliError(`${join(folder, keyFile)} is no key of an owner`)
  const pek = signPlatformKey(key, request)
  if (!pek) throw new CliError(`${requestFile} is not what 'cbit chip csr' writes`)
  privateFolder(out)
  writePublic(join(out, adoptionFiles.pek), pek)
  writePublic(join(out, adoptionFiles.oca), oca)
  process.stdout.write(
    `For the provider: ${adoptionFiles.pek} and ${adoptionFiles.oca} in ${out} ('cbit chip own'). Yours alone: ${join(folder, keyFile)}\n`,
  )
}

export function addAdopt(owner: Command): void {
  owner
    .command('adopt')
    .argument('<dir>', "folder of the owner's key; both are made where there are none, and closed to others")
    .argument('<request>', "what 'cbit chip csr' has written")
    .argument('<out>', 'folder for what goes back')
    .summary("sign a platform's request: it becomes one of the owner's domain")
    .description(
      'Signs the endorsement key of a platform, so that guests whose policy says DOMAIN may move between all platforms that this owner has adopted.',
    )
    .action(adopt)
}
