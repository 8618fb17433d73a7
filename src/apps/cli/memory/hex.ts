/** A hex dump in the classic form: address, sixteen bytes, printable characters. Repeated lines become one `*`. */
export function hexDump(bytes: Uint8Array, address: number): string {
  const lines: string[] = []
  let previous = ''
  let skipping = false
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0'))
    const left = hex.slice(0, 8).join(' ').padEnd(23)
    const right = hex.slice(8).join(' ').padEnd(23)
    const text = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    const body = `${left}  ${right}  |${text}|`
    if (body === previous && at + 16 < bytes.length) {
      if (!skipping) lines.push('*')
      skipping = true
      continue
    }
    skipping = false
    previous = body
    lines.push(`${(address + at).toString(16).padStart(9, '0')}  ${body}`)
  }
  return lines.join('\n')
}
