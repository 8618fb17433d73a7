// The connection between two machines: TLS 1.3 with a key that both operators hold (decision 0012).

import type { TLSSocket } from 'node:tls'
import { connect, createServer, type TlsOptions } from 'node:tls'
import { type Pipe, PipeBroken } from '../../../host/migration/index.js'
import { CliError } from '../errors.js'

/** One name for all: whoever has the key is the peer. */
const identity = 'cbit-migration'
/** Ciphers whose hash is SHA-256, the only one for which OpenSSL takes an external key. */
const protocol = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
} as const satisfies TlsOptions
const handshakeMs = 10_000
/** A peer that says nothing for so long is gone: it always owes us something. */
const silenceMs = 30_000
/** More than a migration and whoever asks after it need; anybody may connect, though not get further without the key. */
const connectionsMax = 8
/** Binds the connection's key to its use (RFC 8446, section 7.5). */
const exportLabel = 'EXPORTER-cbit-migration'
const keyBytes = 32

export interface PipeAddress {
  readonly host: string
  readonly port: number
}

/** Connects to a machine that waits. Rejects with PipeBroken, which a machine that is not there and a wrong key are alike. */
export function connectPipe({ host, port }: PipeAddress, key: Uint8Array): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...protocol, pskCallback: () => ({ psk: key, identity }), checkServerIdentity: () => undefined })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(new PipeBroken(`cannot connect to ${host}:${port}: ${handshakeReason(error)}`))
    }
    socket.setTimeout(handshakeMs, () => fail(new Error('no answer')))
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('the machine there hangs up: it may have another key')))
    socket.once('secureConnect', () => {
      socket.removeAllListeners('close').off('error', fail)
      resolve(pipeOver(socket))
    })
  })
}

export interface PipeListener {
  readonly port: number
  close(): void
}

/** Waits for machines that hold the key. Rejects with CliError where the address cannot be had. */
export function listenForPipes({ host, port }: PipeAddress, key: Uint8Array, onPipe: (pipe: Pipe) => void): Promise<PipeListener> {
  const server = createServer({
    ...protocol,
    handshakeTimeout: handshakeMs,
    pskCallback: (_socket, name) => (name === identity ? key : null),
  })
  server.maxConnections = connectionsMax
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    onPipe(pipeOver(socket))
  })
  // A handshake that fails is that peer's affair.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new CliError(`cannot wait at ${host}:${port}: ${error.message}`)))
    server.listen(port, host, () => {
      const address = server.address()
      const close = (): void => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      resolve({ port: typeof address === 'object' && address ? address.port : port, close })
    })
  })
}

function pipeOver(socket: TLSSocket): Pipe {
  let broken: Error | undefined
  socket.on('error', (error) => (broken ??= error))
  socket.setNoDelay(true)
  socket.setTimeout(silenceMs, () => socket.destroy(new Error(`the peer has said nothing for ${silenceMs / 1000} seconds`)))
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const reason = (): PipeBroken => new PipeBroken(broken?.message ?? 'the connection is closed')
  return {
    key: socket.exportKeyingMaterial(keyBytes, exportLabel, Buffer.alloc(0)),
    async send(bytes) {
      if (socket.destroyed || !socket.writable) throw reason()
      if (socket.write(bytes)) return
      await new Promise<void>((resolve) => {
        const go = (): void => {
          socket.off('drain', go).off('close', go)
          resolve()
        }
        socket.on('drain', go).on('close', go)
      })
      if (socket.destroyed) throw reason()
    },
    async receive() {
      try {
        const { done, value } = await chunks.next()
        return done ? undefined : value
      } catch (error) {
        broken ??= error as Error
        throw reason()
      }
    },
    close: () => socket.destroySoon(),
  }
}

function handshakeReason(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ECONNREFUSED') return 'nobody waits there'
  return /alert|decrypt|handshake|psk/i.test(error.message) ? 'the machine there has another key' : error.message
}
