// Every attack, in the order of the table in docs/threat-model.md.

import type { Attack } from './attack.js'
import { alterPageTable } from './attempts/alter-page-table.js'
import { foreignAsid, keylessAsid, reuseAsid, switchOff, takeAsid, unownedAsid } from './attempts/asids.js'
import { dumpDram } from './attempts/dump-dram.js'
import { firmwareWrites } from './attempts/firmware-writes.js'
import { injectCode, jumpToShared } from './attempts/inject-code.js'
import { denyService, dropInterrupts, injectInterrupts } from './attempts/interrupts.js'
import { forgeMeasurement, launchOther } from './attempts/launch.js'
import { lieInCpuid, tamperShared, turnBackTime } from './attempts/lies.js'
import { leaveDomain, replayPackets, weakenPolicy } from './attempts/migration.js'
import { forgeForOwner, secretForOther } from './attempts/owner.js'
import { pageWalk } from './attempts/page-walk.js'
import { readByDma, readMemory } from './attempts/read-memory.js'
import { changeRegisters, readRegisters } from './attempts/registers.js'
import { mapOther, readDead, remapWithin } from './attempts/remap.js'
import { replayByStores, replayOnBoard } from './attempts/replay.js'
import { debugAllowed, debugForbidden, updateAfterLaunch } from './attempts/secure-processor.js'
import { sendAllowed, sendForbidden, sendForged } from './attempts/send.js'
import { alterSnapshot, cloneSnapshot, exchangePages, readSnapshotFile, restoreElsewhere, rollBackSnapshot } from './attempts/snapshot.js'
import { rollBackFlash } from './attempts/roll-back-flash.js'
import { shareKeyAllowed, shareKeyForbidden } from './attempts/share-key.js'
import { dictionary, equalCiphertext, singleStep, watchPages } from './attempts/side-channels.js'
import { swapPages } from './attempts/swap-pages.js'
import { alterDram, writeByDma, writeMemory } from './attempts/write-memory.js'

export const catalogue: readonly Attack[] = [
  dumpDram,
  alterDram,
  replayOnBoard,
  readMemory,
  writeMemory,
  injectCode,
  swapPages,
  replayByStores,
  readDead,
  alterPageTable,
  remapWithin,
  mapOther,
  foreignAsid,
  pageWalk,
  unownedAsid,
  keylessAsid,
  takeAsid,
  reuseAsid,
  debugForbidden,
  debugAllowed,
  shareKeyForbidden,
  shareKeyAllowed,
  sendForbidden,
  sendForged,
  sendAllowed,
  readSnapshotFile,
  alterSnapshot,
  exchangePages,
  restoreElsewhere,
  cloneSnapshot,
  rollBackSnapshot,
  updateAfterLaunch,
  firmwareWrites,
  launchOther,
  forgeMeasurement,
  forgeForOwner,
  secretForOther,
  rollBackFlash,
  leaveDomain,
  weakenPolicy,
  replayPackets,
  readRegisters,
  changeRegisters,
  jumpToShared,
  switchOff,
  lieInCpuid,
  turnBackTime,
  injectInterrupts,
  denyService,
  dropInterrupts,
  readByDma,
  writeByDma,
  tamperShared,
  equalCiphertext,
  dictionary,
  watchPages,
  singleStep,
]
