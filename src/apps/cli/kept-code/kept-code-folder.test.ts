import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ByteWriter, I32, ModuleEncoder } from '../../../lib/wasm-encoder.js'
import type { KeptRegion } from '../../../silicon/core/translate/kept-code.js'
import { engineCode, type EngineCode } from './engine-code.js'
import { KeptCodeFolder } from './kept-code-folder.js'
import { openSegment, writeSegment } from './segment.js'

const root = mkdtempSync(join(tmpdir(), 'cbit-kept-'))
after(() => rmSync(root, { recursive: true }))
let folders = 0
const fresh = (): string => join(root, String(folders++))

const region = (number: number, hash: number): KeptRegion => ({
  number,
  core: 0x100000,
  mode: 7,
  guard: 100,
  size: 0,
  blocks: [{ position: 0x123, hash, code: Uint8Array.of(0x48, 0xff, 0xc0, 0xc3), targets: [] }],
  entries: [0],
  constants: [],
  firstConstant: 0,
})

/** A module that exports f0, which adds up the numbers to its argument `factor` times. */
function sums(factor: number): Uint8Array<ArrayBuffer> {
  const code = new ByteWriter()
  // loop: local1 += local0 * factor / local0 -= 1 / br_if / local1
  code.bytes([0x03, 0x40, 0x20, 1, 0x20, 0, 0x41])
  code.s32(factor)
  code.bytes([0x6c, 0x6a, 0x21, 1, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 1])
  const encoder = new ModuleEncoder([], { parameters: [I32], results: [I32] }, [], 0)
  return encoder.encode([{ locals: [[1, I32]], code }]).slice() as Uint8Array<ArrayBuffer>
}

const imports = (): WebAssembly.Imports => ({
  env: { memory: new WebAssembly.Memory({ initial: 1 }), functions: new WebAssembly.Table({ element: 'anyfunc', initial: 0 }) },
})
type Sum = (n: number) => number
const instance = (module: WebAssembly.Module): Sum => new WebAssembly.Instance(module, imports()).exports['f0'] as Sum

/** Runs `sum` until V8 has optimised it. */
async function heat(sum: Sum, engine: EngineCode): Promise<void> {
  for (let n = 0; n < 500 && !engine.isOptimised(sum); n++) {
    for (let k = 0; k < 100; k++) sum(10_000)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert(engine.isOptimised(sum), 'V8 optimises a hot function')
}

const engine = engineCode()

describe('code of V8', { skip: !engine && 'this V8 gives its code to nobody' }, () => {
  it('comes back, and runs as optimised code', async () => {
    const bytes = sums(3)
    const module = new WebAssembly.Module(bytes)
    const sum = instance(module)
    assert.equal(engine!.isOptimised(sum), false)
    await heat(sum, engine!)
    const code = engine!.serialize(module)!
    const again = engine!.deserialize(code, bytes)!
    const copy = instance(again)
    assert.equal(copy(100), 15150)
    assert(engine!.isOptimised(copy))
  })

  it('of other flags or versions is not taken', async () => {
    const bytes = sums(4)
    const module = new WebAssembly.Module(bytes)
    const sum = instance(module)
    await heat(sum, engine!)
    const code = engine!.serialize(module)!.slice()
    // V8's own head: a magic number, its version, the processor, its flags.
    for (const at of [0, 4, 12]) assert.equal(engine!.deserialize(code.with(at, code[at]! ^ 0xff), bytes), undefined)
  })
})

describe('a file of kept code', () => {
  const key = new Uint8Array(32).fill(7)
  const content = {
    constants: 5,
    regions: [region(0, 1), region(3, 2)],
    optimised: 9,
    payload: () => ({ bytes: sums(1), code: Uint8Array.of(1, 2, 3) }),
  }

  it('has what was written', () => {
    const file = fresh()
    assert.equal(writeSegment(file, key, [content, { ...content, payload: () => undefined }, { ...content, constants: 6 }]), 2)
    const { modules, close } = openSegment(file, key)
    assert.deepEqual(
      modules.map(({ constants, regions, optimised }) => ({ constants, regions, optimised })),
      [5, 6].map((constants) => ({ constants, regions: content.regions, optimised: 9 })),
    )
    assert.deepEqual(modules[1]!.payload(), content.payload())
    close()
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(readFileSync(file).includes(Buffer.from(content.regions[0]!.blocks[0]!.code)), false, 'no code of the guest in clear')
  })

  it('is refused wherever a bit of it differs, and under another key', () => {
    const file = fresh()
    writeSegment(file, key, [content])
    const whole = readFileSync(file)
    const spoiled = fresh()
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(spoiled, Buffer.from(whole).fill(whole[at]! ^ (1 << (at & 7)), at, at + 1))
      let segment
      try {
        segment = openSegment(spoiled, key)
      } catch (error) {
        assert(error instanceof RangeError, String(error))
        continue
      }
      assert.equal(segment.modules[0]!.payload(), undefined, `byte ${at}`)
      segment.close()
    }
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(spoiled, whole.subarray(0, length))
      try {
        const segment = openSegment(spoiled, key)
        assert.equal(segment.modules[0]!.payload(), undefined, `${length} bytes`)
        segment.close()
      } catch (error) {
        assert(error instanceof RangeError, String(error))
      }
    }
    assert.throws(() => openSegment(file, new Uint8Array(32)), RangeError)
  })

  it('has pieces that serve in no other place', () => {
    const [file, other] = [fresh(), fresh()]
    writeSegment(file, key, [content, content])
    writeSegment(other, key, [content, content])
    const [a, b] = [readFileSync(file), readFileSync(other)]
    const payload = 28 + content.payload().bytes.length + 3 + 1
    // The last payload of one file in the place of that of the other, and the two of one file exchanged.
    const spoiled = fresh()
    writeFileSync(spoiled, Buffer.concat([a.subarray(0, -payload), b.subarray(-payload)]))
    const exchanged = fresh()
    writeFileSync(exchanged, Buffer.concat([a.subarray(0, -2 * payload), a.subarray(-payload), a.subarray(-2 * payload, -payload)]))
    assert(openSegment(file, key).modules.every((module) => module.payload()))
    assert.deepEqual(
      [spoiled, exchanged].map((name) => openSegment(name, key).modules.map((module) => module.payload() !== undefined)),
      [
        [true, false],
        [false, false],
      ],
    )
  })
})

