import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { type ChainFiles, type ChainName, chainNames, type ChainVerdict, type TrustedRoot, verifyChain } from '../../../owner/index.js'
import { emulatedRoot } from '../../../vendor/index.js'
import { readBytes } from './owner-files.js'

export interface RootFlags {
  readonly root?: string
  readonly emulated?: boolean
}

export function withRootOptions(command: Command): Command {
  return command
    .option('--root <file>', "trust this root (an ARK certificate) in place of AMD's")
    .option(
      '--emulated',
      "trust the root of cbit's emulated chips, whose private key is public: it proves nothing about anyone else's machine",
    )
}

export function trustedRoot({ root, emulated }: RootFlags): TrustedRoot {
  if (root !== undefined) return { ark: readBytes(root, 'the root'), name: basename(root) }
  return emulated ? { ark: emulatedRoot().ark, name: "cbit's emulated vendor" } : 'amd'
}

const files: Readonly<Record<ChainName, string>> = { ark: 'ARK', ask: 'ASK', cek: 'CEK', oca: 'OCA', pek: 'PEK', pdh: 'PDH' }

/** The verdict on the certificates in `folder`; an absent file is a broken chain like any other. */
export function verifyFolder(folder: string, root: TrustedRoot): ChainVerdict {
  const missing = chainNames.filter((name) => !existsSync(join(folder, `${name}.cert`)))
  if (missing.length > 0) {
    const checks = missing.map((name) => ({ link: files[name], ok: false, reason: `there is no ${name}.cert in ${folder}` }))
    return { ok: false, root: undefined, checks }
  }
  return verifyChain(readChain(folder), root)
}

function readChain(folder: string): ChainFiles {
  return Object.fromEntries(
    chainNames.map((name) => [name, Uint8Array.from(readFileSync(join(folder, `${name}.cert`)))]),
  ) as unknown as ChainFiles
}

export function describeChain(verdict: ChainVerdict): string {
  const lines = verdict.checks.map(({ link, ok, reason }) => `${ok ? 'ok    ' : 'FAILED'}  ${link.padEnd(8)}  ${reason}`)
  const end = verdict.ok ? `The chain holds; its root is ${verdict.root}.` : 'The chain does not hold: do not trust this platform.'
  return [...lines, end].join('\n')
}

export function addVerifyChain(owner: Command): void {
  const command = owner
    .command('verify-chain')
    .argument('<dir>', 'folder with ark, ask, cek, oca, pek and pdh, each as NAME.cert')
    .summary("verify a platform's certificate chain")
    .description(
      "Verifies the chain ARK, ASK, CEK, PEK (signed by CEK and OCA), PDH of a platform. Exits with 0 where it holds and its root is AMD's\n" +
        '(or the one that --root or --emulated names), else with 1 and the links that fail.',
    )
    .option('--json', 'print the verdict as JSON')
  withRootOptions(command).action((folder: string, flags: RootFlags & { readonly json?: boolean }) => {
    const { ok, root, checks } = verifyFolder(folder, trustedRoot(flags))
    process.stdout.write(
      `${flags.json ? JSON.stringify({ ok, root: root ?? null, checks }, null, 2) : describeChain({ ok, root, checks })}\n`,
    )
    process.exitCode = ok ? 0 : 1
  })
}
