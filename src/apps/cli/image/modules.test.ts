import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moduleName, readModuleInformation, selectModules, type ModuleInformation } from './modules.js'

function information(depends: string[] = [], aliases: string[] = [], softPre: string[] = []): ModuleInformation {
  return { name: '', depends, aliases, softPre }
}

const tree: Record<string, ModuleInformation> = {
  'kernel/fs/ext4/ext4.ko': information(['jbd2', 'mbcache'], ['fs-ext4'], ['crc32c']),
  'kernel/fs/jbd2/jbd2.ko': information(['crc16']),
  'kernel/fs/mbcache.ko': information(),
  'kernel/lib/crc16.ko.xz': information(),
  'kernel/drivers/virtio-rng.ko': information(['virtio']),
  'kernel/other.ko': information(),
}

test('the closure holds dependencies, and modules.dep lists the last loaded first', () => {
  const chosen = selectModules(['ext4', 'virtio-rng', 'nothing'], Object.keys(tree), new Set(['virtio']), (path) => tree[path]!)
  assert.ok(!chosen.paths.includes('kernel/other.ko'))
  assert.deepEqual(chosen.absent, ['crc32c', 'nothing'])
  const lines = new Map(
    chosen.modulesDep
      .trim()
      .split('\n')
      .map((line) => line.split(': ') as [string, string]),
  )
  assert.deepEqual(lines.get('kernel/fs/ext4/ext4.ko')!.split(' '), [
    'kernel/fs/mbcache.ko',
    'kernel/fs/jbd2/jbd2.ko',
    'kernel/lib/crc16.ko.xz',
  ])
  assert.match(chosen.modulesDep, /^kernel\/drivers\/virtio-rng\.ko:$/m)
  assert.equal(chosen.modulesAlias, 'alias fs-ext4 ext4\n')
})

test('a dependency that the package lacks is an error', () => {
  assert.throws(() => selectModules(['virtio-rng'], Object.keys(tree), new Set(), (path) => tree[path]!), /'virtio' is needed/)
})

test('module names', () => {
  assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz'), 'virtio_rng')
})

test('.modinfo is read from an ELF file, and other bytes have none', () => {
  const strings = Buffer.from(
    'license=GPL\0depends=virtio,virtio_ring\0alias=virtio:d00000004v*\0softdep=pre: a b post: c\0name=x\0',
    'latin1',
  )
  const names = Buffer.from('\0.modinfo\0.shstrtab\0', 'latin1')
  const elf = Buffer.alloc(64 + strings.length + names.length + 3 * 64)
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  strings.copy(elf, 64)
  names.copy(elf, 64 + strings.length)
  const table = 64 + strings.length + names.length
  elf.writeBigUInt64LE(BigInt(table), 0x28)
  elf.writeUInt16LE(64, 0x3a)
  elf.writeUInt16LE(3, 0x3c)
  elf.writeUInt16LE(2, 0x3e)
  const section = (index: number, name: number, offset: number, length: number): void => {
    elf.writeUInt32LE(name, table + 64 * index)
    elf.writeBigUInt64LE(BigInt(offset), table + 64 * index + 0x18)
    elf.writeBigUInt64LE(BigInt(length), table + 64 * index + 0x20)
  }
  section(1, 1, 64, strings.length)
  section(2, 10, 64 + strings.length, names.length)
  assert.deepEqual(readModuleInformation(elf), {
    name: 'x',
    depends: ['virtio', 'virtio_ring'],
    softPre: ['a', 'b'],
    aliases: ['virtio:d00000004v*'],
  })
  assert.equal(readModuleInformation(Buffer.from('#!/bin/sh\n')), undefined)
  assert.equal(readModuleInformation(elf.subarray(0, 100)), undefined)
})
