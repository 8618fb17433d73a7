import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const naples = join(root, '../shared/vectors/legacy-naples')
const needsNaples = { skip: existsSync(naples) ? false : '../shared/vectors/legacy-naples is absent' }
const needsKernel = { skip: existsSync(join(root, 'build/kernel/core.wasm')) ? false : 'build/kernel is missing: npm run build:kernel' }
const folder = mkdtempSync(join(tmpdir(), 'cbit-owner-'))
after(() => rmSync(folder, { recursive: true }))

function cbit(...words: string[]): { code: number | null; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'src/apps/cli/main.ts', ...words], {
    cwd: root,
    encoding: 'utf8',
  })
  return { code: status, output: stdout, errors: stderr }
}

test('verify-chain accepts a real chip, and names what is broken', needsNaples, () => {
  const good = cbit('owner', 'verify-chain', naples, '--json')
  assert.equal(good.code, 0)
  const verdict = JSON.parse(good.output) as { ok: boolean; root: string }
  assert.deepEqual([verdict.ok, verdict.root], [true, 'AMD Naples'])

  const broken = join(folder, 'broken')
  cpSync(naples, broken, { recursive: true })
  const pek = readFileSync(join(broken, 'pek.cert'))
  pek[0x20]! ^= 1
  writeFileSync(join(broken, 'pek.cert'), pek)
  const bad = cbit('owner', 'verify-chain', broken)
  assert.equal(bad.code, 1)
  assert.match(bad.output, /FAILED {2}CEK→PEK/)
  rmSync(join(broken, 'ask.cert'))
  const missing = cbit('owner', 'verify-chain', broken)
  assert.deepEqual([missing.code, /FAILED {2}ASK .*there is no ask.cert/.test(missing.output)], [1, true])
  assert.equal(cbit('owner', 'verify-chain', join(folder, 'nowhere')).code, 1)
})

test("a chip of one's own: chain, session with private keys, and firmware that is judged", needsKernel, () => {
  const at = (name: string): string => join(folder, name)
  assert.equal(cbit('chip', 'export', at('chip'), at('chain')).code, 0)
  assert.equal(cbit('owner', 'verify-chain', at('chain')).code, 1, 'its root counts only where that is said')
  assert.equal(cbit('owner', 'verify-chain', '--emulated', at('chain')).code, 0)
  assert.equal(cbit('owner', 'verify-chain', '--root', join(at('chain'), 'ark.cert'), at('chain')).code, 0)
  const refused = cbit('owner', 'session', at('session'), '--chain', at('chain'))
  assert.deepEqual([refused.code, existsSync(at('session'))], [1, false], 'no session for a chain that does not hold')
  assert.equal(cbit('owner', 'session', at('session'), '--chain', at('chain'), '--emulated', '--policy', '1').code, 0)
  for (const name of ['tik.bin', 'tek.bin']) assert.equal(statSync(join(at('session'), name)).mode & 0o777, 0o600)
  const again = cbit('owner', 'session', at('session'), '--chain', at('chain'), '--emulated')
  assert.match(again.errors, /holds a session already/)

  writeFileSync(at('firmware'), 'firmware without a table')
  const digest = cbit('owner', 'measure', '--firmware', at('firmware')).output.trim()
  assert.equal(digest, 'e99dc65f95385e8d4f941f26a3139da0da5a9cb7ad1fa3180b6fdd8748da485f')
  const wrong = cbit(
    'owner',
    'compare',
    '--session',
    at('session'),
    '--measurement',
    'A'.repeat(64),
    '--build',
    '1',
    '--firmware',
    at('firmware'),
  )
  assert.deepEqual([wrong.code, /not what it should be/.test(wrong.output)], [1, true])
  const nonsense = cbit(
    'owner',
    'compare',
    '--session',
    at('session'),
    '--measurement',
    'nonsense',
    '--build',
    '1',
    '--firmware',
    at('firmware'),
  )
  assert.equal(nonsense.code, 2)
})
