/** Builds the oracles, C programs that let the host's CPU execute records, and runs them with a limit of time. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Far more than a run takes, also on a busy machine: an oracle that meets it has stuck. */
const TIME_MAX_MS = 120_000
const TIME_PER_RECORD_MS = 1
const OUTPUT_BYTES_MAX = 1 << 30
const PROGRESS_BYTES = 8

export class OracleProcess {
  private constructor(
    private readonly folder: string,
    private readonly program: string,
  ) {}

  /** Builds `source` of this folder, or says why that cannot be. */
  static build(source: string, options: readonly string[] = []): OracleProcess | string {
    const folder = mkdtempSync(join(tmpdir(), 'cbit-oracle-'))
    const program = join(folder, 'oracle')
    const built = spawnSync('gcc', ['-O1', ...options, '-o', program, join(import.meta.dirname, source)], { encoding: 'utf8' })
    if (!built.error && built.status === 0) return new OracleProcess(folder, program)
    rmSync(folder, { recursive: true })
    return `gcc does not build ${source}: ${built.error?.message ?? built.stderr.split('\n')[0] ?? ''}`
  }

  /** The output for `records` records; where there is none, an error that names the record by `nameOf`. */
  run(
    input: Uint8Array,
    records: number,
    nameOf: (record: number) => string,
    args: readonly string[] = [],
    timeMaxMs = TIME_MAX_MS,
  ): Buffer {
    const progress = join(this.folder, 'progress')
    writeFileSync(progress, new Uint8Array(PROGRESS_BYTES))
    const timeout = timeMaxMs + records * TIME_PER_RECORD_MS
    const { stdout, stderr, status, signal, error } = spawnSync(this.program, [progress, ...args], {
      input,
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout,
      killSignal: 'SIGKILL',
    })
    if (!error && status === 0) return stdout
    const at = Number(readFileSync(progress).readBigUInt64LE())
    const timedOut = error !== undefined && 'code' in error && error.code === 'ETIMEDOUT'
    const end = timedOut ? `did not end in ${timeout / 1000} s` : `ended with ${signal ?? status ?? error?.message}`
    const name = at < records ? nameOf(at) : 'after the last record'
    throw new Error(`the oracle on the host’s CPU ${end} at record ${at} of ${records}: ${name}\n${stderr?.toString() ?? ''}`.trimEnd())
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
