import { rsaImport } from '../lib/crypto.js'
import { emulatedRootFiles } from './emulated-root.js'
import { type Vendor, vendorWith } from './vendor.js'

function fromBase64(text: string): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const bytes: number[] = []
  let [bits, held] = [0, 0]
  for (const character of text.replace(/=+$/, '')) {
    held = ((held << 6) | alphabet.indexOf(character)) & 0xffff
    bits += 6
    if (bits >= 8) bytes.push((held >>> (bits -= 8)) & 0xff)
  }
  return Uint8Array.from(bytes)
}

/** The certificates of the vendor of all emulated chips that have no other. */
export function emulatedRoot(): { readonly ark: Uint8Array; readonly ask: Uint8Array } {
  return { ark: fromBase64(emulatedRootFiles.ark), ask: fromBase64(emulatedRootFiles.ask) }
}

/** The vendor of all emulated chips that have no other. Anyone can be it: its signing key is published. */
export function emulatedVendor(): Vendor {
  const { ark, ask } = emulatedRoot()
  return vendorWith(ark, ask, rsaImport(fromBase64(emulatedRootFiles.askPkcs8)))
}
