import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { toHex } from '../../../lib/bytes.js'
import {
  compareMeasurement,
  type Comparison,
  expectedMeasure,
  launchDigest,
  packageSecret,
  parseMeasurement,
  type ReportedMeasurement,
  secretAliases,
  type SecretEntry,
  secretTable,
  type TransportKeys,
} from '../../../owner/index.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseCount } from '../quantities.js'
import { readBytes, writePublic } from './owner-files.js'
import { expectedLaunch, type ExpectedLaunch, type LaunchFlags, withLaunchOptions } from './owner-launch.js'
import { base64, random, readSessionFacts, readTransportKeys, type SessionFacts } from './owner-session.js'

interface MeasureFlags extends LaunchFlags {
  readonly policy: string
  readonly json?: boolean
}

async function measure(flags: MeasureFlags): Promise<void> {
  const { components } = await expectedLaunch(flags, parseCount(flags.policy, '--policy', 0xffffffff))
  const digest = toHex(launchDigest(components))
  const parts = components.map(({ name, bytes }) => ({ name, bytes: bytes.length }))
  process.stdout.write(flags.json ? JSON.stringify({ launchDigest: digest, components: parts }, null, 2) + '\n' : `${digest}\n`)
}

interface CompareFlags extends LaunchFlags {
  readonly session: string
  readonly measurement: string
  readonly api?: string
  readonly build?: string
  readonly json?: boolean
}

/** What a host reports of a launch: the 48 bytes, and, where it says so, which firmware has measured. */
interface Report {
  readonly measurement: ReportedMeasurement
  readonly apiMajor?: number
  readonly apiMinor?: number
  readonly build?: number
}

/** A file (48 bytes, their base64, or the JSON of `cbit run`), or base64 itself. Whoever wrote it is not trusted. */
export function readReport(argument: string): Report {
  const content = existsSync(argument) ? readFileSync(argument) : Buffer.from(argument)
  const direct = parseMeasurement(Uint8Array.from(content))
  if (direct) return { measurement: direct }
  const text = content.toString('utf8').trim()
  if (text.startsWith('{')) return reportOfJson(text)
  const decoded = /^[A-Za-z0-9+/]{64}$/.test(text) ? parseMeasurement(Uint8Array.from(Buffer.from(text, 'base64'))) : undefined
  if (!decoded)
    throw new CliError(
      `'${argument}' is no measurement: neither 48 bytes, nor 64 characters of base64, nor a report of cbit`,
      undefined,
      exitCodes.usage,
    )
  return { measurement: decoded }
}

function reportOfJson(text: string): Report {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new CliError(`the report is no JSON: ${(error as Error).message}`)
  }
  const measurement =
    typeof value['measurement'] === 'string' ? parseMeasurement(Uint8Array.from(Buffer.from(value['measurement'], 'base64'))) : undefined
  if (!measurement) throw new CliError('the report holds no measurement of 48 bytes')
  const byte = (name: string): number | undefined => (Number.isInteger(value[name]) ? (value[name] as number) & 0xff : undefined)
  const [apiMajor, apiMinor, build] = [byte('apiMajor'), byte('apiMinor'), byte('build')]
  return {
    measurement,
    ...(apiMajor !== undefined && { apiMajor }),
    ...(apiMinor !== undefined && { apiMinor }),
    ...(build !== undefined && { build }),
  }
}

interface Judged {
  readonly comparison: Comparison
  readonly report: Report
  readonly keys: TransportKeys
  readonly expected: string
}

function versionOf(flags: CompareFlags, report: Report, facts: SessionFacts): { apiMajor: number; apiMinor: number; build: number } {
  const given = /^(\d+)\.(\d+)$/.exec(flags.api ?? '')
  if (flags.api !== undefined && !given) throw new CliError(`'${flags.api}' is no API version`, 'give --api MAJOR.MINOR', exitCodes.usage)
  const build = flags.build === undefined ? report.build : parseCount(flags.build, '--build', 0xff)
  if (build === undefined)
    throw new CliError('the report does not say which build of the firmware measured', 'give --build N', exitCodes.usage)
  if (given) return { apiMajor: Number(given[1]), apiMinor: Number(given[2]), build }
  return { apiMajor: report.apiMajor ?? facts.apiMajor, apiMinor: report.apiMinor ?? facts.apiMinor, build }
}

