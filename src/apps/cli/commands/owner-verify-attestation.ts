import type { Command } from 'commander'
import { fromHex } from '../../../lib/bytes.js'
import { verifyAttestation } from '../../../owner/index.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseCount } from '../quantities.js'
import { readBytes } from './owner-files.js'
import { describeChain, type RootFlags, trustedRoot, verifyFolder, withRootOptions } from './owner-verify-chain.js'

interface AttestationFlags extends RootFlags {
  readonly chain: string
  readonly nonce: string
  readonly digest?: string
  readonly policy?: string
  readonly json?: boolean
}

function hexBytes(text: string, option: string, length: number): Uint8Array {
  if (text.length === 2 * length && /^[0-9a-f]+$/i.test(text)) return fromHex(text)
  throw new CliError(`'${text}' is not ${length} bytes in hex`, `give ${option} ${2 * length} hex digits`, exitCodes.usage)
}

function attestation(file: string, flags: AttestationFlags): void {
  const expected = {
    mnonce: hexBytes(flags.nonce, '--nonce', 16),
    launchDigest: flags.digest === undefined ? undefined : hexBytes(flags.digest, '--digest', 32),
    policy: flags.policy === undefined ? undefined : parseCount(flags.policy, '--policy', 0xffffffff),
  }
  const chain = verifyFolder(flags.chain, trustedRoot(flags))
  const verdict = chain.chain ? verifyAttestation(readBytes(file, 'the report'), chain.chain.pek, expected) : undefined
  const ok = verdict?.ok ?? false
  if (flags.json) {
    process.stdout.write(
      JSON.stringify({ ok, root: chain.root ?? null, chain: chain.checks, checks: verdict?.checks ?? [] }, null, 2) + '\n',
    )
  } else {
    const lines = (verdict?.checks ?? []).map((check) => `${check.ok ? 'ok    ' : 'FAILED'}  ${check.rule.padEnd(13)}  ${check.reason}`)
    process.stdout.write([describeChain({ ok: chain.ok, root: chain.root, checks: chain.checks }), ...lines].join('\n') + '\n')
  }
  process.exitCode = ok ? 0 : 1
}

export function addVerifyAttestation(owner: Command): void {
  const command = owner
    .command('verify-attestation')
    .argument('<report>', 'report of ATTESTATION (208 bytes)')
    .summary('judge an attestation report of a running guest')
    .description('Verifies the chain of the platform, the signature of its PEK on the report, and what the report says.')
    .requiredOption('--chain <dir>', "folder with the platform's certificates")
    .requiredOption('--nonce <hex>', 'the nonce that was asked with')
    .option('--digest <hex>', 'the launch digest that the guest must have')
    .option('--policy <n>', 'the policy that the guest must have')
    .option('--json', 'print the verdict as JSON')
  withRootOptions(command).action(attestation)
}
