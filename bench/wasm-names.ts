// Function names of a WebAssembly module, from its custom section "name" (WebAssembly core specification, appendix "Name Section").

const nameSection = 0
const functionNames = 1
/** Magic and version. */
const headBytes = 8

export function functionNamesOf(module: Uint8Array): Map<number, string> {
  const reader = new Reader(module, headBytes)
  while (!reader.done) {
    const id = reader.byte()
    const section = reader.part(reader.number())
    if (id === nameSection && section.text() === 'name') return namesIn(section)
  }
  return new Map()
}

function namesIn(section: Reader): Map<number, string> {
  const names = new Map<number, string>()
  while (!section.done) {
    const id = section.byte()
    const part = section.part(section.number())
    if (id !== functionNames) continue
    for (let left = part.number(); left > 0; left--) names.set(part.number(), part.text())
  }
  return names
}

class Reader {
  private readonly bytes: Uint8Array
  private at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  byte(): number {
    if (this.done) throw new RangeError('the module ends in the middle of a section')
    return this.bytes[this.at++]!
  }

  /** Unsigned LEB128. */
  number(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number of the module is too long')
  }

  part(length: number): Reader {
    if (this.at + length > this.bytes.length) throw new RangeError('the module ends in the middle of a section')
    const part = new Reader(this.bytes.subarray(this.at, this.at + length))
    this.at += length
    return part
  }

  text(): string {
    const length = this.number()
    const from = this.at
    this.part(length)
    return new TextDecoder().decode(this.bytes.subarray(from, this.at))
  }
}
