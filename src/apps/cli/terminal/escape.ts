// The escape key of an attached terminal. Everything else that is typed belongs to the guest, Ctrl-C included.

export const ESCAPE_BYTE = 0x1d
export const escapeName = 'Ctrl-]'

export type EscapeAction = 'quit' | 'window-size' | 'help'

export interface EscapeResult {
  /** What the guest gets. */
  readonly bytes: Uint8Array
  readonly actions: readonly EscapeAction[]
}

const actions: Readonly<Record<string, EscapeAction>> = { q: 'quit', w: 'window-size', h: 'help', '?': 'help' }

export const escapeHelp = `${escapeName} q  ends the machine    ${escapeName} w  tells the guest's shell the window size    ${escapeName} ${escapeName}  sends ${escapeName}`

/** Takes typed bytes apart. An escape that is followed by an unknown key shows the help. */
export class EscapeFilter {
  // state
  private escaped = false

  feed(typed: Uint8Array): EscapeResult {
    const bytes: number[] = []
    const found: EscapeAction[] = []
    for (const byte of typed) {
      if (this.escaped) {
        this.escaped = false
        if (byte === ESCAPE_BYTE) bytes.push(byte)
        else found.push(actions[String.fromCharCode(byte).toLowerCase()] ?? 'help')
      } else if (byte === ESCAPE_BYTE) {
        this.escaped = true
      } else {
        bytes.push(byte)
      }
    }
    return { bytes: Uint8Array.from(bytes), actions: found }
  }
}
