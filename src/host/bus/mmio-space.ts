/** The hole below 4 GiB: local APIC, I/O APIC, ECAM, PCI memory window. */
import {
  ECAM_BASE,
  ECAM_BYTES,
  HIGH_RAM_BASE,
  IOAPIC_BASE,
  IOAPIC_BYTES,
  LOCAL_APIC_BYTES,
  PCI_MMIO_BASE,
} from '../../spec/pc/memory-map.js'
import { allOnes, type Halves } from '../devices/halves.js'
import { TEST_MEMORY_BASE, TEST_MEMORY_BYTES } from '../../spec/pc/test-device.js'
import type { TestDevice } from '../devices/test-device.js'
import type { InterruptRouter } from './interrupt-router.js'
import type { PciBus } from './pci-bus.js'

export class MmioSpace {
  constructor(
    // connections
    private readonly interrupts: InterruptRouter,
    private readonly pci: PciBus,
    private readonly testDevice: TestDevice | undefined,
  ) {}

  contains(gpa: number): boolean {
    return gpa >= PCI_MMIO_BASE && gpa < HIGH_RAM_BASE
  }

  read(gpa: number, size: number, vcpu: number): Halves {
    const apic = this.interrupts.apics[vcpu]
    if (apic && gpa >= apic.page && gpa < apic.page + LOCAL_APIC_BYTES) return narrow(apic.readMmio((gpa - apic.page) & ~3), gpa, size)
    if (gpa >= IOAPIC_BASE && gpa < IOAPIC_BASE + IOAPIC_BYTES)
      return narrow(this.interrupts.ioapic.read((gpa - IOAPIC_BASE) & 0xfc), gpa, size)
    if (this.testDevice && isTestMemory(gpa)) return this.testDevice.readMemory(gpa - TEST_MEMORY_BASE, size)
    if (size === 8) return { lo: this.readWord(gpa, 4), hi: this.readWord(gpa + 4, 4) }
    return { lo: this.readWord(gpa, size), hi: 0 }
  }

  write(gpa: number, size: number, lo: number, hi: number, vcpu: number): void {
    const apic = this.interrupts.apics[vcpu]
    if (apic && gpa >= apic.page && gpa < apic.page + LOCAL_APIC_BYTES) {
      // Only whole registers can be written (AMD64 APM vol. 2, 16.3.2).
      if (size >= 4) apic.writeMmio(gpa - apic.page, lo >>> 0)
    } else if (gpa >= IOAPIC_BASE && gpa < IOAPIC_BASE + IOAPIC_BYTES) this.interrupts.ioapic.write(gpa - IOAPIC_BASE, lo >>> 0)
    else if (this.testDevice && isTestMemory(gpa)) this.testDevice.writeMemory(gpa - TEST_MEMORY_BASE, size, lo, hi)
    else {
      this.writeWord(gpa, Math.min(size, 4), lo >>> 0)
      if (size === 8) this.writeWord(gpa + 4, 4, hi >>> 0)
    }
  }

  private readWord(gpa: number, size: number): number {
    if (gpa >= ECAM_BASE && gpa + size <= ECAM_BASE + ECAM_BYTES) return this.pci.readEcam(gpa - ECAM_BASE, size)
    const found = this.pci.decode(gpa, size)
    return found ? found.device.readBar(found.offset, size) : allOnes(size).lo
  }

  private writeWord(gpa: number, size: number, value: number): void {
    if (gpa >= ECAM_BASE && gpa + size <= ECAM_BASE + ECAM_BYTES) this.pci.writeEcam(gpa - ECAM_BASE, size, value)
    else {
      const found = this.pci.decode(gpa, size)
      found?.device.writeBar(found.offset, size, value)
    }
  }
}

function isTestMemory(gpa: number): boolean {
  return gpa >= TEST_MEMORY_BASE && gpa < TEST_MEMORY_BASE + TEST_MEMORY_BYTES
}

/** The bytes of a 32-bit register that an access of another size sees. */
function narrow(register: number, gpa: number, size: number): Halves {
  if (size >= 4) return { lo: register >>> 0, hi: 0 }
  return { lo: (register >>> (8 * (gpa & 3))) & (2 ** (8 * size) - 1), hi: 0 }
}
