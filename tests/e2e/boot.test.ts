// Debian's unmodified kernel from power-on to power-off, through the program itself.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const folder = mkdtempSync(join(tmpdir(), 'cbit-boot-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

// A machine that is not quiet takes minutes.
const bootMsMax = 900_000

function cbit(words: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, XDG_RUNTIME_DIR: folder }
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/apps/cli/main.ts', ...words], {
      cwd: root,
      env: environment,
      timeout: bootMsMax,
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('latin1')))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, errors }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

let imageProblem: string | undefined
before(async () => {
  const { code, errors } = await cbit(['image'])
  if (code !== 0) imageProblem = errors.trim().split('\n').at(-1)
})

/** Without Debian's packages there is nothing to boot. */
function needsImage(context: TestContext): boolean {
  if (imageProblem !== undefined) context.skip(`the guest image cannot be built here: ${imageProblem}`)
  return imageProblem === undefined
}

/** A small guest that runs `commands` and powers off. */
const script = (commands: string): string[] => ['--memory', '128M', '--append', `quiet cbit.run="${commands}"`]

test('with SEV the kernel says so, finds its devices, and powers off', async (context) => {
  if (!needsImage(context)) return
  const commands =
    'dmesg | grep -i -e encryption -e hypervisor; modprobe virtio_pci; modprobe virtio-rng; cat /sys/class/misc/hw_random/rng_current; echo done'
  const { code, output, errors } = await cbit(['run', '--sev', 'sev', ...script(commands)])
  assert.match(output, /Memory Encryption Features active: AMD SEV\b/)
  assert.match(output, /done/)
  assert.equal(code, 0, errors)
})

test('without SEV it does not; the exit status of a command comes out as isa-debug-exit does', async (context) => {
  if (!needsImage(context)) return
  const { code, output, errors } = await cbit(['run', ...script('dmesg | grep -c [E]ncryption.Features; exit 3')])
  assert.match(output, /^0\r?$/m)
  assert.doesNotMatch(output, /AMD SEV/)
  assert.equal(code, 7, errors)
})

test('commands from a pipe reach the shell; its end is no end for the guest', async (context) => {
  if (!needsImage(context)) return
  const { code, output, errors } = await cbit(
    ['run', '--sev', 'sev', '--memory', '128M', '--append', 'quiet'],
    'expr 6 \\* 7\nsleep 1; poweroff\n',
  )
  assert.match(output, /^42\r?$/m)
  assert.match(output, /reboot: Power down/)
  assert.equal(code, 0, errors)
})

test('a kernel panic has its own code and its message', async (context) => {
  if (!needsImage(context)) return
  const { code, errors } = await cbit(['run', '--sev', 'sev', ...script('echo c > /proc/sysrq-trigger')])
  assert.match(errors, /kernel panic: sysrq triggered crash/)
  assert.equal(code, 6)
})

test('the same seed repeats a run to the bit', async (context) => {
  if (!needsImage(context)) return
  const run = async (name: string) => {
    const report = join(folder, name)
    const { output } = await cbit([
      'run',
      '--sev',
      'sev',
      '--seed',
      '7',
      '--report',
      report,
      ...script('head -c 8 /dev/urandom | xxd -p; date'),
    ])
    const { instructions, dramSha256, exitCode } = JSON.parse(readFileSync(report, 'utf8')) as Record<string, unknown>
    return { output, instructions, dramSha256, exitCode }
  }
  const first = await run('first.json')
  const second = await run('second.json')
  assert.equal(first.exitCode, 0)
  assert.deepEqual(second, first)
})
