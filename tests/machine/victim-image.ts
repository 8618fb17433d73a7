// Small bare-metal guests: one code page, 4 KiB page tables that carry the C-bit, one shared page.

import { Assembler } from '../../src/guest/assembler/assembler.js'
import type { GuestImage, LaunchRegion } from '../../src/guest/index.js'

/** Guest physical addresses, which are the linear ones too. */
export const places = {
  idt: 0x6000,
  stack: 0x7000,
  gdt: 0x8000,
  /** PML4, PDPT, page directory, page table. */
  pageTables: 0x9000,
  pageTable: 0xc000,
  code: 0x10000,
  public: 0x20000,
  secret: 0x21000,
  counter: 0x22000,
  zeroPage: 0x23000,
  onePage: 0x24000,
  /** The only page without a C-bit. */
  shared: 0x30000,
} as const

/** A guest's agreement with its hypervisor. OUT: a word that the guest gives to the world. */
export const REPORT_PORT = 0x500
/** OUT: the guest has done a step of its work. */
export const STEP_PORT = 0x504
export const INTERRUPT_VECTOR = 0x40

const PAGE_BYTES = 0x1000
const PTE_PRESENT_WRITE = 3
const MAPPED_BYTES = 0x200000

export interface VictimProgram {
  readonly name: string
  /** Writes the program; the label `interrupt`, where placed, handles INTERRUPT_VECTOR. */
  readonly write: (a: Assembler) => void
  readonly interrupts?: boolean
}

export function victimImage({ name, write, interrupts = false }: VictimProgram): GuestImage {
  return {
    description: name,
    plan({ cBit }) {
      const a = new Assembler(places.code)
      write(a)
      const regions: LaunchRegion[] = [
        page('code', places.code, a.assemble()),
        page('idt', places.idt, interrupts ? gate(a.addressOf('interrupt')) : new Uint8Array(0)),
        page('stack', places.stack),
        page('gdt', places.gdt, gdt()),
        { name: 'page-tables', gpa: places.pageTables, bytes: pageTables(cBit) },
        ...(['public', 'secret', 'counter', 'zeroPage', 'onePage'] as const).map((data) => page(data, places[data])),
      ]
      return {
        regions,
        entry: {
          mode: 'long',
          rip: places.code,
          rsp: places.stack + PAGE_BYTES,
          rax: 0,
          rbx: 0,
          rsi: 0,
          cr3: places.pageTables,
          codeSelector: 0x10,
          dataSelector: 0x18,
          gdt: { base: places.gdt, limit: 0x1f },
        },
      }
    },
  }
}

function page(name: string, gpa: number, content: Uint8Array = new Uint8Array(0)): LaunchRegion {
  const bytes = new Uint8Array(PAGE_BYTES)
  bytes.set(content)
  return { name, gpa, bytes }
}

/** Null, unused, 64-bit code, data (APM vol. 2, section 4.8). */
function gdt(): Uint8Array {
  return new Uint8Array(BigUint64Array.of(0n, 0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn).buffer)
}

/** An interrupt gate to `handler` (section 4.8.4); behind the gates, what LIDT loads. */
function gate(handler: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(INTERRUPT_VECTOR * 16, handler & 0xffff, true)
  view.setUint16(INTERRUPT_VECTOR * 16 + 2, 0x10, true)
  view.setUint16(INTERRUPT_VECTOR * 16 + 4, 0x8e00, true)
  view.setUint16(INTERRUPT_VECTOR * 16 + 6, handler >>> 16, true)
  view.setUint16(IDT_POINTER - places.idt, (INTERRUPT_VECTOR + 1) * 16 - 1, true)
  view.setUint32(IDT_POINTER - places.idt + 2, places.idt, true)
  return bytes
}

export const IDT_POINTER = places.idt + 0xff0

/** The first 2 MiB one to one (section 5.3.3), private but for one page (section 15.34.5). */
function pageTables(cBit: number | undefined): Uint8Array {
  const entries = new BigUint64Array((4 * PAGE_BYTES) / 8)
  const c = cBit === undefined ? 0n : 1n << BigInt(cBit)
  const entry = (spa: number): bigint => BigInt(spa | PTE_PRESENT_WRITE) | c
  for (const level of [0, 1, 2]) entries[level * 512] = entry(places.pageTables + (level + 1) * PAGE_BYTES)
  for (let gpa = 0; gpa < MAPPED_BYTES; gpa += PAGE_BYTES) entries[3 * 512 + gpa / PAGE_BYTES] = entry(gpa)
  entries[3 * 512 + places.shared / PAGE_BYTES] = BigInt(places.shared | PTE_PRESENT_WRITE)
  return new Uint8Array(entries.buffer)
}
