/** Puts the board together: models at their ports, wires between them. */
import { GSI_SCI, IRQ_COM1, IRQ_KEYBOARD, IRQ_MOUSE, IRQ_RTC, IRQ_SCI, IRQ_TIMER, PCI_INTX_ISA } from '../../spec/pc/interrupts.js'
import { LOW_RAM_END_MAX } from '../../spec/pc/memory-map.js'
import { TEST_LINES } from '../../spec/pc/test-device.js'
import { PCI_SLOT_HOST_BRIDGE, PCI_SLOT_ISA_BRIDGE } from '../../spec/pc/pci.js'
import { AcpiPm } from '../devices/acpi-pm.js'
import { FwCfg } from '../devices/fw-cfg.js'
import { I8042 } from '../devices/i8042.js'
import { Pit8254 } from '../devices/pit8254.js'
import { Rtc } from '../devices/rtc.js'
import { doesNotFit, type Saved, type Stateful } from '../devices/state.js'
import { SystemControl } from '../devices/system-control.js'
import { TestDevice } from '../devices/test-device.js'
import { Scheduler } from '../devices/time.js'
import { Uart16550 } from '../devices/uart16550.js'
import type { Wire } from '../devices/wire.js'
import { hostBridge, isaBridge } from './bridges.js'
import { claimPorts, type Chips } from './claim-ports.js'
import { InterruptRouter } from './interrupt-router.js'
import { MmioSpace } from './mmio-space.js'
import type { Pc, PcOptions } from './pc.js'
import { PciBus } from './pci-bus.js'
import { PortSpace } from './port-space.js'
import { attachVirtio } from './attach-virtio.js'

/** xAPIC ids have 8 bits and 255 is broadcast. */
const VCPUS_MAX = 254
const ISA_INTERRUPTS = 16

function createChips(options: PcOptions, scheduler: Scheduler, interrupts: InterruptRouter, pci: PciBus): Chips {
  const { events } = options
  const pit = new Pit8254(scheduler, interrupts.isaLine(IRQ_TIMER))
  const pm = new AcpiPm(scheduler, interrupts.isaLine(GSI_SCI), () => events.shutdown())
  return {
    interrupts,
    pci,
    pit,
    pm,
    rtc: new Rtc(options.wallMsAtStart, options.ramBytes, LOW_RAM_END_MAX, scheduler, interrupts.isaLine(IRQ_RTC)),
    uart: new Uart16550(interrupts.isaLine(IRQ_COM1), options.serialOutput, () => options.serialInputSpace?.()),
    keyboard: new I8042(interrupts.isaLine(IRQ_KEYBOARD), interrupts.isaLine(IRQ_MOUSE), () => events.reset('keyboard-controller')),
    control: new SystemControl(
      scheduler,
      pit,
      (command) => pm.command(command),
      (cause) => events.reset(cause),
    ),
    fwCfg: new FwCfg(options.fwCfgFiles ?? new Map(), options.vcpus, options.ramBytes, options.memory),
    testDevice: options.testDevice ? new TestDevice(testLines(interrupts)) : undefined,
  }
}

/** ISA interrupts, then the inputs of the I/O APIC that no ISA interrupt has. */
function testLines(interrupts: InterruptRouter): Wire[] {
  return Array.from({ length: TEST_LINES }, (_, n) =>
    n < ISA_INTERRUPTS ? interrupts.isaLine(n) : (level: boolean) => interrupts.ioapic.input(n, level),
  )
}

export function createPc(options: PcOptions): Pc {
  if (!Number.isInteger(options.vcpus) || options.vcpus < 1 || options.vcpus > VCPUS_MAX)
    throw new RangeError(`a board has 1 to ${VCPUS_MAX} vCPUs`)
  const scheduler = new Scheduler(options.time)
  const interrupts = new InterruptRouter(options.vcpus, options.tscKHz, scheduler, (index) => options.events.wake(index))
  const pci = new PciBus()
  const chips = createChips(options, scheduler, interrupts, pci)
  const ports = new PortSpace()
  claimPorts(ports, chips, options)
  const mmio = new MmioSpace(interrupts, pci, chips.testDevice)

  pci.attach(PCI_SLOT_HOST_BRIDGE, hostBridge())
  const virtio = attachVirtio(options, interrupts, pci)
  pci.attach(PCI_SLOT_ISA_BRIDGE, isaBridge())
  leaveFirmwareState(interrupts)
  pci.assignResources()

  const { pit, pm, rtc, uart, keyboard, control, fwCfg, testDevice } = chips
  // The chips come before the interrupt controllers: what a chip drives while it restores is overwritten by the saved levels.
  const parts: Record<string, Stateful> = {
    pit,
    pm,
    rtc,
    uart,
    keyboard,
    control,
    fwCfg,
    pci,
    ...virtio.parts,
    ...(testDevice && { testDevice }),
    interrupts,
  }
  return {
    ports: {
      read(port, size) {
        scheduler.advance()
        return ports.read(port & 0xffff, size)
      },
      write(port, size, value) {
        scheduler.advance()
        ports.write(port & 0xffff, size, value >>> 0)
      },
    },
    mmio: {
      contains: (gpa) => mmio.contains(gpa),
      read(gpa, size, vcpu) {
        scheduler.advance()
        return mmio.read(gpa, size, vcpu)
      },
      write(gpa, size, lo, hi, vcpu) {
        scheduler.advance()
        mmio.write(gpa, size, lo, hi, vcpu)
      },
    },
    apics: interrupts.apics,
    nextDeadlineNs: () => scheduler.nextDeadlineNs(),
    advance: () => scheduler.advance(),
    serial: { input: (bytes) => uart.input(bytes), freeInput: () => uart.freeInput() },
    virtioConsole: virtio.console,
    pressPowerButton: () => pm.pressPowerButton(),
    get postCode() {
      return control.postCode
    },
    save: () => saveParts(parts, scheduler),
    restore: (saved) => restoreParts(parts, scheduler, saved),
  }
}

/** There is no firmware here: what a kernel finds done by it is done when the board is made. */
function leaveFirmwareState(interrupts: InterruptRouter): void {
  interrupts.apics[0].enterVirtualWireMode()
  // SCI and the PCI wires are level triggered in 8259 mode.
  const levels = [IRQ_SCI, ...PCI_INTX_ISA].reduce((bits, irq) => bits | (1 << (irq - 8)), 0)
  interrupts.pic.writeElcr('slave', levels)
}

function saveParts(parts: Record<string, Stateful>, scheduler: Scheduler): Saved {
  const saved: Record<string, unknown> = { timers: scheduler.save() }
  for (const [name, part] of Object.entries(parts)) saved[name] = part.save()
  return saved
}

function restoreParts(parts: Record<string, Stateful>, scheduler: Scheduler, saved: Saved): void {
  for (const name of Object.keys(saved)) if (name !== 'timers' && !Object.hasOwn(parts, name)) doesNotFit(name)
  for (const [name, part] of Object.entries(parts)) part.restore(saved[name], name)
  scheduler.restore(saved['timers'])
}