describe('the folder of kept code', { skip: !engine && 'this V8 gives its code to nobody' }, () => {
  const open = (parent: string, identity = 'a build'): KeptCodeFolder => KeptCodeFolder.open(parent, identity, engine)!

  /** Compiles a module into `folder`; `hot`: until V8 has optimised it. */
  async function compile(folder: KeptCodeFolder, factor: number, hot = true): Promise<void> {
    const bytes = sums(factor)
    const module = new WebAssembly.Module(bytes)
    const code = instance(module)
    if (hot) await heat(code, engine!)
    folder.code.addFresh({ module, bytes, constants: 0, regions: [{ region: region(0, factor), code }] })
  }

  const files = (parent: string): string[] =>
    readdirSync(parent, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.kept'))

  it('gives the next process what this one has compiled and V8 optimised', async () => {
    const parent = fresh()
    const first = open(parent)
    await compile(first, 11)
    await compile(first, 12, false)
    assert.equal(first.save(), 1)
    assert.equal(first.save(), 0, 'once')
    const second = open(parent)
    assert.equal(second.code.beginningWith(12).length, 0)
    const [kept] = second.code.beginningWith(11)
    const sum = instance(kept!.module.module() as WebAssembly.Module)
    assert.equal(sum(100), 5050 * 11)
    assert(engine!.isOptimised(sum))
    assert.equal(open(parent, 'another build').code.beginningWith(11).length, 0)
  })

  it('saves again what V8 has improved', async () => {
    const parent = fresh()
    const first = open(parent)
    // Two functions of which V8 has optimised one: what is known of the other says so.
    await compile(first, 21)
    first.save()
    const [name] = files(parent)
    const key = readFileSync(join(parent, 'key'))
    const { modules } = openSegment(join(parent, name!), key)
    writeSegment(
      join(parent, name!),
      key,
      modules.map((module) => ({ ...module, optimised: 0 })),
    )
    const second = open(parent)
    const [kept] = second.code.beginningWith(21)
    second.code.noteUse(kept!.module, 0, instance(kept!.module.module() as WebAssembly.Module))
    assert.equal(second.save(), 1)
    const third = open(parent)
    assert.equal(third.code.beginningWith(21).length, 2)
    const [better] = third.code.beginningWith(21)
    third.code.noteUse(better!.module, 0, instance(better!.module.module() as WebAssembly.Module))
    assert.equal(third.save(), 0, 'nothing is better than that')
  })

  it('makes many files one, of what is newest', async () => {
    const parent = fresh()
    for (let n = 0; n < 8; n++) {
      const folder = open(parent)
      await compile(folder, 31 + (n % 3))
      folder.save()
      folder.close()
    }
    assert(files(parent).length < 4, files(parent).join(' '))
    const folder = open(parent)
    for (const factor of [31, 32, 33]) assert(folder.code.beginningWith(factor).length >= 1)
    const [kept] = folder.code.beginningWith(32)
    assert.equal(instance(kept!.module.module() as WebAssembly.Module)(10), 55 * 32)
  })

  it('drops a damaged file, and is not used where others could have its key', async () => {
    const parent = fresh()
    const folder = open(parent)
    await compile(folder, 41)
    folder.save()
    const [name] = files(parent)
    truncateSync(join(parent, name!), 50)
    assert.equal(open(parent).code.beginningWith(41).length, 0)
    assert.deepEqual(files(parent), [])
    chmodSync(join(parent, 'key'), 0o644)
    assert.equal(KeptCodeFolder.open(parent, 'a build', engine), undefined)
  })

  it('of four builds at most is kept, and nothing else is touched that stands beside them', async () => {
    const parent = fresh()
    const others = ['a', 'b', 'c', 'd', 'e', 'aaaaaaaaaaaaaaaa.old'].map((name) => join(parent, name))
    for (const other of others) mkdirSync(other, { recursive: true })
    for (let n = 0; n < 6; n++) {
      const folder = open(parent, `build ${n}`)
      await compile(folder, 51)
      folder.save()
    }
    assert.equal(readdirSync(parent).filter((name) => /^[0-9a-f]{16}$/.test(name)).length, 4)
    assert.equal(open(parent, 'build 5').code.beginningWith(51).length, 1)
    for (const other of others) assert(statSync(other).isDirectory())
  })

  it('that cannot be made is none', () => {
    const parent = fresh()
    writeFileSync(parent, '')
    assert.equal(KeptCodeFolder.open(parent, 'a build', engine), undefined)
  })
})
