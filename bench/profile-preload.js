// Loaded ahead of the program that is profiled (`node --import`): names its WebAssembly modules and their functions, so that V8's profile can tell the
// chip's two kernels and the regions of translated code apart. A module says its name by a custom section (WebAssembly core specification, "Name Section"),
// which V8 puts into the module's address: wasm://wasm/NAME-HASH.

import { readFileSync } from 'node:fs'

const folder = new URL('../build/kernel/', import.meta.url)
const kernels = ['core', 'memory'].map((name) => ({
  name,
  code: readFileSync(new URL(`${name}.wasm`, folder)),
  functions: functionNames(readFileSync(new URL(`${name}.names`, folder))),
}))

/** Unsigned LEB128. */
function number(value) {
  const bytes = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value & 0x7f) | 0x80)
  return [...bytes, value]
}

const text = (string) => [...number(string.length), ...Buffer.from(string, 'latin1')]
const part = (id, content) => [id, ...number(content.length), ...content]

/** Subsection 1 of a section "name" as the compiler wrote it: the section's head and the module's own name, if any, are dropped. */
function functionNames(section) {
  const at = section.indexOf('\x04name') + 5
  const length = (from) => {
    let value = 0
    for (let i = from, shift = 0; ; i++, shift += 7) {
      value += (section[i] & 0x7f) * 2 ** shift
      if (section[i] < 0x80) return [value, i + 1]
    }
  }
  for (let from = at; from < section.length;) {
    const [size, content] = length(from + 1)
    if (section[from] === 1) return section.subarray(from, content + size)
    from = content + size
  }
  return new Uint8Array()
}

function named(bytes) {
  const code = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
  const kernel = kernels.find((one) => one.code.equals(code))
  const names = [...text('name'), ...part(0, text(kernel?.name ?? 'region')), ...(kernel?.functions ?? [])]
  return Buffer.concat([code, Buffer.from(part(0, names))])
}

const { Module, Instance, compile, instantiate } = WebAssembly

// Their time counts as making regions: the two kernels are a hundredth of a second of it.
function makeModule(bytes) {
  return new Module(named(bytes))
}
function makeInstance(module, imports) {
  return new Instance(module, imports)
}
for (const [made, original] of [
  [makeModule, Module],
  [makeInstance, Instance],
]) {
  made.prototype = original.prototype
  Object.setPrototypeOf(made, original)
}
WebAssembly.Module = makeModule
WebAssembly.Instance = makeInstance
WebAssembly.compile = (bytes) => compile(named(bytes))
WebAssembly.instantiate = (source, imports) => instantiate(source instanceof Module ? source : named(source), imports)
