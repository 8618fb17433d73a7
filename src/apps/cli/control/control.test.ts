import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Machine } from '../machine.js'
import type { SnapshotRequest } from '../snapshot/take.js'
import { chooseVm, ControlClient, runningVms } from './client.js'
import { parseRequest, requestBytesMax } from './protocol.js'
import { serveControl } from './server.js'
import { socketPath } from './sockets.js'

const folder = mkdtempSync(join(tmpdir(), 'cbit-control-'))
before(() => (process.env['XDG_RUNTIME_DIR'] = folder))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Nobody asks for these here. */
const nothingToMove = {} as Pick<Machine, 'vm' | 'fuses' | 'migrations'>

/** A machine that is nothing but 8 MiB of memory. */
function memoryOnly(): Machine & { stopped: boolean } {
  const dram = new Uint8Array(8 << 20)
  dram.set(Buffer.from('needle'), (4 << 20) - 3)
  dram.set(Buffer.from('needle'), 100)
  return {
    ...nothingToMove,
    description: 'test',
    sev: 'sev',
    memoryBytes: 4 << 20,
    dramBytes: dram.length,
    ramBase: 1 << 20,
    stopped: false,
    run: () => Promise.reject(new Error('not in this test')),
    stop() {
      this.stopped = true
    },
    input: () => 0,
    inputEnded: () => undefined,
    keepCode: () => undefined,
    awaitsOwner: () => false,
    launchReport: () => undefined,
    admit: () => undefined,
    statistics: () => assert.fail('not in this test'),
    profile: () => undefined,
    syscallEntry: () => 0n,
    frozen: (look) => Promise.resolve(look()),
    snapshot: () => Promise.reject(new Error('not in this test')),
    settled: () => Promise.resolve(),
    instructions: () => 7,
    readDram(spa, length) {
      if (spa + length > dram.length) throw new RangeError('no DRAM there')
      return dram.slice(spa, spa + length)
    },
    readGuest: () => ({ refused: 'the policy forbids it' }),
  }
}

test('a running VM is found, read, searched and stopped', async () => {
  const machine = memoryOnly()
  const server = await serveControl(machine, 'one')
  const client = await chooseVm(undefined)
  const status = await client.status()
  assert.equal(status.name, 'one')
  assert.equal(status.instructions, 7)
  const { payload } = await client.ask({ op: 'read', view: 'bus', address: 100, length: 6 })
  assert.equal(payload.toString(), 'needle')
  await assert.rejects(client.ask({ op: 'read', view: 'guest', address: 0, length: 16 }), /policy forbids/)
  await assert.rejects(client.ask({ op: 'read', view: 'bus', address: 8 << 20, length: 1 }), /no DRAM/)
  const found = await client.ask({ op: 'find', hex: Buffer.from('needle').toString('hex') })
  assert.deepEqual(found.reply.addresses, [100, (4 << 20) - 3], 'a place across the border of two pieces is found once')
  const map = await client.ask({ op: 'map' })
  assert.equal(map.payload.length, 2048)
  await client.ask({ op: 'stop' })
  assert.equal(machine.stopped, true)
  client.close()
  server.close()
})

test('two VMs must be told apart, none is an error', async () => {
  const servers = [await serveControl(memoryOnly(), 'a'), await serveControl(memoryOnly(), 'b')]
  await assert.rejects(chooseVm(undefined), /2 VMs are running/)
  await assert.rejects(serveControl(memoryOnly(), 'b'), /'b' is running already/)
  const b = await chooseVm('b')
  assert.equal((await b.status()).name, 'b')
  b.close()
  for (const server of servers) server.close()
  await assert.rejects(chooseVm(undefined), /no VM is running/)
  await assert.rejects(chooseVm('../a'), /no VM called/)
  assert.deepEqual(await runningVms(), [])
})

test('nonsense on the socket is answered or cut off', async () => {
  const server = await serveControl(memoryOnly(), 'c')
  const client = (await ControlClient.open('c'))!
  await assert.rejects(client.ask({ op: 'nonsense' } as never), /no request/)
  client.close()
  const closed = await new Promise<boolean>((resolve) => {
    const socket = connect(socketPath('c'))
    socket.on('close', () => resolve(true))
    socket.on('error', () => undefined)
    socket.write('x'.repeat(2 * requestBytesMax))
  })
  assert.equal(closed, true)
  server.close()
})

test('requests are judged before they are obeyed', () => {
  const bad = [
    '',
    'null',
    '[]',
    '{"op":"read"}',
    '{"op":"read","view":"chip","address":0,"length":1}',
    '{"op":"read","view":"bus","address":-1,"length":1}',
    '{"op":"read","view":"bus","address":0,"length":1e12}',
    '{"op":"read","view":"bus","address":0.5,"length":1}',
    '{"op":"find","hex":"abc"}',
    '{"op":"find","hex":""}',
    '{"op":"snapshot","file":"relative.snap","stop":false}',
    '{"op":"snapshot","file":"/tmp/a.snap"}',
    '{"op":"snapshot","file":"/tmp/a\\u0000b","stop":false}',
    '{"op":"snapshot","file":"/tmp/a.snap","stop":false,"receiver":{"pdh":"AAAA"}}',
  ]
  for (const line of bad) assert.equal(parseRequest(line), undefined, line)
  assert.deepEqual(parseRequest('{"op":"map","extra":1}'), { op: 'map' })
})

test('a snapshot tells its progress, then its result; whoever goes away gives it up', async () => {
  const result = { file: '/tmp/a.snap', bytes: 1, sealed: 2, clear: 3, elapsedMs: 4 }
  let givenUp: Promise<void> | undefined
  const machine = {
    ...memoryOnly(),
    snapshot: (file: string, { signal, progress, stop }: SnapshotRequest) => {
      progress(0.5)
      if (!stop) return Promise.resolve({ ...result, file })
      givenUp = new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
      return givenUp.then(() => Promise.reject(new Error('given up')))
    },
  }
  const server = await serveControl(machine, 'd')
  const client = (await ControlClient.open('d'))!
  const seen: number[] = []
  const { reply } = await client.ask({ op: 'snapshot', file: '/tmp/a.snap', stop: false }, (done) => seen.push(done))
  assert.deepEqual([reply.snapshot, seen], [result, [0.5]])
  const asked = client.ask({ op: 'snapshot', file: '/tmp/a.snap', stop: true }, () => client.close())
  await assert.rejects(asked, /ended while it was asked/)
  await givenUp
  server.close()
})
