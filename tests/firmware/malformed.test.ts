import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandTable } from '../../src/silicon/secure-processor/index.js'
import type { Fields, Layout } from '../../src/lib/layout.js'
import { SevCommand, type SevCommandName } from '../../src/spec/sev/command-ids.js'
import { statusName } from '../../src/spec/sev/status.js'
import { needsKernel } from './firmware-platform.js'
import { goodBuffer, type Scene, sceneIn } from './good-buffers.js'
import { type Case, type Change, free, type Trial, trials } from './malformed-table.js'

function layoutOf(command: SevCommandName): Layout {
  return commandTable.get(SevCommand[command])!.layout!
}

function changed(command: SevCommandName, buffer: Uint8Array, change: Change): Uint8Array {
  Object.assign(layoutOf(command).view(buffer), change)
  return buffer
}

/** All memory that is not the driver's own. */
const memory = ({ platform: { host } }: Scene): Buffer => Buffer.from(host.read(0, host.dramBytes - 0x8000))

function tryOne({ command, base = {} }: Trial, scene: Scene, { change, status, told }: Case): void {
  const { driver } = scene.platform
  const sent = changed(command, goodBuffer(scene, command), { ...base, ...change })
  const [before, guests] = [memory(scene), driver.platformStatus()]
  const answer = driver.mailbox.issue(command, sent)
  const says = `${command} ${JSON.stringify(change)}`
  assert.equal(statusName(answer.status), status, says)
  assert.ok(memory(scene).equals(before), `${says}: memory is untouched`)
  assert.deepEqual(driver.platformStatus(), guests, `${says}: the platform is untouched`)
  const layout = layoutOf(command) as Layout<Fields>
  const expected = told ? Object.assign(layout.decode(sent), told) : layout.decode(sent)
  assert.deepEqual(layout.decode(answer.buffer), expected, `${says}: the buffer tells what it should`)
}

for (const trial of trials) {
  const { command, column, policy = 0, given, base = {}, cases, afterwards = 'SUCCESS' } = trial
  const where = [column, ...(policy ? [`policy ${policy}`] : []), ...(given ? [given.says] : [])].join(', ')
  test(`${command} with ${cases.length} things wrong (${where})`, needsKernel, () => {
    const scene = sceneIn(column, {}, policy)
    given?.prepare(scene)
    for (const one of cases) tryOne(trial, scene, one)
    const { status } = scene.platform.driver.mailbox.issue(command, changed(command, goodBuffer(scene, command), base))
    assert.equal(statusName(status), afterwards, 'with nothing wrong')
  })
}

test('every field of every command that the firmware judges has its wrong values in the table', () => {
  for (const [id, { name, layout }] of commandTable) {
    if (!layout) continue
    const tried = new Set(
      trials.filter((trial) => trial.command === name).flatMap((trial) => trial.cases.flatMap(({ change }) => Object.keys(change))),
    )
    for (const field of Object.keys(layout.fields)) {
      if (field.startsWith('reserved_') || field === 'handle' || free[name]?.includes(field)) continue
      assert.ok(tried.has(field), `${name} (0x${id.toString(16)}): nothing is wrong with ${field} in any case`)
    }
  }
})