async function judge(flags: CompareFlags): Promise<Judged> {
  const [facts, keys] = [readSessionFacts(flags.session), readTransportKeys(flags.session)]
  const report = readReport(flags.measurement)
  const launch: ExpectedLaunch = await expectedLaunch(flags, facts.policy)
  const context = { ...versionOf(flags, report, facts), policy: facts.policy }
  const comparison = compareMeasurement({ context, tik: keys.tik, ...launch }, report.measurement)
  const expected = toHex(expectedMeasure(context, launchDigest(launch.components), report.measurement.mnonce, keys.tik))
  return { comparison, report, keys, expected }
}

async function compare(flags: CompareFlags): Promise<void> {
  const { comparison, report, expected } = await judge(flags)
  const found = toHex(report.measurement.measure)
  if (flags.json) process.stdout.write(JSON.stringify({ ...comparison, expected, found }, null, 2) + '\n')
  else
    process.stdout.write(
      `expected ${expected}\nfound    ${found}\n${comparison.ok ? 'The guest is what it should be.' : `The guest is not what it should be: ${comparison.reason}.`}\n`,
    )
  process.exitCode = comparison.ok ? 0 : 1
}

interface SecretFlags extends CompareFlags {
  readonly entry?: readonly string[]
  readonly raw?: string
  readonly out?: string
}

function secretBytes({ entry = [], raw }: SecretFlags): Uint8Array {
  if ((raw === undefined) === (entry.length === 0)) {
    throw new CliError('there is not exactly one kind of secret', 'give --entry GUID:FILE (once or more) or --raw FILE', exitCodes.usage)
  }
  if (raw !== undefined) return readBytes(raw, 'the secret')
  const entries = entry.map((text): SecretEntry => {
    const split = text.indexOf(':')
    const name = text.slice(0, Math.max(split, 0))
    return { guid: secretAliases[name] ?? name, data: readBytes(text.slice(split + 1), `the secret '${name}'`) }
  })
  try {
    return secretTable(entries)
  } catch (error) {
    throw new CliError((error as Error).message, `name entries by GUID or ${Object.keys(secretAliases).join(', ')}`, exitCodes.usage)
  }
}

export const secretFiles = { header: 'secret-header.bin', data: 'secret-data.bin' } as const

async function secret(flags: SecretFlags): Promise<void> {
  const plaintext = secretBytes(flags)
  const { comparison, report, keys } = await judge(flags)
  if (!comparison.ok) throw new CliError(`no secret for this guest: ${comparison.reason}`)
  const folder = flags.out ?? flags.session
  const { header, data } = packageSecret(keys, report.measurement.measure, plaintext, random)
  writePublic(join(folder, secretFiles.header), header)
  writePublic(join(folder, secretFiles.data), data)
  writePublic(join(folder, `${secretFiles.header}.b64`), base64(header))
  writePublic(join(folder, `${secretFiles.data}.b64`), base64(data))
  process.stdout.write(`The guest is what it should be. For the host: ${secretFiles.header} and ${secretFiles.data} in ${folder}.\n`)
}

function withReportOptions(command: Command): Command {
  return withLaunchOptions(command)
    .requiredOption('--session <dir>', 'folder of the session that the guest was launched with')
    .requiredOption('--measurement <file>', 'what the host reports: a file, or the base64 of LAUNCH_MEASURE')
    .option('--api <major.minor>', "API version of the platform's firmware; default: as reported, or as in the session")
    .option('--build <n>', "build of the platform's firmware; default: as reported")
}

export function addMeasure(owner: Command): void {
  withLaunchOptions(
    owner
      .command('measure')
      .summary('compute the launch digest that a guest must have')
      .description(
        'Prints the SHA-256 of all that is to be measured at launch. With bit 2 (ES) in --policy, register pages are measured too.',
      ),
  )
    .option('--policy <n>', 'guest policy', '1')
    .option('--json', 'print digest and components as JSON')
    .action(measure)
}

export function addCompare(owner: Command): void {
  withReportOptions(
    owner
      .command('compare')
      .summary('judge a reported launch measurement')
      .description(
        'Exits with 0 where the reported measurement is the expected one, else with 1, and says what the host has done differently where that can be found.',
      ),
  )
    .option('--json', 'print the verdict as JSON')
    .action(compare)
}

export function addSecret(owner: Command): void {
  const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value]
  withReportOptions(
    owner
      .command('secret')
      .summary('package a secret for a guest whose measurement is right')
      .description('Judges the measurement as `compare` does, and only then packages a secret that no other launch can open.'),
  )
    .option('--entry <guid:file>', 'entry of a table of secrets; may be given again', collect)
    .option('--raw <file>', 'bytes without a table')
    .option('--out <dir>', 'where the packet goes; default: the folder of the session')
    .action(secret)
}
