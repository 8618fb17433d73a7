import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { singleBoot } from '../boot-files.js'
import { ConsoleEnded } from '../console-watch.js'
import { findInDram } from '../control/server.js'
import { describeEnding, exitCodeOf } from '../ending.js'
import { openKeptCode } from '../kept-code/kept-code-folder.js'
import type { Machine } from '../machine.js'
import { countLooks, mapMemory, PAGE_BYTES, type MemoryMap } from '../memory/classify.js'
import { hexDump } from '../memory/hex.js'
import { memoryPng, memoryText, pictureLegend } from '../memory/picture.js'
import { createMachine } from '../machine.js'
import { runSession, type Session } from '../session.js'
import { Console } from '../terminal/console.js'
import { ProgressLine } from '../terminal/progress.js'
import { memorySize, sevMode } from './run.js'

interface DemoFlags {
  readonly sev: string | boolean
  readonly memory: string
  readonly picture?: string
}

const promptPattern = /cbit:\S*# /

export function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('the guided tour: boot an encrypted VM, hide a secret in it, look for it from outside')
    .description(
      "Boots Debian's kernel in a VM with SEV, types a secret into the guest, and shows the page that holds it from both sides of the wall.\n" +
        'On a terminal the tour ends in a shell of the guest; otherwise it powers the guest off.',
    )
    .option('--sev [mode]', 'sev, or none to see the same without encryption', 'sev')
    .option('--memory <size>', 'guest memory', '256M')
    .option('--picture <file>', 'where the picture of memory goes', join(tmpdir(), 'cbit-memory.png'))
    .action(demo)
}

async function demo(flags: DemoFlags): Promise<void> {
  const sev = sevMode(flags.sev)
  const memoryBytes = memorySize(flags.memory)
  const progress = new ProgressLine()
  const { imageName, takeImage } = await singleBoot({}, progress.show).finally(() => progress.done())
  const console = new Console()
  const tell = (text: string): void => console.say(process.stdout.isTTY ? `\x1b[1;36m${text}\x1b[0m` : text)
  tell(
    sev === 'sev'
      ? `cbit: ${imageName} boots on an emulated EPYC, its memory encrypted under a key that only the chip knows.\n` +
          'Its policy allows debugging, so that this tour may ask the secure processor what the guest sees.'
      : `cbit: ${imageName} boots on an emulated EPYC, without encryption.`,
  )
  const { ending } = await runSession({
    make: (onConsole) =>
      createMachine({
        image: takeImage(),
        imageName,
        sev,
        memoryBytes,
        seed: undefined,
        debugAllowed: true,
        keptCode: openKeptCode(),
        onConsole,
      }),
    name: undefined,
    console,
    script: (session) => tour(session, console, tell, flags.picture!),
  })
  if (ending.kind !== 'power-off') process.stderr.write(`cbit: ${describeEnding(ending)}\n`)
  process.exitCode = exitCodeOf(ending)
}

async function tour(session: Session, console: Console, tell: (text: string) => void, pictureFile: string): Promise<void> {
  const { machine, watch, name } = session
  const colour = Boolean(process.stdout.isTTY) && !process.env['NO_COLOR']
  console.hold(true)
  try {
    await watch.waitFor(promptPattern)
    const secret = `my secret is ${randomBytes(16).toString('hex')}`
    const prompt = watch.waitFor(promptPattern)
    console.type(`echo '${secret}' > /tmp/secret\r`)
    await prompt

    tell(`\nThe guest holds the secret in /tmp/secret now. We look for it in all of DRAM, as the provider of this machine can:`)
    const places = await machine.frozen(() => findInDram(machine, Buffer.from(secret)))
    console.say(places.length === 0 ? '  nowhere' : places.map((address) => `  found at 0x${address.toString(16)}`).join('\n'))
    await showPage(machine, Buffer.from(secret), console, tell)

    const map = await machine.frozen(() => mapMemory((at, length) => machine.readDram(at, length), machine.ramBase, machine.memoryBytes))
    tell("\nThe guest's memory as the provider sees it, first page at the top left:")
    console.say(`${memoryText(map, 64, 16, colour)}\n${pictureLegend(colour)}`)
    await savePicture(map, pictureFile, console)

    if (!console.interactive) {
      console.type('poweroff\r')
      return
    }
    tell(`\nThe guest's shell is yours. In another terminal: 'cbit dram --vm ${name} --find "my secret"'.\n${console.greeting()}`)
    console.type('\r')
  } catch (error) {
    if (!(error instanceof ConsoleEnded)) throw error
  } finally {
    console.hold(false)
  }
}

async function showPage(machine: Machine, secret: Buffer, console: Console, tell: (text: string) => void): Promise<void> {
  const page = await machine.frozen(() => pageWith(machine, secret))
  if (typeof page === 'string') {
    tell(`\nThe guest's side cannot be shown: ${page}`)
    return
  }
  const inside = machine.readGuest(page, 64)
  tell(
    `\nThe page at guest-physical 0x${page.toString(16)}, seen by the guest${machine.sev === 'sev' ? ' (decrypted by the secure processor)' : ''}:`,
  )
  if ('refused' in inside) console.say(`  refused: ${inside.refused}`)
  else console.say(hexDump(inside, page))
  tell('and on the memory bus:')
  console.say(hexDump(machine.readDram(machine.ramBase + page, 64), machine.ramBase + page))
}

const searchBytes = 16 * PAGE_BYTES

/** The guest page that begins with `secret` in clear text (a file in a RAM disk does), or why none is found. */
function pageWith(machine: Machine, secret: Buffer): number | string {
  for (let gpa = 1 << 20; gpa < machine.memoryBytes; gpa += searchBytes) {
    const bytes = machine.readGuest(gpa, Math.min(searchBytes, machine.memoryBytes - gpa))
    if ('refused' in bytes) return bytes.refused
    for (let offset = 0; offset < bytes.length; offset += PAGE_BYTES) {
      if (secret.equals(bytes.subarray(offset, offset + secret.length))) return gpa + offset
    }
  }
  return 'no page begins with the secret'
}

async function savePicture(map: MemoryMap, file: string, console: Console): Promise<void> {
  const { random, readable, zero } = countLooks(map)
  console.say(`${map.pages.length} pages: ${random} random-looking, ${readable} readable, ${zero} zero`)
  try {
    writeFileSync(file, await memoryPng(map))
    console.say(`One dot per page: ${file}`)
  } catch (error) {
    console.note(`cbit: the picture was not written: ${(error as Error).message}`)
  }
}
