import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ascii } from '../../src/lib/bytes.js'
import { ActivateBuffer, InitBuffer } from '../../src/spec/sev/command-buffers.js'
import { statusName } from '../../src/spec/sev/status.js'
import { createPlatform, launchGuest, needsKernel, type Platform } from './firmware-platform.js'

const activate = (p: Platform, handle: number, asid: number) =>
  statusName(p.driver.mailbox.issue('ACTIVATE', ActivateBuffer.encode({ handle, asid })).status)
const flush = (p: Platform) => statusName(p.driver.mailbox.issue('DF_FLUSH').status)

test('after INIT no ASID is usable before WBINVD on every core and DF_FLUSH', needsKernel, () => {
  const p = createPlatform({ cores: 2 })
  p.driver.mailbox.issue('INIT', InitBuffer.encode({}))
  const handle = p.driver.launchStart(0)
  assert.equal(activate(p, handle, 1), 'WBINVD_REQUIRED')
  assert.equal(flush(p), 'WBINVD_REQUIRED')
  p.wbinvd(0)
  assert.equal(flush(p), 'WBINVD_REQUIRED')
  p.wbinvd(1)
  assert.equal(activate(p, handle, 1), 'DF_FLUSH_REQUIRED')
  assert.equal(flush(p), 'SUCCESS')
  assert.equal(activate(p, handle, 1), 'SUCCESS')
})

test('an ASID of a deactivated guest needs WBINVD and DF_FLUSH; others do not', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const first = launchGuest(p, 1, 'RUNNING')
  p.driver.deactivate(first)
  const second = p.driver.launchStart(0)
  assert.equal(activate(p, second, 1), 'WBINVD_REQUIRED')
  for (const core of p.host.cores) core.wbinvd()
  assert.equal(activate(p, second, 1), 'DF_FLUSH_REQUIRED')
  assert.equal(activate(p, second, 2), 'SUCCESS')
  assert.equal(flush(p), 'SUCCESS')
  assert.equal(activate(p, first, 1), 'SUCCESS')
})

test('ASIDs have one owner and bounds', needsKernel, () => {
  const p = createPlatform({ asidsMax: 15 })
  p.driver.init()
  launchGuest(p, 15, 'RUNNING')
  const second = p.driver.launchStart(0)
  for (const [asid, status] of [
    [15, 'ASID_OWNED'],
    [0, 'INVALID_ASID'],
    [16, 'INVALID_ASID'],
    [0xffffffff, 'INVALID_ASID'],
  ] as const) {
    assert.equal(activate(p, second, asid), status)
  }
})

test('what a guest left under its ASID means nothing to the next guest there', needsKernel, () => {
  const p = createPlatform()
  p.driver.init()
  const first = launchGuest(p, 1, 'RUNNING')
  const text = ascii('left behind here')
  p.memory.write(0x4000, text, 1)
  p.driver.retire(first)
  assert.notDeepEqual(p.memory.read(0x4000, 16, 1), text)
  p.driver.flushAsids()
  launchGuest(p, 1, 'RUNNING')
  assert.notDeepEqual(p.memory.read(0x4000, 16, 1), text)
})
