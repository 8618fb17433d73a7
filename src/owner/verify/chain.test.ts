import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type ChainFiles, chainNames, verifyChain } from './chain.js'

const folder = new URL('../../../../shared/vectors/legacy-naples/', import.meta.url)
const options = { skip: existsSync(folder) ? false : '../shared/vectors/legacy-naples is absent' }

function naples(): Record<(typeof chainNames)[number], Uint8Array> {
  return Object.fromEntries(chainNames.map((name) => [name, Uint8Array.from(readFileSync(new URL(`${name}.cert`, folder)))])) as ReturnType<
    typeof naples
  >
}

test('the chain of a real Naples chip holds', options, () => {
  const verdict = verifyChain(naples())
  assert.deepEqual(
    verdict.checks.filter((check) => !check.ok),
    [],
  )
  assert.equal(verdict.root, 'AMD Naples')
  assert.equal(verdict.ok, true)
})

/** Which links a certificate takes part in: a flip in it breaks one of these, or the certificate itself. */
const linksOf = { ark: 'ARK', ask: 'ASK', cek: 'CEK', oca: 'OCA', pek: 'PEK', pdh: 'PDH' } as const

test('every sampled single-bit flip is refused, and the failing link is named', options, () => {
  const chain = naples()
  let flips = 0
  for (const name of chainNames) {
    // A stride that shares no factor with 8: all bit positions and all fields are met.
    for (let bit = 0; bit < 8 * chain[name].length; bit += 61) {
      const flipped = chain[name].slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const verdict = verifyChain({ ...chain, [name]: flipped } as ChainFiles)
      assert.equal(verdict.ok, false, `bit ${bit} of ${name}`)
      assert.ok(
        verdict.checks.some((check) => !check.ok && check.link.includes(linksOf[name])),
        `bit ${bit} of ${name}: ${JSON.stringify(verdict.checks.filter((check) => !check.ok))}`,
      )
      assert.equal(verdict.chain, undefined)
      flips++
    }
  }
  assert.ok(flips > 1000)
})

test('certificates in the wrong place, cut or absent are refused', options, () => {
  const chain = naples()
  assert.equal(verifyChain({ ...chain, pdh: chain.pek }).ok, false)
  assert.equal(verifyChain({ ...chain, ark: chain.ask }).ok, false)
  assert.equal(verifyChain({ ...chain, cek: chain.cek.slice(1) }).ok, false)
  assert.equal(verifyChain({ ...chain, ask: new Uint8Array(0) }).ok, false)
  assert.equal(verifyChain({ ...chain, oca: new Uint8Array(0x824) }).ok, false)
})

test('a root counts only where it is the one that is trusted', options, () => {
  const chain = naples()
  assert.equal(verifyChain(chain, { ark: chain.ark, name: 'mine' }).root, 'mine')
  const other = verifyChain(chain, { ark: chain.ask, name: 'mine' })
  assert.equal(other.ok, false)
  assert.deepEqual(
    other.checks.filter((check) => !check.ok).map((check) => check.link),
    ['ARK'],
  )
})
