import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'cbit-disasm-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'code')
const main = fileURLToPath(new URL('../main.ts', import.meta.url))

function disasm(...words: string[]): { code: number | null; lines: string[]; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, 'disasm', ...words], { encoding: 'utf8' })
  return { code: status, lines: stdout.trimEnd().split('\n'), errors: stderr }
}

test('code is shown with addresses, bytes and text, and what is no instruction as data', () => {
  writeFileSync(file, Uint8Array.of(0x8b, 0x45, 0x10, 0x74, 0xfb, 0xf0, 0x90, 0x66))
  const { code, lines } = disasm(file, '--address', '0xffffffff81000000')
  strictEqual(code, 0)
  deepStrictEqual(
    lines.map((line) => line.replace(/ +/g, ' ')),
    [
      'ffffffff81000000 8b 45 10 mov eax,DWORD PTR [rbp+0x10]',
      'ffffffff81000003 74 fb je 0xffffffff81000000',
      'ffffffff81000005 f0 (bad)',
      'ffffffff81000006 90 nop',
      'ffffffff81000007 66 (bad)',
    ],
  )
  const ir = disasm(file, '--mode', '32', '--length', '5', '--ir')
  match(ir.lines.join('\n'), /@0#0 lea32_bd t6, rbp, 16\n.*@0#0 ld_z32_bd|@0#0 ld_p/)
  match(ir.lines.join('\n'), /@3#1 je 2\n {6}-> 0 link 0 else 5 link 0/)
})

test('what cannot be shown is refused in a line', () => {
  for (const words of [[join(folder, 'none')], [file, '--address', 'here'], [file, '--skip', '1M'], [file, '--length', '1G']]) {
    const { code, errors } = disasm(...words)
    strictEqual(code, 2)
    match(errors, /^cbit: [^\n]+\n$/)
  }
})
