/** A connection to the peer as whoever made it hands it over: private, and with this peer only. */
export interface Pipe {
  /** A key of this connection alone, known to both ends: 32 bytes. */
  readonly key: Uint8Array
  /** Resolves when more may be sent. Rejects with `PipeBroken`. */
  send(bytes: Uint8Array): Promise<void>
  /** The next bytes, in order, some at a time; undefined where the peer has ended its side. Rejects with `PipeBroken`, also after a long silence. */
  receive(): Promise<Uint8Array | undefined>
  /** Ends both directions at once. */
  close(): void
}

/** The connection is gone. What of the bytes sent has arrived, nobody knows. */
export class PipeBroken extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PipeBroken'
  }
}

/** The peer sends what no honest peer of this version sends. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProtocolError'
  }
}
