import assert from 'node:assert/strict'
import { test } from 'node:test'
import { word64 } from '../../src/lib/word64.js'
import { unsupportedCommands } from '../../src/silicon/secure-processor/index.js'
import * as buffers from '../../src/spec/sev/command-buffers.js'
import { SevCommand, type SevCommandName } from '../../src/spec/sev/command-ids.js'
import { SevStatus, type SevStatusName, statusName } from '../../src/spec/sev/status.js'
import { createPlatform, launchGuest, needsKernel, type Platform } from './firmware-platform.js'

// What document 55766 says of each command in each state, written down apart from the firmware's own table.
// Columns: platform UNINIT; INIT; WORKING with the named guest in LUPDATE; LSECRET; RUNNING. The guest is active in ASID 1.
const columns = ['UNINIT', 'INIT', 'LUPDATE', 'LSECRET', 'RUNNING'] as const
const ok: SevStatusName = 'SUCCESS'
const platform: SevStatusName = 'INVALID_PLATFORM_STATE'
const guest: SevStatusName = 'INVALID_GUEST_STATE'

const expected: Partial<Record<SevCommandName, readonly SevStatusName[]>> = {
  INIT: [ok, platform, platform, platform, platform],
  SHUTDOWN: [ok, ok, ok, ok, ok],
  PLATFORM_RESET: [ok, platform, platform, platform, platform],
  PLATFORM_STATUS: [ok, ok, ok, ok, ok],
  GET_ID: [ok, ok, ok, ok, ok],
  DF_FLUSH: [platform, ok, ok, ok, ok],
  NOP: [ok, ok, ok, ok, ok],
  LAUNCH_START: [platform, ok, ok, ok, ok],
  LAUNCH_UPDATE_DATA: [platform, platform, ok, guest, guest],
  LAUNCH_MEASURE: [platform, platform, ok, guest, guest],
  LAUNCH_FINISH: [platform, platform, guest, ok, guest],
  ACTIVATE: [platform, platform, 'ACTIVE', 'ACTIVE', 'ACTIVE'],
  DEACTIVATE: [platform, platform, ok, ok, ok],
  DECOMMISSION: [platform, platform, 'ACTIVE', 'ACTIVE', 'ACTIVE'],
  GUEST_STATUS: [platform, platform, ok, ok, ok],
  DBG_DECRYPT: [platform, platform, ok, ok, ok],
  DBG_ENCRYPT: [platform, platform, ok, ok, ok],
}

/** A buffer that is right in every respect but the state. */
function goodBuffer(command: SevCommandName, handle: number): Uint8Array {
  const [paddr, other] = [word64(0x4000), word64(0x5000)]
  switch (command) {
    case 'INIT':
      return buffers.InitBuffer.encode({})
    case 'PLATFORM_STATUS':
      return buffers.PlatformStatusBuffer.encode({})
    case 'GET_ID':
      return buffers.GetIdBuffer.encode({ idPaddr: paddr, idLength: 64 })
    case 'LAUNCH_START':
      return buffers.LaunchStartBuffer.encode({})
    case 'LAUNCH_UPDATE_DATA':
      return buffers.LaunchUpdateDataBuffer.encode({ handle, paddr, length: 32 })
    case 'LAUNCH_MEASURE':
      return buffers.LaunchMeasureBuffer.encode({ handle, measurePaddr: paddr, measureLength: 48 })
    case 'ACTIVATE':
      return buffers.ActivateBuffer.encode({ handle, asid: 2 })
    case 'GUEST_STATUS':
      return buffers.GuestStatusBuffer.encode({ handle })
    case 'DBG_DECRYPT':
    case 'DBG_ENCRYPT':
      return buffers.DebugBuffer.encode({ handle, srcPaddr: paddr, dstPaddr: other, length: 16 })
    default:
      return buffers.HandleBuffer.encode({ handle })
  }
}

function platformIn(column: (typeof columns)[number]): { platform: Platform; handle: number } {
  const made = createPlatform()
  if (column === 'UNINIT') return { platform: made, handle: 1 }
  made.driver.init()
  return { platform: made, handle: column === 'INIT' ? 1 : launchGuest(made, 1, column) }
}

for (const [name, row] of Object.entries(expected) as [SevCommandName, readonly SevStatusName[]][]) {
  test(`${name} in every state`, needsKernel, () => {
    for (const [i, column] of columns.entries()) {
      const { platform: p, handle } = platformIn(column)
      const { status } = p.driver.mailbox.issue(name, goodBuffer(name, handle))
      assert.equal(statusName(status), row[i], `${name} in ${column}`)
    }
  })
}

test('every other published command answers UNSUPPORTED and every other id INVALID_COMMAND', needsKernel, () => {
  const { driver } = createPlatform()
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
    const named = ['LAUNCH_', 'ACTIVATE', 'DEACT', 'DECOM', 'GUEST_', 'DBG_'].some((prefix) => name.startsWith(prefix))
    if (!named || name === 'LAUNCH_START') continue
    const { platform: p } = platformIn('LUPDATE')
    for (const handle of [0, 2, 0xffffffff]) {
      assert.equal(p.driver.mailbox.issue(name, goodBuffer(name, handle)).status, SevStatus.INVALID_GUEST, `${name} of ${handle}`)
    }
  }
})

test('reserved fields that are not zero, and buffers outside DRAM, are refused', needsKernel, () => {
  const { platform: p, handle } = platformIn('LUPDATE')
  const buffer = goodBuffer('LAUNCH_UPDATE_DATA', handle)
  buffer[4] = 1
  assert.equal(p.driver.mailbox.issue('LAUNCH_UPDATE_DATA', buffer).status, SevStatus.INVALID_PARAM)
  for (const [low, high] of [
    [p.host.dramBytes - 4, 0],
    [0xffffffff, 0xffffffff],
    [0, 1],
  ] as const) {
    p.host.mailbox.writeAddressLow(low)
    p.host.mailbox.writeAddressHigh(high)
    p.host.mailbox.writeCommand(SevCommand.GUEST_STATUS << 16)
    assert.equal(p.host.mailbox.readResponse() & 0xffff, SevStatus.INVALID_ADDRESS)
  }
})
