import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { platformRandom } from '../../../lib/crypto.js'
import { makeLaunchSession, type Random, type TransportKeys } from '../../../owner/index.js'
import { SEV_POLICY_RESERVED } from '../../../spec/sev/policy.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseCount } from '../quantities.js'
import { privateFolder, readBytes, readText, writePrivate, writePublic } from './owner-files.js'
import { describeChain, type RootFlags, trustedRoot, verifyFolder, withRootOptions } from './owner-verify-chain.js'

/** Files of a session: what the host gets, and what it never may see. */
export const sessionFiles = { godh: 'godh.cert', blob: 'session.bin', facts: 'session.json', tek: 'tek.bin', tik: 'tik.bin' } as const

export const random: Random = (bytes) => {
  const target = new Uint8Array(bytes)
  platformRandom(target)
  return target
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Public facts of a session, for both sides. */
export interface SessionFacts {
  readonly policy: number
  readonly apiMajor: number
  readonly apiMinor: number
}

export function readSessionFacts(folder: string): SessionFacts {
  const file = join(folder, sessionFiles.facts)
  let facts: unknown
  try {
    facts = JSON.parse(readText(file, 'the session'))
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`${file} is no JSON: ${(error as Error).message}`)
  }
  const { policy, apiMajor, apiMinor } = (facts ?? {}) as Record<string, unknown>
  const isByte = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xff
  if (!Number.isInteger(policy) || (policy as number) < 0 || (policy as number) > 0xffffffff || !isByte(apiMajor) || !isByte(apiMinor)) {
    throw new CliError(`${file} does not hold policy, apiMajor and apiMinor`)
  }
  return { policy: policy as number, apiMajor, apiMinor }
}

export function readTransportKeys(folder: string): TransportKeys {
  const key = (name: 'tek' | 'tik'): Uint8Array => {
    const bytes = readBytes(join(folder, sessionFiles[name]), `the ${name.toUpperCase()}`)
    if (bytes.length !== 16) throw new CliError(`${sessionFiles[name]} has ${bytes.length} bytes, not 16`)
    return bytes
  }
  return { tek: key('tek'), tik: key('tik') }
}

interface SessionFlags extends RootFlags {
  readonly chain: string
  readonly policy: string
  readonly force?: boolean
}

function session(folder: string, flags: SessionFlags): void {
  const policy = parseCount(flags.policy, '--policy', 0xffffffff)
  if ((policy & SEV_POLICY_RESERVED) !== 0) throw new CliError(`policy ${flags.policy} sets reserved bits`, undefined, exitCodes.usage)
  const verdict = verifyFolder(flags.chain, trustedRoot(flags))
  if (!verdict.chain) {
    process.stdout.write(describeChain(verdict) + '\n')
    throw new CliError('no session is made for a platform whose chain does not hold')
  }
  const { pdh, apiMajor, apiMinor } = verdict.chain
  if (pdh.publicKey.kind !== 'ec') throw new CliError('the PDH is no Diffie-Hellman key')
  if (existsSync(join(folder, sessionFiles.tik)) && !flags.force) {
    throw new CliError(`${folder} holds a session already`, 'choose another folder, or give --force to forget its keys')
  }
  const made = makeLaunchSession({ pdh: pdh.publicKey, apiMajor, apiMinor }, policy, random)
  privateFolder(folder)
  const at = (name: keyof typeof sessionFiles): string => join(folder, sessionFiles[name])
  writePrivate(at('tek'), made.tek)
  writePrivate(at('tik'), made.tik)
  writePublic(at('godh'), made.godh)
  writePublic(at('blob'), made.blob)
  writePublic(`${at('godh')}.b64`, base64(made.godh))
  writePublic(`${at('blob')}.b64`, base64(made.blob))
  writePublic(at('facts'), JSON.stringify({ policy, apiMajor, apiMinor }, null, 2) + '\n')
  process.stdout.write(
    `The platform's root is ${verdict.root}.\nFor the host: ${sessionFiles.godh}, ${sessionFiles.blob} (also as .b64) and ${sessionFiles.facts}.\n` +
      `Yours alone: ${sessionFiles.tek} and ${sessionFiles.tik}.\n`,
  )
}

export function addSession(owner: Command): void {
  const command = owner
    .command('session')
    .argument('<dir>', 'folder for the session; it is made, and closed to others')
    .summary('make a launch session for one platform and one policy')
    .description('Verifies a platform and makes a session that it alone can open: keys that stay here, and two files for the host.')
    .requiredOption('--chain <dir>', "folder with the platform's certificates")
    .option(
      '--policy <n>',
      'guest policy (11: nobody debugs it, shares its key or sends it away): 1 NODBG, 2 NOKS, 4 ES, 8 NOSEND, 16 DOMAIN, 32 SEV, and the lowest API version in bits 23:16 and 31:24',
      '11',
    )
    .option('--force', 'replace a session that the folder holds')
  withRootOptions(command).action(session)
}
