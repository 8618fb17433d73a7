/** What the hypervisor asks of a guest image, and what it offers. `guest/launch-plan.ts` declares the same shapes; neither imports the other. */

export const MEMORY_RAM = 1
export const MEMORY_RESERVED = 2
export const MEMORY_ACPI = 3

export interface MemoryRange {
  readonly base: number
  readonly bytes: number
  readonly type: number
}

export interface BootPlatform {
  readonly memoryBytes: number
  readonly memoryMap: readonly MemoryRange[]
  /** Position of the C-bit in page-table entries, undefined where memory is not encrypted. */
  readonly cBit: number | undefined
  readonly rsdp: number
}

/** Whole pages of guest memory, in the order in which they are measured. */
export interface LaunchRegion {
  readonly name: string
  readonly gpa: number
  readonly bytes: Uint8Array
}

export interface EntryState {
  readonly mode: 'protected' | 'long'
  readonly rip: number
  readonly rsp: number
  readonly rax: number
  readonly rbx: number
  readonly rsi: number
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
  readonly description: string
  plan(platform: BootPlatform): LaunchPlan
}
