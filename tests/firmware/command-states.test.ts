import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandTable, unsupportedCommands } from '../../src/silicon/secure-processor/index.js'
import { SevCommand, type SevCommandName } from '../../src/spec/sev/command-ids.js'
import { SevStatus, type SevStatusName, statusName } from '../../src/spec/sev/status.js'
import { expected } from './expected-states.js'
import { needsKernel } from './firmware-platform.js'
import { columns, goodBuffer, sceneIn } from './good-buffers.js'

for (const [name, row] of Object.entries(expected) as [SevCommandName, readonly SevStatusName[]][]) {
  test(`${name} in every state`, needsKernel, () => {
    for (const [i, column] of columns.entries()) {
      const scene = sceneIn(column)
      const { status } = scene.platform.driver.mailbox.issue(name, goodBuffer(scene, name))
      assert.equal(statusName(status), row[i], `${name} in ${column}`)
    }
  })
}

test('every other published command answers UNSUPPORTED and every other id INVALID_COMMAND', needsKernel, () => {
  const { driver } = sceneIn('UNINIT').platform
  const ids = new Map<number, string>(Object.entries(SevCommand).map(([name, id]) => [id, name]))
  for (let id = 0; id <= 0x7ff; id++) {
    const name = ids.get(id) as SevCommandName | undefined
    if (name && expected[name]) continue
    assert.equal(driver.mailbox.issue(id).status, name ? SevStatus.UNSUPPORTED : SevStatus.INVALID_COMMAND, `command 0x${id.toString(16)}`)
  }
  assert.equal(unsupportedCommands.length + Object.keys(expected).length, ids.size)
})

test('a guest command with a handle nobody has answers INVALID_GUEST', needsKernel, () => {
  for (const name of Object.keys(expected) as SevCommandName[]) {
    if (!commandTable.get(SevCommand[name])?.guestStates) continue
    const scene = sceneIn('LUPDATE')
    for (const handle of [0, 2, 0xffffffff]) {
      const { status } = scene.platform.driver.mailbox.issue(name, goodBuffer({ ...scene, handle }, name))
      assert.equal(status, SevStatus.INVALID_GUEST, `${name} of ${handle}`)
    }
  }
})

test('every reserved field of every buffer must be zero, and every buffer must lie in DRAM', needsKernel, () => {
  for (const name of Object.keys(expected) as SevCommandName[]) {
    const layout = commandTable.get(SevCommand[name])!.layout
    if (!layout) continue
    const row = expected[name]!
    const column = columns.find((_, i) => !['INVALID_PLATFORM_STATE', 'INVALID_GUEST_STATE'].includes(row[i]!))!
    const scene = sceneIn(column)
    const { mailbox } = scene.platform.driver
    for (const [field, { offset, bytes }] of Object.entries(layout.fields)) {
      if (!field.startsWith('reserved_')) continue
      for (let i = 0; i < bytes; i++) {
        const buffer = goodBuffer(scene, name)
        buffer[offset + i] = 0x80
        assert.equal(mailbox.issue(name, buffer).status, SevStatus.INVALID_PARAM, `${name} ${field}+${i}`)
      }
    }
    for (const [low, high] of [
      [scene.platform.host.dramBytes - layout.bytes + 1, 0],
      [0xffffffff, 0xffffffff],
      [0, 1],
    ] as const) {
      scene.platform.host.mailbox.writeAddressLow(low)
      scene.platform.host.mailbox.writeAddressHigh(high)
      scene.platform.host.mailbox.writeCommand(SevCommand[name] << 16)
      assert.equal(scene.platform.host.mailbox.readResponse() & 0xffff, SevStatus.INVALID_ADDRESS, name)
    }
  }
})
