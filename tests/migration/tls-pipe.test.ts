import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { decide, JournalFile, openEntries, outcomeOf, settle } from '../../src/apps/cli/migration/journal-file.js'
import { formatAddress, makeKeyFile, parseAddress, readKeyFile } from '../../src/apps/cli/migration/key-file.js'
import { connectPipe, listenForPipes } from '../../src/apps/cli/migration/tls-pipe.js'
import { type Pipe, PipeBroken } from '../../src/host/migration/index.js'

const folder = mkdtempSync(join(tmpdir(), 'cbit-migration-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const local = { host: '127.0.0.1', port: 0 }

async function received(pipe: Pipe, bytes: number): Promise<Buffer> {
  let all = Buffer.alloc(0)
  while (all.length < bytes) all = Buffer.concat([all, (await pipe.receive())!])
  return all
}

test('two ends with one key are connected, and have a key of this connection alone', async () => {
  const pipes: Pipe[] = []
  const listener = await listenForPipes(local, key(1), (pipe) => void pipes.push(pipe))
  const keys = new Set<string>()
  for (let i = 0; i < 2; i++) {
    const pipe = await connectPipe({ ...local, port: listener.port }, key(1))
    const big = new Uint8Array(3 << 20).map((_, at) => at * 7)
    const sent = pipe.send(big)
    while (pipes.length <= i) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(await received(pipes[i]!, big.length), Buffer.from(big))
    await sent
    await pipes[i]!.send(Uint8Array.of(1, 2, 3))
    assert.deepEqual(await received(pipe, 3), Buffer.of(1, 2, 3))
    assert.deepEqual(Buffer.from(pipe.key), Buffer.from(pipes[i]!.key))
    keys.add(Buffer.from(pipe.key).toString('hex'))
    pipe.close()
    assert.equal(await pipes[i]!.receive(), undefined)
  }
  assert.equal(keys.size, 2)
  listener.close()
})

test('without the key nobody comes in, and nobody is waited for for ever', async () => {
  let came = 0
  const listener = await listenForPipes(local, key(1), () => came++)
  const at = { ...local, port: listener.port }
  await assert.rejects(connectPipe(at, key(2)), PipeBroken)
  const raw = connect(at)
  raw.on('error', () => undefined)
  raw.write('GET / HTTP/1.1\r\n\r\n')
  await new Promise((resolve) => raw.once('close', resolve))
  assert.equal(came, 0)
  listener.close()
  await assert.rejects(connectPipe(at, key(1)), /nobody waits there/)
})

test('a key file is private and is read back; addresses are read and written', () => {
  const file = join(folder, 'key')
  makeKeyFile(file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readKeyFile(file).length, 32)
  assert.throws(() => readKeyFile(undefined), /needs a key/)
  for (const [text, host, port] of [
    ['tls:other:7100', 'other', 7100],
    ['10.0.0.1:1', '10.0.0.1', 1],
    ['[::1]:443', '::1', 443],
  ] as const)
    assert.deepEqual(parseAddress(text, '--to'), { host, port })
  assert.equal(formatAddress({ host: '::1', port: 443 }), '[::1]:443')
  for (const text of ['', 'other', 'other:', 'other:70000', ':7100', 'a b:1', 'http://x:1'])
    assert.throws(() => parseAddress(text, '--to'), /no address/)
})

test('a decision is made once, whoever asks, and outlives who made it', () => {
  const journals = join(folder, 'journals')
  const entry = { id: 'ab'.repeat(16), to: 'other:7100', vm: 'vm1', pid: 4_000_000, startedAt: '2026-01-01T00:00:00Z' }
  assert.deepEqual(openEntries(journals), [])
  const journal = new JournalFile(entry, journals)
  journal.open()
  assert.deepEqual(openEntries(journals), [entry])
  assert.equal(outcomeOf(journals, entry.id), undefined)
  assert.equal(decide(journals, entry.id, 'commit'), 'commit')
  assert.equal(journal.decide('abort'), 'commit')
  assert.equal(new JournalFile(entry, journals).decide('abort'), 'commit')
  assert.equal(outcomeOf(journals, entry.id), 'commit')
  settle(journals, entry.id)
  assert.deepEqual(openEntries(journals), [])
})
