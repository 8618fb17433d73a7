// Compiles the chip's two AssemblyScript kernels to WebAssembly: build/kernel/core.wasm and build/kernel/memory.wasm.
//   node tools/build-kernel.js [--dev] [--force] [core|memory …]
// --dev compiles quickly (-O1). A kernel is skipped when the hash of all that it is made from has not changed.
// The names of its functions, which only a profile wants, stand beside it: core.names and memory.names (WebAssembly core specification, "Name Section").

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
    // Appends the names of the functions to the module, and changes nothing else in it.
    '--debug',
    dev ? '-O1' : '-O3',
  ]
}

async function compile(kernel, { dev, force }) {
  if (!existsSync(join(root, kernel.entry))) throw new Error(`${kernel.entry} does not exist`)
  const target = join(outputFolder, `${kernel.name}.wasm`)
  const namesFile = join(outputFolder, `${kernel.name}.names`)
  const stamp = join(outputFolder, `${kernel.name}.sha256`)
  const options = compilerArguments(kernel, dev)
  const wanted = digest(sourcesOf(kernel.entry), options)
  const standing = [target, namesFile, stamp].every((file) => existsSync(file))
  if (!force && standing && readFileSync(stamp, 'utf8').trim() === wanted) return

  const started = performance.now()
  const { default: asc } = await import('assemblyscript/asc')
  const temporary = join(outputFolder, `${kernel.name}.${process.pid}.tmp.wasm`)
  const messages = []
  const { error } = await asc.main([...options, '--outFile', relative(root, temporary), '--baseDir', root], {
    stdout: { write: (text) => messages.push(text) },
    stderr: { write: (text) => messages.push(text) },
  })
  if (error) throw new Error(`${kernel.entry} does not compile:\n${messages.map(String).join('')}${error.message}`)
  if (messages.length) process.stderr.write(messages.map(String).join(''))
  const { code, names } = splitNames(readFileSync(temporary))
  checkModule(kernel, code)
  writeFileSync(namesFile, names)
  writeFileSync(temporary, code)
  renameSync(temporary, target)
  writeFileSync(stamp, wanted + '\n')
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.error(`build-kernel: ${kernel.name}.wasm ${code.length} bytes in ${seconds} s${dev ? ' (dev)' : ''}`)
}

/** The module without its last section, which holds the names, and that section. */
function splitNames(module) {
  const size = (at) => {
    let value = 0
    for (let shift = 0; ; shift += 7, at++) {
      value += (module[at] & 0x7f) * 2 ** shift
      if (module[at] < 0x80) return [value, at + 1]
    }
  }
  for (let at = 8; at < module.length;) {
    const [length, content] = size(at + 1)
    const isNames = module[at] === 0 && module.toString('latin1', content, content + 5) === '\x04name'
    if (isNames && content + length === module.length) return { code: module.subarray(0, at), names: module.subarray(at) }
    at = content + length
  }
  throw new Error('the compiler has not put the names at the end of the module')
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
  const names = flags.filter((flag) => !flag.startsWith('--'))
  const unknown = [
    ...flags.filter((flag) => flag.startsWith('--') && flag !== '--dev' && flag !== '--force'),
    ...names.filter((name) => !kernels.some((kernel) => kernel.name === name)),
  ]
  if (unknown.length)
    throw new Error(`unknown argument ${unknown.join(' ')}; usage: ${basename(process.argv[1])} [--dev] [--force] [core|memory …]`)
  mkdirSync(outputFolder, { recursive: true })
  process.chdir(root)
  for (const kernel of kernels) {
    if (names.length === 0 || names.includes(kernel.name)) await compile(kernel, { dev, force })
  }
}

main().catch((error) => {
  console.error(`build-kernel: ${error.message}`)
  process.exitCode = 1
})
