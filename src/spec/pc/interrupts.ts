/** Interrupt wiring. ISA interrupts n go to the 8259 pair and to I/O APIC pin n, but for IRQ 0, which is on pin 2 (MADT override 0 → GSI 2). */

export const IRQ_TIMER = 0
export const IRQ_KEYBOARD = 1
export const IRQ_CASCADE = 2
export const IRQ_COM1 = 4
export const IRQ_RTC = 8
/** ACPI system control interrupt: level triggered, active high (MADT override 9 → GSI 9, flags 0x000d). */
export const IRQ_SCI = 9
export const IRQ_MOUSE = 12

export const GSI_TIMER = 2
export const GSI_SCI = 9
export const IOAPIC_ID = 0
export const IOAPIC_PINS = 24
export const IOAPIC_VERSION = 0x20

/**
 * INTA..INTD of PCI device d, pin p (0..3): I/O APIC pin 16 + ((d + p) & 3), level triggered, active low in _PRT terms;
 * in 8259 mode the same four wires arrive at these ISA interrupts (level triggered through ELCR).
 */
export const PCI_INTX_GSI_BASE = 16
export const PCI_INTX_ISA = [10, 10, 11, 11] as const

export function pciIntxWire(device: number, pin: number): number {
  return (device + pin) & 3
}
