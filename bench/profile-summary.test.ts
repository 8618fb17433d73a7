import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { summarise } from './profile-summary.js'

const frame = (functionName: string, url: string) => ({ functionName, url })
const profile = {
  startTime: 1000,
  nodes: [
    { id: 1, callFrame: frame('(idle)', '') },
    { id: 2, callFrame: frame('src/silicon/core/kernel/interpreter/execute', 'wasm://wasm/core-0123abcd') },
    { id: 3, callFrame: frame('wasm-function[37]', 'wasm://wasm/region-4567cdef') },
    { id: 4, callFrame: frame('src/silicon/memory/kernel/index/frame', 'wasm://wasm/memory-89abcdef') },
    { id: 5, callFrame: frame('Module', '') },
    { id: 6, callFrame: frame('wasm-function[37]', 'wasm://wasm/region-5678cdef') },
  ],
  samples: [2, 3, 6, 4, 5, 1, 2],
  timeDeltas: [100, 200, 200, 300, 200, 500, 4000],
}

test('samples are told apart by module, and those outside the window are left out', () => {
  const lines = summarise(profile, { from: 0, to: 3000 }, 9).split('\n')
  assert.equal(lines[0], '0.00 s busy, 0.00 s idle')
  assert.ok(lines.includes('  40.00 %  translated code (regions)'))
  assert.ok(lines.includes('  30.00 %  memory controller: residency and copies'))
  assert.ok(lines.includes('  20.00 %  compiling regions: V8'))
  assert.ok(lines.includes('  10.00 %  core/kernel/interpreter#execute'))
  assert.match(summarise(profile, { from: 3000, to: Infinity }, 9), /100\.00 % {2}core\/kernel\/interpreter#execute/)
})

test('under the preload, kernels carry names and other modules are regions', () => {
  const script = `
    const { readFileSync } = require('node:fs')
    const sections = (bytes) => Buffer.from(WebAssembly.Module.customSections(new WebAssembly.Module(bytes), 'name')[0]).toString('latin1')
    const core = sections(readFileSync('build/kernel/core.wasm'))
    const other = sections(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
    console.log(JSON.stringify([core.slice(0, 7), core.includes('kernel/interpreter/execute'), other]))`
  const root = fileURLToPath(new URL('..', import.meta.url))
  const run = spawnSync(process.execPath, ['--import', './bench/profile-preload.js', '-e', script], { cwd: root, encoding: 'utf8' })
  assert.equal(run.stderr, '')
  assert.deepEqual(JSON.parse(run.stdout), ['\0\x05\x04core', true, '\0\x07\x06region'])
})
