import assert from 'node:assert/strict'
import { test } from 'node:test'
import { amlPackage, eisaId, integer, name, scope } from './aml.js'
import { dsdtTerms } from './dsdt.js'
import { buildAcpiTables } from './tables.js'

const BASE = 0x1ff0000

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
}

test('AML terms have the encoding of the ACPI specification', () => {
  assert.deepEqual(
    name('\\_S5', amlPackage(integer(0), integer(0), integer(0), integer(0))),
    [0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 6, 4, 0, 0, 0, 0],
  )
  assert.deepEqual(eisaId('PNP0A03'), [0x0c, 0x41, 0xd0, 0x0a, 0x03])
  assert.deepEqual(eisaId('PNP0501'), [0x0c, 0x41, 0xd0, 0x05, 0x01])
  assert.deepEqual(integer(0x12345678), [0x0c, 0x78, 0x56, 0x34, 0x12])
  // A package longer than 63 bytes: lead byte with the count of following bytes and the low nibble.
  const long = scope(
    '\\_SB',
    Array.from({ length: 100 }, () => 0),
  )
  assert.deepEqual(long.slice(0, 3), [0x10, 0x40 | (107 & 15), 107 >> 4])
  assert.equal(long.length, 108)
})

test('every table is found from the RSDP and sums to zero', () => {
  const { bytes, rsdp } = buildAcpiTables(BASE, 0x10000, 1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = (address: number) => address - BASE
  const signature = (address: number) => String.fromCharCode(...bytes.subarray(at(address), at(address) + 4))
  const table = (address: number) => bytes.subarray(at(address), at(address) + view.getUint32(at(address) + 4, true))
  assert.equal(rsdp, BASE)
  assert.equal(sum(bytes.subarray(0, 20)), 0)
  assert.equal(sum(bytes.subarray(0, 36)), 0)

  const xsdt = view.getUint32(24, true)
  assert.equal(signature(xsdt), 'XSDT')
  assert.equal(sum(table(xsdt)), 0)
  const entries = Array.from({ length: (table(xsdt).length - 36) / 8 }, (_, i) => view.getUint32(at(xsdt) + 36 + 8 * i, true))
  assert.deepEqual(entries.map(signature), ['FACP', 'APIC', 'MCFG'])
  for (const entry of entries) assert.equal(sum(table(entry)), 0, signature(entry))

  const fadt = at(entries[0]!)
  assert.equal(view.getUint32(fadt + 4, true), 268)
  assert.equal(signature(view.getUint32(fadt + 36, true)), 'FACS')
  assert.equal(view.getUint32(fadt + 36, true) % 64, 0)
  assert.equal(signature(view.getUint32(fadt + 40, true)), 'DSDT')
  assert.equal(sum(table(view.getUint32(fadt + 140, true))), 0)
  assert.equal(view.getUint32(fadt + 64, true), 0x604)
})

test('the DSDT nests exactly: package lengths end where their contents do', () => {
  const aml = dsdtTerms()
  // _S5 is 13 bytes, then one Scope to the end.
  assert.equal(aml[13], 0x10)
  const extra = aml[14]! >> 6
  let length = aml[14]! & 15
  for (let i = 0; i < extra; i++) length |= aml[15 + i]! << (4 + 8 * i)
  assert.equal(14 + length, aml.length)
})
