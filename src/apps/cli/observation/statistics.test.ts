import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statisticsContent, statisticsLines, type MachineStatistics } from './statistics.js'

const statistics: MachineStatistics = {
  vm: {
    instructions: 1_000_000,
    guestTimeNs: 5e9,
    exits: new Map([
      [0x78, 10],
      [0x7b, 200],
    ]),
    before: { instructions: 0, exits: new Map() },
  },
  chip: {
    cores: [{ instructions: 1_000_000, tlbMisses: { read: 1000, write: 500, execute: 500 } }],
    code: {
      blocks: 300,
      instructions: 2000,
      loweringMs: 100,
      translated: { regions: 4, modules: 2, blocks: 40, bytes: 3 << 20, refused: 1, adopted: 0, wide: 2 },
      instructionsTranslated: 900_000,
      translatingMs: 300,
      entries: 10,
      blocksDropped: 7,
      clears: 0,
      arenaBytes: 1 << 19,
    },
    memory: { epoch: 1, decrypted: 12, encrypted: 3 },
  },
  times: { guestMs: 1400, exitsMs: new Map([[0x78, 50]]), betweenMs: 150, idleMs: 400 },
}

test('each tier, exit and part of the time has its line', () => {
  const lines = statisticsLines(statistics).join('\n')
  assert.match(lines, /10\.0 % of the instructions interpreted, 90\.0 % translated/)
  assert.match(lines, /300 blocks of 2000 instructions lowered in 0\.10 s; 7 dropped, 0\.5 MiB in use/)
  assert.match(lines, /4 regions \(2 of them large\) of 40 blocks in 2 modules, 1 refused, 3\.0 MiB of WebAssembly, in 0\.30 s/)
  assert.match(lines, /1000 reads, 500 writes, 500 fetches \(2\.00 in a thousand/)
  assert.match(lines, /guest code 1\.00 s \(50\.0 %\), lowering 0\.10 s \(5\.0 %\), .* asleep 0\.40 s \(20\.0 %\)/)
  assert.match(lines, /exits: 210: HLT 10 in 0\.05 s, IOIO 200 in 0\.00 s/)
})

test('without times there are none, and the commonest exit comes first', () => {
  const lines = statisticsLines({ ...statistics, times: undefined }).join('\n')
  assert.doesNotMatch(lines, /asleep/)
  assert.match(lines, /exits: 210: IOIO 200, HLT 10/)
  const content = JSON.parse(JSON.stringify(statisticsContent(statistics))) as { exits: object; times: { exitsMs: object } }
  assert.deepEqual([content.exits, content.times.exitsMs], [{ HLT: 10, IOIO: 200 }, { HLT: 50 }])
})

test('of a guest that came from elsewhere only what it did here is told, and as JSON both', () => {
  const { vm } = statistics
  const exits = new Map([
    [0x78, 10],
    [0x7b, 230],
    [0x81, 7],
  ])
  const before = {
    instructions: 5_000_000,
    exits: new Map([
      [0x7b, 30],
      [0x81, 7],
    ]),
  }
  const arrived = { ...statistics, vm: { ...vm, instructions: 6_000_000, exits, before } }
  assert.deepEqual(statisticsLines(arrived), statisticsLines(statistics))
  const content = JSON.parse(JSON.stringify(statisticsContent(arrived))) as { exits: object; before: object }
  assert.deepEqual(
    [content.exits, content.before],
    [
      { HLT: 10, IOIO: 230, VMMCALL: 7 },
      { instructions: 5_000_000, exits: { IOIO: 30, VMMCALL: 7 } },
    ],
  )
})
