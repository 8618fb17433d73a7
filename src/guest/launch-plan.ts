/**
 * What a guest image asks of the machine that starts it: where its bytes lie and in which state the processor begins.
 * The hypervisor declares the same shapes for itself (`host/hypervisor/boot-image.ts`); neither imports the other.
 */

/** Types of memory as ACPI and E820 number them (ACPI 6.5 table 15.4). */
export const MEMORY_RAM = 1
export const MEMORY_RESERVED = 2
export const MEMORY_ACPI = 3

export interface MemoryRange {
  readonly base: number
  readonly bytes: number
  readonly type: number
}

/** The machine as far as an image must know it. */
export interface BootPlatform {
  readonly memoryBytes: number
  readonly memoryMap: readonly MemoryRange[]
  /** Position of the C-bit in page-table entries, undefined where memory is not encrypted. */
  readonly cBit: number | undefined
  /** Guest-physical address of the RSDP. */
  readonly rsdp: number
}

/** Whole pages of the guest's memory, in the order in which they are measured. */
export interface LaunchRegion {
  readonly name: string
  readonly gpa: number
  readonly bytes: Uint8Array
}

export type EntryMode = 'protected' | 'long'

/** The processor's state at the first instruction. Segments are flat; the GDT lies where `gdt` says. */
export interface EntryState {
  readonly mode: EntryMode
  readonly rip: number
  readonly rsp: number
  readonly rax: number
  readonly rbx: number
  readonly rsi: number
  /** Long mode only: address of the top-level page table, C-bit not included. */
  readonly cr3: number
  readonly codeSelector: number
  readonly dataSelector: number
  readonly gdt: { readonly base: number; readonly limit: number }
}

export interface LaunchPlan {
  readonly regions: readonly LaunchRegion[]
  readonly entry: EntryState
}

export interface GuestImage {
  /** For people: "Linux 6.1.0-…", "Multiboot ELF32". */
  readonly description: string
  plan(platform: BootPlatform): LaunchPlan
}
