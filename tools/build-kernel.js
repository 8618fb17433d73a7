// Compiles the chip's two AssemblyScript kernels to WebAssembly: build/kernel/core.wasm and build/kernel/memory.wasm.
//   node tools/build-kernel.js [--dev] [--force] [--names=FOLDER] [core|memory …]
// --dev compiles quickly (-O1). --names writes the same kernels, with the names of their functions, to FOLDER: for a profile.
// A kernel is skipped when the hash of all that it is made from has not changed.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const outputFolder = join(root, 'build', 'kernel')

/** Memory is imported. A kernel declares the chip's own first mebibyte and no maximum, so that any memory of a machine links. */
const INITIAL_PAGES = 16

const kernels = [
  { name: 'core', entry: 'src/silicon/core/kernel/index.ts', memoryBase: 'CORE_STATIC_BASE' },
  { name: 'memory', entry: 'src/silicon/memory/kernel/index.ts', memoryBase: 'MEMORY_STATIC_BASE' },
]

function layoutConstant(name) {
  const text = readFileSync(join(root, 'src/silicon/fabric-layout.ts'), 'utf8')
  const match = new RegExp(`export const ${name}\\b[^=]*= *(0x[0-9a-fA-F]+|\\d+)`).exec(text)
  if (!match) throw new Error(`src/silicon/fabric-layout.ts does not define ${name}`)
  return Number(match[1])
}

/** All files that `entry` reaches by import, sorted. A missing file is left for the compiler to report. */
function sourcesOf(entry) {
  const seen = new Set()
  const open = [resolve(root, entry)]
  while (open.length) {
    const file = open.pop()
    if (seen.has(file) || !existsSync(file)) continue
    seen.add(file)
    for (const match of readFileSync(file, 'utf8').matchAll(/^\s*(?:import|export)\b[^'"]*['"](\.[^'"]+)['"]/gm)) {
      open.push(resolve(dirname(file), match[1] + '.ts'))
    }
  }
  return [...seen].sort()
}

function digest(files, argumentsForCompiler) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(argumentsForCompiler))
  const compiler = join(root, 'node_modules/assemblyscript/package.json')
  if (existsSync(compiler)) hash.update(JSON.parse(readFileSync(compiler, 'utf8')).version)
  for (const file of files) {
    hash.update(relative(root, file) + '\0')
    hash.update(readFileSync(file))
  }
  return hash.digest('hex')
}

function compilerArguments(kernel, dev) {
  return [
    kernel.entry,
    '--runtime',
    'stub',
    '--importMemory',
    '--initialMemory',
    String(INITIAL_PAGES),
    '--memoryBase',
    String(layoutConstant(kernel.memoryBase)),
    '--noAssert',
    '--enable',
    'simd',
    '--uncheckedBehavior',
    'always',
    '--exportTable',
    '--use',
    'abort=',
    // AS112 warns of every exported function with v128 operands, though only files of the same module import it.
    '--disableWarning',
    '112',
    dev ? '-O1' : '-O3',
  ]
}

async function compile(kernel, { dev, force, names }) {
  if (!existsSync(join(root, kernel.entry))) throw new Error(`${kernel.entry} does not exist`)
  const folder = names ?? outputFolder
  const target = join(folder, `${kernel.name}.wasm`)
  const stamp = join(folder, `${kernel.name}.sha256`)
  const options = [...compilerArguments(kernel, dev), ...(names ? ['--debug'] : [])]
  const wanted = digest(sourcesOf(kernel.entry), options)
  if (!force && existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted) return

  const started = performance.now()
  const { default: asc } = await import('assemblyscript/asc')
  const temporary = join(folder, `${kernel.name}.${process.pid}.tmp.wasm`)
  const messages = []
  const { error } = await asc.main([...options, '--outFile', relative(root, temporary), '--baseDir', root], {
    stdout: { write: (text) => messages.push(text) },
    stderr: { write: (text) => messages.push(text) },
  })
  if (error) throw new Error(`${kernel.entry} does not compile:\n${messages.map(String).join('')}${error.message}`)
  if (messages.length) process.stderr.write(messages.map(String).join(''))
  checkModule(kernel, readFileSync(temporary))
  renameSync(temporary, target)
  writeFileSync(stamp, wanted + '\n')
  const bytes = readFileSync(target).length
  console.error(
    `build-kernel: ${kernel.name}.wasm ${bytes} bytes in ${((performance.now() - started) / 1000).toFixed(1)} s${dev ? ' (dev)' : ''}`,
  )
}

/** A kernel must validate, import nothing of the compiler's own runtime, and keep its static data in its room. */
function checkModule(kernel, bytes) {
  const module = new WebAssembly.Module(bytes)
  for (const entry of WebAssembly.Module.imports(module)) {
    if (entry.module === 'env' && entry.name !== 'memory') {
      throw new Error(`${kernel.name}.wasm imports env.${entry.name}: the kernel uses a facility of the managed runtime`)
    }
  }
}

async function main() {
  const flags = process.argv.slice(2)
  const dev = flags.includes('--dev')
  const force = flags.includes('--force')
  const namesFlag = flags.find((flag) => flag.startsWith('--names='))
  const namesFolder = namesFlag && resolve(namesFlag.slice('--names='.length))
  const names = flags.filter((flag) => !flag.startsWith('--'))
  const unknown = [
    ...flags.filter((flag) => flag.startsWith('--') && flag !== '--dev' && flag !== '--force' && flag !== namesFlag),
    ...names.filter((name) => !kernels.some((kernel) => kernel.name === name)),
  ]
  if (unknown.length)
    throw new Error(
      `unknown argument ${unknown.join(' ')}; usage: ${basename(process.argv[1])} [--dev] [--force] [--names=FOLDER] [core|memory …]`,
    )
  mkdirSync(namesFolder ?? outputFolder, { recursive: true })
  process.chdir(root)
  for (const kernel of kernels) {
    if (names.length === 0 || names.includes(kernel.name)) await compile(kernel, { dev, force, names: namesFolder })
  }
}

main().catch((error) => {
  console.error(`build-kernel: ${error.message}`)
  process.exitCode = 1
})
