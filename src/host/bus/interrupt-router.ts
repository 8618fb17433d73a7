/** The interrupt wiring: ISA lines and PCI wires to 8259 pair and I/O APIC, messages to local APICs. */
import { DELIVERY_FIXED, DELIVERY_LOWEST } from '../../spec/pc/local-apic.js'
import { GSI_TIMER, IRQ_TIMER, PCI_INTX_GSI_BASE, PCI_INTX_ISA, pciIntxWire } from '../../spec/pc/interrupts.js'
import { MSI_BASE, MSI_BYTES } from '../../spec/pc/memory-map.js'
import { messageOfMsi, type ApicMessage } from '../devices/apic-message.js'
import { IoApic } from '../devices/ioapic.js'
import { LocalApic } from '../devices/local-apic.js'
import type { MessageSource } from '../devices/local-apic-connections.js'
import { PicPair } from '../devices/pic8259.js'
import { adoptState, copyState, type Stateful } from '../devices/state.js'
import type { Scheduler } from '../devices/time.js'
import type { Wire } from '../devices/wire.js'

/** ICR destination shorthand. */
const SELF = 1
const ALL_WITH_SELF = 2
const ALL_BUT_SELF = 3

export class InterruptRouter implements Stateful {
  readonly pic = new PicPair((level) => this.apics.forEach((apic) => apic.setLegacyLevel(level)))
  readonly ioapic = new IoApic((message) => this.deliver(message))
  readonly apics: readonly LocalApic[]
  // state
  /** Devices (one bit each) that pull each of the four PCI wires. */
  private pulled = new Uint32Array(4)

  constructor(vcpus: number, tscKHz: number, scheduler: Scheduler, wake: (index: number) => void) {
    this.apics = Array.from(
      { length: vcpus },
      (_, id) =>
        new LocalApic(id, tscKHz, {
          scheduler,
          legacy: this.pic,
          send: (message, shorthand, source) => this.interprocessor(message, shorthand, source),
          endOfInterrupt: (vector) => this.ioapic.endOfInterrupt(vector),
          wake: () => wake(id),
        }),
    )
  }

  /** The line of ISA interrupt `irq`, for its one device. */
  isaLine(irq: number): Wire {
    return (level) => this.isa(irq, level)
  }

  /** INTx of PCI device `device`, pin 0..3; wires are shared. */
  pciLine(device: number, pin: number): Wire {
    const wire = pciIntxWire(device, pin)
    return (level) => {
      const bit = 1 << device
      this.pulled[wire] = level ? this.pulled[wire] | bit : this.pulled[wire] & ~bit
      this.ioapic.input(PCI_INTX_GSI_BASE + wire, this.pulled[wire] !== 0)
      const irq = PCI_INTX_ISA[wire]
      this.pic.input(
        irq,
        PCI_INTX_ISA.some((shared, other) => shared === irq && this.pulled[other] !== 0),
      )
    }
  }

  /** A device's store of a message. An address outside the interrupt range would be an ordinary store, which no driver asks for: dropped. */
  msi(address: number, data: number): void {
    if (address >= MSI_BASE && address < MSI_BASE + MSI_BYTES) this.deliver(messageOfMsi(address, data))
  }

  save(): unknown {
    return copyState({
      pic: this.pic.save(),
      ioapic: this.ioapic.save(),
      apics: this.apics.map((apic) => apic.save()),
      pulled: this.pulled,
    })
  }

  restore(value: unknown, where: string): void {
    const saved = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
    const apics = Array.isArray(saved['apics']) ? (saved['apics'] as unknown[]) : []
    this.pulled = adoptState(this.pulled, saved['pulled'], `${where}.pulled`)
    this.pic.restore(saved['pic'], `${where}.pic`)
    this.ioapic.restore(saved['ioapic'], `${where}.ioapic`)
    this.apics.forEach((apic, i) => apic.restore(apics[i], `${where}.apics[${i}]`))
  }

  private isa(irq: number, level: boolean): void {
    this.pic.input(irq, level)
    this.ioapic.input(irq === IRQ_TIMER ? GSI_TIMER : irq, level)
  }

  /** True where a local APIC took it. */
  private deliver(message: ApicMessage): boolean {
    const addressed = this.apics.filter((apic) => apic.isAddressedBy(message))
    return this.give(message, addressed)
  }

  private interprocessor(message: ApicMessage, shorthand: number, source: MessageSource): void {
    if (shorthand === SELF) {
      if (message.delivery === DELIVERY_FIXED) this.apics[source.id].accept(message)
    } else if (shorthand === ALL_WITH_SELF) this.give(message, this.apics)
    else if (shorthand === ALL_BUT_SELF)
      this.give(
        message,
        this.apics.filter((apic) => apic.id !== source.id),
      )
    else this.deliver(message)
  }

  private give(message: ApicMessage, addressed: readonly LocalApic[]): boolean {
    if (message.delivery !== DELIVERY_LOWEST) {
      for (const apic of addressed) apic.accept(message)
      return message.delivery !== DELIVERY_FIXED ? addressed.length > 0 : addressed.some((apic) => apic.accepts)
    }
    let chosen: LocalApic | undefined
    for (const apic of addressed) if (apic.accepts && (!chosen || apic.arbitrationPriority() < chosen.arbitrationPriority())) chosen = apic
    chosen?.accept(message)
    return chosen !== undefined
  }
}
