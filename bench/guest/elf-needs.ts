// What a dynamically linked program needs to run: its loader and the libraries named in it (System V gABI, chapter 5, "Dynamic Linking").

const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const DT_NEEDED = 1
const DT_STRTAB = 5

export interface ElfNeeds {
  /** Path of the loader; undefined for a static program and for most libraries. */
  readonly loader: string | undefined
  readonly libraries: readonly string[]
}

/** `file` comes from a package that apt has verified: a broken one is an error, no more. */
export function elfNeeds(file: Buffer): ElfNeeds {
  const wide = file[4] === 2
  const word = (at: number): number => (wide ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at))
  const table = word(wide ? 32 : 28)
  const entryBytes = file.readUInt16LE(wide ? 54 : 42)
  const segments = Array.from({ length: file.readUInt16LE(wide ? 56 : 44) }, (_, i) => {
    const at = table + i * entryBytes
    return {
      type: file.readUInt32LE(at),
      offset: word(at + (wide ? 8 : 4)),
      address: word(at + (wide ? 16 : 8)),
      bytes: word(at + (wide ? 32 : 16)),
    }
  })
  const text = (at: number): string => file.toString('latin1', at, file.indexOf(0, at))
  const interpreter = segments.find(({ type }) => type === PT_INTERP)
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  const entries: [tag: number, value: number][] = []
  if (dynamic) {
    const step = wide ? 8 : 4
    for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 2 * step) entries.push([word(at), word(at + step)])
  }
  const stringsAddress = entries.find(([tag]) => tag === DT_STRTAB)?.[1] ?? 0
  const home = segments.find(
    ({ type, address, bytes }) => type === PT_LOAD && stringsAddress >= address && stringsAddress < address + bytes,
  )
  const strings = home ? stringsAddress - home.address + home.offset : 0
  return {
    loader: interpreter && text(interpreter.offset),
    libraries: home ? entries.filter(([tag]) => tag === DT_NEEDED).map(([, offset]) => text(strings + offset)) : [],
  }
}
