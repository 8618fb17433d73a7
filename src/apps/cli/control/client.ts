// Talks to the control socket of a running VM.

import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { CliError } from '../errors.js'
import type { ControlReply, ControlRequest, VmStatus } from './protocol.js'
import { socketNames, socketPath } from './sockets.js'

export interface Answered {
  readonly reply: ControlReply
  readonly payload: Buffer
}

export class ControlClient {
  // state
  private received = Buffer.alloc(0)
  private waiting: { resolve(answer: Answered): void; reject(error: Error): void; progress(done: number): void } | undefined

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk])
      this.offer()
    })
    socket.on('close', () => this.waiting?.reject(new CliError('the VM ended while it was asked')))
    socket.on('error', (error) => this.waiting?.reject(error))
  }

  /** Connects to the VM `name`; undefined where nobody listens any more. */
  static open(name: string): Promise<ControlClient | undefined> {
    const path = socketPath(name)
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('connect', () => resolve(new ControlClient(socket)))
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') rmSync(path, { force: true })
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(undefined)
        else reject(new CliError(`cannot reach the VM '${name}': ${error.message}`))
      })
    })
  }

  /** Sends a request; a reply that carries an error is thrown. */
  async ask(request: ControlRequest, progress: (done: number) => void = () => undefined): Promise<Answered> {
    const answer = await new Promise<Answered>((resolve, reject) => {
      this.waiting = { resolve, reject, progress }
      this.socket.write(JSON.stringify(request) + '\n')
    })
    if (answer.reply.error !== undefined) throw new CliError(answer.reply.error, answer.reply.advice)
    return answer
  }

  async status(): Promise<VmStatus> {
    return (await this.ask({ op: 'status' })).reply.status!
  }

  close(): void {
    this.socket.destroy()
  }

  private offer(): void {
    const end = this.received.indexOf(0x0a)
    if (end < 0 || !this.waiting) return
    const reply = JSON.parse(this.received.subarray(0, end).toString('utf8')) as ControlReply
    if (this.received.length < end + 1 + reply.length) return
    const payload = this.received.subarray(end + 1, end + 1 + reply.length)
    this.received = this.received.subarray(end + 1 + reply.length)
    if (reply.progress !== undefined) {
      this.waiting.progress(reply.progress)
      return this.offer()
    }
    const { resolve } = this.waiting
    this.waiting = undefined
    resolve({ reply, payload })
  }
}

/** Connections to all VMs that run. */
export async function runningVms(): Promise<ControlClient[]> {
  const clients = await Promise.all(socketNames().map((name) => ControlClient.open(name)))
  return clients.filter((client): client is ControlClient => client !== undefined)
}

/** The VM called `name`, or the only one that runs. */
export async function chooseVm(name: string | undefined): Promise<ControlClient> {
  if (name !== undefined) {
    const client = /^[\w.-]+$/.test(name) ? await ControlClient.open(name) : undefined
    if (!client) throw new CliError(`no VM called '${name}' is running`, "'cbit dram' lists those that are")
    return client
  }
  const clients = await runningVms()
  if (clients.length === 1) return clients[0]!
  for (const client of clients) client.close()
  if (clients.length === 0) throw new CliError('no VM is running', "start one in another terminal: 'cbit run --sev sev'")
  throw new CliError(`${clients.length} VMs are running`, "choose one with --vm NAME; 'cbit dram' lists them")
}
