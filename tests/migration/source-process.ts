// A process that does what `cbit run --sev` does, with the counting guest: started by kills.test.ts, which gives it a name.

import { ConsoleWatch } from '../../src/apps/cli/console-watch.js'
import { exitCodeOf } from '../../src/apps/cli/ending.js'
import { createMachine, type Machine } from '../../src/apps/cli/machine.js'
import { attend, consoleTap } from '../../src/apps/cli/session.js'
import { Console } from '../../src/apps/cli/terminal/console.js'
import { traveller } from '../machine/index.js'

const [console, watch] = [new Console(), new ConsoleWatch()]
const machine: Machine = createMachine({
  sev: 'sev',
  memoryBytes: 64 << 20,
  image: traveller({ encrypted: true }),
  imageName: 'the counting guest',
  seed: undefined,
  debugAllowed: false,
  onConsole: consoleTap(console, watch, () => machine),
})
const { ending } = await attend(machine, watch, { console, name: process.argv[2] })
process.exit(exitCodeOf(ending))
