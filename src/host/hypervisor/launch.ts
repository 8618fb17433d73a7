import { assert } from '../../lib/assert.js'
import { concatBytes } from '../../lib/bytes.js'
import type { OwnerSession, SevDriver } from '../sev-driver/index.js'
import type { GuestImage, LaunchPlan, LaunchRegion } from './boot-image.js'
import { buildAcpiTables, RSDP_BYTES } from './acpi/tables.js'
import type { VmMemory } from './guest-memory-access.js'
import { ACPI_AREA_BYTES, acpiAreaBase, BIOS_BASE, memoryMap, SECRET_AREA_BYTES } from './memory-map.js'
import { PAGE_BYTES } from './physical-memory.js'

export interface Measurement {
  /** HMAC over the launch digest under the guest's integrity key, then the nonce it used (55766 section 6.5). */
  readonly measure: Uint8Array
  readonly mnonce: Uint8Array
}

/** The whole of what lies in guest memory at the first instruction: the image's regions, then the board's ACPI tables. */
export function planLaunch(image: GuestImage, memoryBytes: number, cBit: number | undefined, vcpus: number): LaunchPlan {
  const acpiBase = acpiAreaBase(memoryBytes)
  const acpi = buildAcpiTables(acpiBase, ACPI_AREA_BYTES - SECRET_AREA_BYTES, vcpus)
  const plan = image.plan({ memoryBytes, memoryMap: memoryMap(memoryBytes), cBit, rsdp: acpi.rsdp })
  const regions = [...plan.regions, { name: 'acpi', gpa: acpiBase, bytes: concatBytes(acpi.bytes, new Uint8Array(SECRET_AREA_BYTES)) }]
  // An encrypted guest would see its ROM through shared mappings; it is told the address instead, as is one whose image fills that page itself.
  const taken = plan.regions.some((region) => region.gpa <= BIOS_BASE && region.gpa + region.bytes.length > BIOS_BASE)
  if (cBit === undefined && !taken) regions.push({ name: 'rsdp', gpa: BIOS_BASE, bytes: romPage(acpi.bytes) })
  checkRegions(regions, memoryBytes)
  return { regions, entry: plan.entry }
}

/** Kernels that no loader tells of the RSDP look for it in the ROM below 1 MiB (ACPI 6.5, section 5.2.5.1). */
function romPage(acpi: Uint8Array): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES)
  page.set(acpi.subarray(0, RSDP_BYTES))
  return page
}

/** A region measured twice would be encrypted twice: the guest would find ciphertext. */
function checkRegions(regions: readonly LaunchRegion[], memoryBytes: number): void {
  const sorted = [...regions].sort((a, b) => a.gpa - b.gpa)
  let end = 0
  for (const region of sorted) {
    assert(region.gpa % PAGE_BYTES === 0 && region.bytes.length % PAGE_BYTES === 0, `launch region ${region.name} is whole pages`)
    if (region.gpa < end)
      throw new Error(`the image places "${region.name}" at 0x${region.gpa.toString(16)}, where something else lies already`)
    end = region.gpa + region.bytes.length
    if (end > memoryBytes) throw new Error(`the image places "${region.name}" beyond the end of memory`)
  }
}

export function writeRegions(memory: VmMemory, regions: readonly LaunchRegion[]): void {
  for (const region of regions) {
    if (!memory.write(region.gpa, region.bytes))
      throw new Error(`the image places "${region.name}" at 0x${region.gpa.toString(16)}, where there is no memory`)
  }
}

/** At most this much is encrypted by one command, so that none holds the mailbox for long. */
const UPDATE_BYTES_MAX = 0x400000

/** LAUNCH_START to LAUNCH_MEASURE (55766 chapter 6): everything in `regions` becomes private, in order. LAUNCH_FINISH is the caller's. */
export function launchMeasured(
  driver: SevDriver,
  memory: VmMemory,
  regions: readonly LaunchRegion[],
  policy: number,
  asid: number,
  session: OwnerSession | undefined,
): { handle: number; measurement: Measurement } {
  const handle = driver.launchStart(policy, 0, session)
  try {
    driver.activate(handle, asid)
    for (const region of regions) {
      for (let at = 0; at < region.bytes.length; at += UPDATE_BYTES_MAX) {
        driver.launchUpdateData(handle, memory.base + region.gpa + at, Math.min(UPDATE_BYTES_MAX, region.bytes.length - at))
      }
    }
    return { handle, measurement: driver.launchMeasure(handle) }
  } catch (error) {
    driver.retire(handle)
    throw error
  }
}
