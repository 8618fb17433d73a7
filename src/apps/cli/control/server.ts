// Answers `cbit dram`, `cbit secret` and `cbit snapshot` for one running VM. It has the host's and the board's powers over the machine, not the chip's.

import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Machine } from '../machine.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseAddress, parseKey } from '../migration/key-file.js'
import { mapMemory } from '../memory/classify.js'
import { ControlClient } from './client.js'
import type { Receiver } from '../../../host/hypervisor/index.js'
import type { SnapshotResult } from '../snapshot/take.js'
import {
  findResultsMax,
  parseRequest,
  requestBytesMax,
  type ControlReply,
  type ControlRequest,
  type ReceiverCertificates,
} from './protocol.js'
import { ownSocketFolder, socketPath } from './sockets.js'

export interface ControlServer {
  readonly name: string
  close(): void
}

interface Answer {
  readonly reply: Omit<ControlReply, 'length'>
  readonly payload?: Uint8Array
}

/** Who waits for an answer. */
interface Caller {
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
  readonly progress: (done: number) => void
}

/** Opens the socket of VM `name`. Rejects where that cannot be done; a socket that a dead VM has left is replaced. */
export async function serveControl(machine: Machine, name: string): Promise<ControlServer> {
  ownSocketFolder()
  const path = socketPath(name)
  const other = await ControlClient.open(name)
  other?.close()
  if (other) throw new CliError(`a VM called '${name}' is running already`, 'choose another --name', exitCodes.usage)
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    serve(socket, machine, name)
  })
  const close = (): void => {
    for (const socket of sockets) socket.destroySoon()
    server.close()
    rmSync(path, { force: true })
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.unref()
      resolve({ name, close })
    })
  })
}

function serve(socket: Socket, machine: Machine, name: string): void {
  let pending = ''
  let answered = Promise.resolve()
  const gone = new AbortController()
  socket.on('close', () => gone.abort())
  const caller: Caller = { signal: gone.signal, progress: (done) => send(socket, { reply: { progress: done } }) }
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('utf8')
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end)
      pending = pending.slice(end + 1)
      answered = answered.then(async () => send(socket, await answerLine(line, machine, name, caller)))
    }
    if (pending.length > requestBytesMax) socket.destroy()
  })
}

function send(socket: Socket, { reply, payload }: Answer): void {
  if (socket.destroyed) return
  socket.write(JSON.stringify({ ...reply, length: payload?.length ?? 0 }) + '\n')
  if (payload) socket.write(payload)
}

/** The guest stands still while its memory is looked at, so that a reply is one moment. */
async function answerLine(line: string, machine: Machine, name: string, caller: Caller): Promise<Answer> {
  const request = parseRequest(line)
  if (!request) return { reply: { error: 'this is no request that this version of cbit knows' } }
  try {
    if (request.op === 'snapshot') return { reply: { snapshot: await takeSnapshot(machine, request, caller) } }
    const reads = request.op === 'read' || request.op === 'map' || request.op === 'find'
    return reads ? await machine.frozen(() => answer(request, machine, name)) : answer(request, machine, name)
  } catch (error) {
    const advice = error instanceof CliError ? error.advice : undefined
    return { reply: { error: (error as Error).message, ...(advice !== undefined && { advice }) } }
  }
}

function takeSnapshot(
  machine: Machine,
  { file, stop, receiver }: ControlRequest & { readonly op: 'snapshot' },
  { signal, progress }: Caller,
): Promise<SnapshotResult> {
  let last = 0
  return machine.snapshot(file, {
    receiver: receiver && receiverOf(receiver),
    stop,
    signal,
    progress(done) {
      // Hundreds of lines would say no more to anybody who waits.
      if (done - last < 0.02) return
      last = done
      progress(done)
    },
  })
}

function receiverOf(certificates: ReceiverCertificates): Receiver {
  const bytes = (name: keyof ReceiverCertificates): Uint8Array => Uint8Array.from(Buffer.from(certificates[name], 'base64'))
  return {
    platform: { pdh: bytes('pdh'), pek: bytes('pek'), oca: bytes('oca'), cek: bytes('cek') },
    vendor: { ask: bytes('ask'), ark: bytes('ark') },
  }
}

function answer(request: Exclude<ControlRequest, { readonly op: 'snapshot' }>, machine: Machine, name: string): Answer {
  switch (request.op) {
    case 'status': {
      const { description, sev, memoryBytes, dramBytes, ramBase } = machine
      const instructions = machine.instructions()
      return { reply: { status: { name, pid: process.pid, description, sev, memoryBytes, dramBytes, ramBase, instructions } } }
    }
    case 'read': {
      if (request.view === 'bus') return { reply: {}, payload: machine.readDram(request.address, request.length) }
      const bytes = machine.readGuest(request.address, request.length)
      return 'refused' in bytes ? { reply: { error: bytes.refused } } : { reply: {}, payload: bytes }
    }
    case 'map': {
      const { pages, address } = mapMemory((at, length) => machine.readDram(at, length), 0, machine.dramBytes)
      return { reply: { address }, payload: pages }
    }
    case 'find':
      return { reply: { addresses: findInDram(machine, Buffer.from(request.hex, 'hex')) } }
    case 'stop':
      machine.stop()
      return { reply: {} }
    case 'launch-report': {
      const launch = machine.launchReport()
      return { reply: launch ? { launch } : { error: 'this VM has no measurement: it is not encrypted' } }
    }
    case 'migrate': {
      const key = parseKey(request.key)
      if (!key || request.roundsMax === 0) return { reply: { error: 'this is no request that this version of cbit knows' } }
      const { bandwidth, downtimeMaxMs, roundsMax } = request
      return {
        reply: { migration: machine.migrations.start({ to: parseAddress(request.to, '--to'), key, bandwidth, downtimeMaxMs, roundsMax }) },
      }
    }
    case 'migrate-status': {
      const { status } = machine.migrations
      return { reply: status ? { migration: status } : { error: 'this VM has not been asked to move' } }
    }
    case 'migrate-cancel':
      machine.migrations.cancel()
      return { reply: {} }
    case 'admit': {
      const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))
      const { header, data } = request
      machine.admit(header === undefined || data === undefined ? undefined : { header: bytes(header), data: bytes(data) })
      return { reply: {} }
    }
  }
}

const chunkBytes = 4 << 20

/** Addresses in DRAM where `needle` stands, in order. */
export function findInDram(machine: Machine, needle: Uint8Array): number[] {
  const found: number[] = []
  for (let start = 0; start < machine.dramBytes && found.length < findResultsMax; start += chunkBytes) {
    const length = Math.min(chunkBytes + needle.length - 1, machine.dramBytes - start)
    const chunk = Buffer.from(machine.readDram(start, length))
    for (let at = chunk.indexOf(needle); at >= 0 && at < chunkBytes && found.length < findResultsMax; at = chunk.indexOf(needle, at + 1)) {
      found.push(start + at)
    }
  }
  return found
}
