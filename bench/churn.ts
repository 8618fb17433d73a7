// `node --import tsx bench/churn.ts [--minutes 60]`: memory and code cache while code comes and goes. Programs are copied to fresh files, so to fresh frames of memory, run until they are
// hot, and removed, over and over: all that the core has lowered and compiled of them is dead weight afterwards. Needs the kernels (`npm run build`). Ends with code 1 where memory is not bounded.

import { Command } from 'commander'
import { bootFiles } from '../src/apps/cli/boot-files.js'
import { prepareEngine } from '../src/apps/cli/engine.js'
import { createMachine, type Machine } from '../src/apps/cli/machine.js'
import { preparedGuest } from './guest/guest-files.js'
import { median } from './statistics.js'

interface Flags {
  readonly minutes: string
  readonly every: string
  readonly memory: string
  readonly sev?: boolean
}

const program = new Command('churn')
  .description('Runs fresh copies of programs in one guest, and prints resident memory and the counters of the code cache over time.')
  .option('--minutes <n>', 'how long', '3')
  .option('--every <seconds>', 'a line so often', '10')
  .option('--memory <mib>', 'guest memory', '512')
  .option('--sev', 'with SEV')

/** More than the guest's own memory: the goal of issue 4. */
const overGuestMiBMax = 450
/** What the last third of the run may have more than the second, where it is stable: garbage that nobody has collected yet. */
const growthMax = 0.05
const MIB = 2 ** 20

/** One round in the guest: every program from fresh frames. */
const round = [
  'n=0; while :; do n=$((n+1)); d=/tmp/churn$n; mkdir $d; cp /bin/busybox /bench/* $d/',
  'head -c 400000 $d/seed | $d/busybox sha256sum >/dev/null; head -c 100000 $d/seed | $d/busybox gzip -c >/dev/null',
  '$d/python3 -I -S -B /bench/integer.py 3000 >/dev/null; $d/python3 -I -S -B /bench/float.py 12 >/dev/null',
  'head -c 60000 $d/seed | $d/xz -1 -c >/dev/null; $d/openssl dgst -sha512 $d/seed >/dev/null 2>&1',
  "$d/sqlite3 -batch -cmd '.parameter set :rounds 500' :memory: < /bench/mix.sql >/dev/null; $d/float-kernels lu 5 >/dev/null",
  'rm -r $d; echo "<<"ROUND $n; done',
].join('; ')

class GuestConsole {
  private text = ''
  private waiting: { readonly pattern: RegExp; readonly resolve: () => void } | undefined
  rounds = 0

  take(byte: number): void {
    this.text = (this.text + String.fromCharCode(byte)).slice(-4096)
    const found = /<<ROUND (\d+)\r/.exec(this.text.slice(-40))
    if (found) this.rounds = Number(found[1])
    if (this.waiting?.pattern.test(this.text)) this.waiting.resolve()
  }

  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => (this.waiting = { pattern, resolve }))
  }
}

async function type(machine: Machine, text: string): Promise<void> {
  let bytes: Uint8Array = Buffer.from(`${text}\n`, 'latin1')
  while (bytes.length > 0) {
    bytes = bytes.subarray(machine.input(bytes))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function line(seconds: number, machine: Machine, rounds: number): number {
  const { rss, heapUsed, external } = process.memoryUsage()
  const { chip } = machine.statistics()
  const { translated } = chip.code
  const cells: readonly (readonly [number | string, number])[] = [
    [seconds.toFixed(0), 6],
    [rounds, 7],
    [(rss / MIB).toFixed(0), 8],
    [((rss - machine.memoryBytes) / MIB).toFixed(0), 10],
    [(heapUsed / MIB).toFixed(0), 6],
    [(external / MIB).toFixed(0), 9],
    [chip.code.blocks, 9],
    [chip.code.blocksDropped, 9],
    [(chip.code.arenaBytes / MIB).toFixed(1), 7],
    [chip.code.clears, 7],
    [translated?.regions ?? 0, 8],
    [((translated?.bytes ?? 0) / MIB).toFixed(1), 8],
  ]
  process.stdout.write(cells.map(([value, width]) => String(value).padStart(width)).join('') + '\n')
  return rss / MIB
}

async function main(flags: Flags): Promise<void> {
  const { files } = await preparedGuest('amd64', { memoryMiB: Number(flags.memory) }, (text) => process.stderr.write(`${text}\n`))
  const boot = await bootFiles({ ...files, append: files.append }, () => undefined)
  const console = new GuestConsole()
  prepareEngine()
  const machine = createMachine({
    ...boot,
    sev: flags.sev ? 'sev' : 'none',
    memoryBytes: Number(flags.memory) * MIB,
    seed: undefined,
    debugAllowed: false,
    onConsole: (byte) => console.take(byte),
  })
  const running = machine.run()
  await console.until(/[#$] (?:\x1b\[6n)?$/)
  await type(machine, round)
  process.stdout.write('     s rounds  RSS MiB over guest  heap external   blocks  dropped  arena clears regions wasm MiB\n')
  const samples: number[] = []
  const started = performance.now()
  while (performance.now() - started < Number(flags.minutes) * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, Number(flags.every) * 1000))
    samples.push(line((performance.now() - started) / 1000, machine, console.rounds))
  }
  machine.stop()
  await running
  process.exitCode = verdict(samples, Number(flags.memory), console.rounds)
}

function verdict(samples: readonly number[], memoryMiB: number, rounds: number): number {
  if (samples.length < 3 || rounds < 3) {
    process.stdout.write(`too short to judge: ${samples.length} lines, ${rounds} rounds\n`)
    return 2
  }
  const third = Math.ceil(samples.length / 3)
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(-third)].map(median) as [number, number]
  const over = Math.max(...samples) - memoryMiB
  const growth = last / middle - 1
  const bounded = over <= overGuestMiBMax
  const stable = growth <= growthMax
  process.stdout.write(
    `${bounded ? 'met   ' : 'MISSED'}  at most ${over.toFixed(0)} MiB over the guest's own memory (goal: at most ${overGuestMiBMax})\n` +
      `${stable ? 'met   ' : 'MISSED'}  resident memory of the last third over the second: ${growth >= 0 ? '+' : ''}${(growth * 100).toFixed(1)} % (goal: at most ${growthMax * 100})\n`,
  )
  return bounded && stable ? 0 : 1
}

program.parse()
main(program.opts<Flags>())
  .then(() => process.exit())
  .catch((error: unknown) => {
    process.stderr.write(`churn: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(2)
  })
