/** The two functions that every PC has on bus 0: host bridge and ISA bridge. */
import { ICH9_LPC, INTEL, Q35_HOST_BRIDGE } from '../../spec/pc/pci.js'
import { PM_BASE } from '../../spec/pc/acpi-pm.js'
import { PciFunction } from '../devices/pci-function.js'

const SUBSYSTEM = { subsystemVendor: 0x1af4, subsystem: 0x1100 }

export function hostBridge(): PciFunction {
  return new PciFunction({ vendor: INTEL, device: Q35_HOST_BRIDGE, revision: 0, class: 0x06_0000, ...SUBSYSTEM })
}

/** ICH9 LPC: PMBASE (0x40) and ACPI_CNTL (0x44) tell drivers where the fixed hardware stands; it does not move. */
export function isaBridge(): PciFunction {
  const pci = new PciFunction({ vendor: INTEL, device: ICH9_LPC, revision: 2, class: 0x06_0100, ...SUBSYSTEM, multifunction: true })
  pci.set(0x40, 4, PM_BASE | 1)
  pci.set(0x44, 1, 0x80)
  // PIRQ routing A..H: 0x80 = not routed to the 8259 by this register (the wires are fixed, see spec/pc/interrupts.ts).
  for (let i = 0; i < 4; i++) {
    pci.set(0x60 + i, 1, 0x80)
    pci.set(0x68 + i, 1, 0x80)
  }
  return pci
}
