import { assert } from '../../../lib/assert.js'
import {
  ACPI_DISABLE_VALUE,
  ACPI_ENABLE_VALUE,
  CMOS_CENTURY,
  GPE0,
  GPE0_BYTES,
  PM1A_CONTROL,
  PM1A_EVENT,
  PM_TIMER,
} from '../../../spec/pc/acpi-pm.js'
import { GSI_SCI, GSI_TIMER, IOAPIC_ID, IRQ_SCI, IRQ_TIMER } from '../../../spec/pc/interrupts.js'
import { ECAM_BASE, ECAM_BUS_FIRST, ECAM_BUS_LAST, IOAPIC_BASE, LOCAL_APIC_BASE } from '../../../spec/pc/memory-map.js'
import { PORT_RESET_CONTROL, PORT_SMI_COMMAND, RESET_CONTROL_VALUE } from '../../../spec/pc/ports.js'
import { dsdtTerms } from './dsdt.js'

// System description tables (ACPI specification 6.5, chapter 5.2).
const HEADER_BYTES = 36
const FADT_BYTES = 268
const FACS_BYTES = 64
/** It is the first thing in the area. */
export const RSDP_BYTES = 36
const SPACE_IO = 1

export interface AcpiTables {
  /** All tables, to lie at `base`. */
  readonly bytes: Uint8Array
  readonly rsdp: number
}

/** Lays the tables out from `base` on; the RSDP comes first. `vcpus` local APICs with ids 0, 1, … */
export function buildAcpiTables(base: number, bytesMax: number, vcpus: number): AcpiTables {
  const area = new Uint8Array(bytesMax)
  let next = 64
  const place = (table: Uint8Array, alignment = 16): number => {
    const at = Math.ceil(next / alignment) * alignment
    assert(at + table.length <= bytesMax, 'the ACPI tables fit their area')
    area.set(table, at)
    next = at + table.length
    return base + at
  }

  const facs = place(buildFacs(), 64)
  const dsdt = place(sdt('DSDT', 2, Uint8Array.from(dsdtTerms())))
  const fadt = place(buildFadt(facs, dsdt))
  const madt = place(buildMadt(vcpus))
  const mcfg = place(buildMcfg())
  const xsdt = place(buildXsdt([fadt, madt, mcfg]))
  area.set(buildRsdp(xsdt))
  return { bytes: area.slice(0, Math.ceil(next / 0x1000) * 0x1000), rsdp: base }
}

/** Makes the bytes from 0 to `end` sum to zero by the byte at `at`. */
function checksum(bytes: Uint8Array, at: number, end: number): void {
  bytes[at] = 0
  let sum = 0
  for (let i = 0; i < end; i++) sum += bytes[i]!
  bytes[at] = -sum & 0xff
}

function text(view: DataView, offset: number, value: string, length: number): void {
  for (let i = 0; i < length; i++) view.setUint8(offset + i, i < value.length ? value.charCodeAt(i) : 0x20)
}

/** The common header (5.2.6) over `body`. */
function sdt(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const table = new Uint8Array(HEADER_BYTES + body.length)
  const view = new DataView(table.buffer)
  table.set(body, HEADER_BYTES)
  text(view, 0, signature, 4)
  view.setUint32(4, table.length, true)
  view.setUint8(8, revision)
  text(view, 10, 'CBIT', 6)
  text(view, 16, 'CBITPC', 8)
  view.setUint32(24, 1, true)
  text(view, 28, 'CBIT', 4)
  view.setUint32(32, 1, true)
  checksum(table, 9, table.length)
  return table
}

function buildRsdp(xsdt: number): Uint8Array {
  const rsdp = new Uint8Array(RSDP_BYTES)
  const view = new DataView(rsdp.buffer)
  text(view, 0, 'RSD PTR ', 8)
  text(view, 9, 'CBIT', 6)
  view.setUint8(15, 2)
  view.setUint32(20, RSDP_BYTES, true)
  view.setUint32(24, xsdt, true)
  checksum(rsdp, 8, 20)
  checksum(rsdp, 32, RSDP_BYTES)
  return rsdp
}

