// Runs the test files of src/, tests/ and tools/ with node:test:
//   node tools/run-tests.js [--long] [file, folder or part of a path …] [--test-… options of node]
// --long sets CBIT_LONG_TESTS=1: tests that have a long form take it. Its heading says what that is.
// Builds the kernels first. Fails when a test fails or when no test ran.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const CONCURRENCY = 2

function testFilesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFilesUnder(path)
    return entry.name.endsWith('.test.ts') ? [path] : []
  })
}

function wantedFiles(filters) {
  const all = ['src', 'tests', 'tools', 'bench'].flatMap((folder) => testFilesUnder(join(root, folder))).map((file) => relative(root, file))
  if (filters.length === 0) return all.sort()
  const chosen = new Set()
  for (const filter of filters) {
    const path = existsSync(filter) && statSync(filter).isFile() ? relative(root, filter) : relative(root, join(process.cwd(), filter))
    const matches = all.filter((file) => file === path || file.startsWith(path + '/') || file.includes(filter))
    if (matches.length === 0) throw new Error(`no test file matches '${filter}'`)
    for (const file of matches) chosen.add(file)
  }
  return [...chosen].sort()
}

function buildKernels() {
  const result = spawnSync(process.execPath, [join(root, 'tools/build-kernel.js')], { stdio: 'inherit', cwd: root })
  if (result.status !== 0) throw new Error('the kernels do not build, so no test was run')
}

/** Runs node's test runner, passes its output through, and resolves to its exit code and the number of tests it reports. */
function run(files, options) {
  const reporter = options.some((option) => option.startsWith('--test-reporter')) ? [] : ['--test-reporter=spec']
  const nodeArguments = ['--import', 'tsx', '--test', `--test-concurrency=${CONCURRENCY}`, ...reporter, ...options, ...files]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, nodeArguments, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    let tail = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      tail = (tail + chunk.toString('utf8')).slice(-65536)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code: signal ? 1 : code, count: countOf(tail) }))
  })
}

/** The number after "tests" in node's closing summary (spec: "ℹ tests 3", tap: "# tests 3"); undefined with other reporters. */
function countOf(output) {
  const matches = [...output.matchAll(/^(?:\x1b\[\d+m)*[^\w\n]{0,3}\s?tests (\d+)/gm)]
  return matches.length ? Number(matches.at(-1)[1]) : undefined
}

async function main() {
  const options = process.argv.slice(2).filter((argument) => argument.startsWith('--') && argument !== '--long')
  if (process.argv.includes('--long')) process.env['CBIT_LONG_TESTS'] = '1'
  const files = wantedFiles(process.argv.slice(2).filter((argument) => !argument.startsWith('--')))
  if (files.length === 0) throw new Error('no test files found')
  buildKernels()
  const { code, count } = await run(files, options)
  if (code !== 0) process.exitCode = code ?? 1
  else if (count === 0) throw new Error('no test ran')
}

main().catch((error) => {
  console.error(`run-tests: ${error.message}`)
  process.exitCode = 1
})
