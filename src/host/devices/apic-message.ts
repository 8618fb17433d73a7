/** Interrupt messages between APICs (AMD64 APM vol. 2, 16.5 and 16.6) and the rules by which one addresses a local APIC. */

export interface ApicMessage {
  readonly destination: number
  readonly logical: boolean
  readonly delivery: number
  readonly vector: number
  readonly levelTriggered: boolean
  /** The destination has 32 bits (sent by an APIC in x2APIC mode); else 8, and 0xff is broadcast. */
  readonly wide: boolean
}

/** What of a local APIC decides whether a message is for it. */
export interface ApicAddress {
  readonly id: number
  readonly x2apic: boolean
  /** xAPIC logical id, bits 7:0. */
  readonly logicalId: number
  /** DFR bits 31:28: 0xf flat, 0 cluster. */
  readonly model: number
}

/** In x2APIC mode the logical id follows from the id: cluster in bits 31:16, one bit of sixteen below. */
export function x2LogicalId(id: number): number {
  return (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0
}

export function addresses(message: ApicMessage, apic: ApicAddress): boolean {
  const { destination } = message
  if (destination === (message.wide ? 0xffff_ffff : 0xff)) return true
  if (!message.logical) return destination === apic.id
  if (apic.x2apic) {
    const own = x2LogicalId(apic.id)
    return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0
  }
  if (apic.model === 0xf) return (destination & apic.logicalId & 0xff) !== 0
  return ((destination ^ apic.logicalId) & 0xf0) === 0 && (destination & apic.logicalId & 0x0f) !== 0
}

/** A device's store to FEExxxxx (AMD64 APM vol. 2, 16.12; PCI MSI): address and data become a message. */
export function messageOfMsi(address: number, data: number): ApicMessage {
  return {
    destination: (address >>> 12) & 0xff,
    logical: (address & 4) !== 0,
    delivery: (data >>> 8) & 7,
    vector: data & 0xff,
    // An edge message and the assertion of a level look alike to the receiver, but for the TMR bit.
    levelTriggered: (data & 0x8000) !== 0,
    wide: false,
  }
}