function buildXsdt(tables: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(tables.length * 8))
  tables.forEach((address, i) => view.setUint32(i * 8, address, true))
  return sdt('XSDT', 1, new Uint8Array(view.buffer))
}

function buildFacs(): Uint8Array {
  const facs = new Uint8Array(FACS_BYTES)
  const view = new DataView(facs.buffer)
  text(view, 0, 'FACS', 4)
  view.setUint32(4, FACS_BYTES, true)
  view.setUint8(32, 2)
  return facs
}

// FADT flags (table 5.10): WBINVD, C1, sleep button is no fixed hardware, RTC alarm is no fixed hardware, 32-bit PM timer, reset register.
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 8) | (1 << 10)
/** IA-PC boot flags (table 5.11): legacy devices present, VGA not present; the 8042 bit is clear. */
const FADT_BOOT_ARCH = (1 << 0) | (1 << 2)

/** Fixed ACPI description table, revision 5 (5.2.9). Offsets count from the table's first byte. */
function buildFadt(facs: number, dsdt: number): Uint8Array {
  const body = new Uint8Array(FADT_BYTES - HEADER_BYTES)
  const view = new DataView(body.buffer)
  const u8 = (at: number, value: number) => view.setUint8(at - HEADER_BYTES, value)
  const u16 = (at: number, value: number) => view.setUint16(at - HEADER_BYTES, value, true)
  const u32 = (at: number, value: number) => view.setUint32(at - HEADER_BYTES, value, true)
  const register = (at: number, port: number, bytes: number, access: number) => {
    u8(at, SPACE_IO)
    u8(at + 1, bytes * 8)
    u8(at + 3, access)
    u32(at + 4, port)
  }
  u32(36, facs)
  u32(40, dsdt)
  u16(46, IRQ_SCI)
  u32(48, PORT_SMI_COMMAND)
  u8(52, ACPI_ENABLE_VALUE)
  u8(53, ACPI_DISABLE_VALUE)
  u32(56, PM1A_EVENT)
  u32(64, PM1A_CONTROL)
  u32(76, PM_TIMER)
  u32(80, GPE0)
  u8(88, 4)
  u8(89, 2)
  u8(91, 4)
  u8(92, GPE0_BYTES)
  u16(96, 0xfff)
  u16(98, 0xfff)
  u8(108, CMOS_CENTURY)
  u16(109, FADT_BOOT_ARCH)
  u32(112, FADT_FLAGS)
  register(116, PORT_RESET_CONTROL, 1, 1)
  u8(128, RESET_CONTROL_VALUE)
  u8(131, 1)
  u32(140, dsdt)
  register(148, PM1A_EVENT, 4, 2)
  register(172, PM1A_CONTROL, 2, 2)
  register(208, PM_TIMER, 4, 3)
  register(220, GPE0, GPE0_BYTES, 1)
  return sdt('FACP', 5, body)
}

/** Multiple APIC description table (5.2.12). */
function buildMadt(vcpus: number): Uint8Array {
  const bytes: number[] = [...le32(LOCAL_APIC_BASE), ...le32(1)]
  for (let id = 0; id < vcpus; id++) bytes.push(0, 8, id, id, ...le32(1))
  bytes.push(1, 12, IOAPIC_ID, 0, ...le32(IOAPIC_BASE), ...le32(0))
  bytes.push(2, 10, 0, IRQ_TIMER, ...le32(GSI_TIMER), 0, 0)
  // Active high (01), level triggered (11).
  bytes.push(2, 10, 0, IRQ_SCI, ...le32(GSI_SCI), 0x0d, 0)
  // NMI on LINT1 of every local APIC.
  bytes.push(4, 6, 0xff, 0, 0, 1)
  return sdt('APIC', 3, Uint8Array.from(bytes))
}

/** PCI Express memory-mapped configuration (PCI firmware specification 3.3, section 4.1.2). */
function buildMcfg(): Uint8Array {
  return sdt(
    'MCFG',
    1,
    Uint8Array.from([...new Array<number>(8).fill(0), ...le32(ECAM_BASE), ...le32(0), 0, 0, ECAM_BUS_FIRST, ECAM_BUS_LAST, ...le32(0)]),
  )
}

function le32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
}
