/** Which chip answers at which port. The one list of the board's ports. */
import * as P from '../../spec/pc/ports.js'
import { PM_BASE, PM_BYTES } from '../../spec/pc/acpi-pm.js'
import { PORT_TEST_LINES, PORT_TEST_STORAGE, TEST_LINES, TEST_STORAGE_PORTS } from '../../spec/pc/test-device.js'
import type { AcpiPm } from '../devices/acpi-pm.js'
import type { FwCfg } from '../devices/fw-cfg.js'
import type { I8042 } from '../devices/i8042.js'
import type { Pit8254 } from '../devices/pit8254.js'
import type { Rtc } from '../devices/rtc.js'
import type { SystemControl } from '../devices/system-control.js'
import type { TestDevice } from '../devices/test-device.js'
import type { Uart16550 } from '../devices/uart16550.js'
import type { InterruptRouter } from './interrupt-router.js'
import type { PcOptions } from './pc.js'
import type { PciBus } from './pci-bus.js'
import type { PortSpace } from './port-space.js'

export interface Chips {
  readonly interrupts: InterruptRouter
  readonly pci: PciBus
  readonly pit: Pit8254
  readonly pm: AcpiPm
  readonly rtc: Rtc
  readonly uart: Uart16550
  readonly keyboard: I8042
  readonly control: SystemControl
  readonly fwCfg: FwCfg
  readonly testDevice: TestDevice | undefined
}

export function claimPorts(ports: PortSpace, chips: Chips, options: PcOptions): void {
  claimInterruptControllers(ports, chips)
  claimSystem(ports, chips)
  claimConfiguration(ports, chips)
  claimTesting(ports, chips, options)
}

function claimInterruptControllers(ports: PortSpace, { interrupts: { pic } }: Chips): void {
  for (const [which, base, elcr] of [
    ['master', P.PORT_PIC_MASTER, P.PORT_ELCR_MASTER],
    ['slave', P.PORT_PIC_SLAVE, P.PORT_ELCR_SLAVE],
  ] as const) {
    ports.claimBytes(
      base,
      2,
      (offset) => pic.read(which, offset),
      (offset, value) => pic.write(which, offset, value),
    )
    ports.claimBytes(
      elcr,
      1,
      () => pic.readElcr(which),
      (_, value) => pic.writeElcr(which, value),
    )
  }
}

function claimSystem(ports: PortSpace, { pit, rtc, keyboard, control, uart, pm }: Chips): void {
  ports.claimBytes(
    P.PORT_PIT,
    4,
    (offset) => pit.read(offset),
    (offset, value) => pit.write(offset, value),
  )
  ports.claimBytes(
    P.PORT_KEYBOARD_DATA,
    1,
    () => keyboard.readData(),
    (_, value) => keyboard.writeData(value),
  )
  ports.claimBytes(
    P.PORT_SYSTEM_CONTROL_B,
    1,
    () => control.readControlB(),
    (_, value) => control.writeControlB(value),
  )
  ports.claimBytes(
    P.PORT_KEYBOARD_COMMAND,
    1,
    () => keyboard.readStatus(),
    (_, value) => keyboard.writeCommand(value),
  )
  ports.claimBytes(
    P.PORT_CMOS_INDEX,
    2,
    (offset) => (offset === 0 ? rtc.readIndex() : rtc.readData()),
    (offset, value) => (offset === 0 ? rtc.writeIndex(value) : rtc.writeData(value)),
  )
  ports.claimBytes(
    P.PORT_POST,
    1,
    () => control.readPost(),
    (_, value) => control.writePost(value),
  )
  ports.claimBytes(
    P.PORT_SYSTEM_CONTROL_A,
    1,
    () => control.readControlA(),
    (_, value) => control.writeControlA(value),
  )
  ports.claimBytes(
    P.PORT_SMI_COMMAND,
    2,
    (offset) => control.readSmi(offset),
    (offset, value) => control.writeSmi(offset, value),
  )
  ports.claimBytes(
    P.PORT_COM1,
    8,
    (offset) => uart.read(offset),
    (offset, value) => uart.write(offset, value),
  )
  ports.claim(PM_BASE, PM_BYTES, pm)
}

function claimConfiguration(ports: PortSpace, { pci, control, fwCfg }: Chips): void {
  // CF8 is a dword register; byte accesses inside it reach other things: CF9 is the reset control register.
  ports.claim(P.PORT_PCI_ADDRESS, 4, {
    readPort(offset, size) {
      if (offset === 0 && size === 4) return pci.readAddress()
      return offset === 1 && size === 1 ? control.readReset() : size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1
    },
    writePort(offset, size, value) {
      if (offset === 0 && size === 4) pci.writeAddress(value)
      else if (offset === 1 && size === 1) control.writeReset(value)
    },
  })
  ports.claim(P.PORT_PCI_DATA, 4, {
    readPort: (offset, size) => pci.readData(offset, size),
    writePort: (offset, size, value) => pci.writeData(offset, size, value),
  })
  ports.claim(P.PORT_FW_CFG_SELECTOR, 2, {
    readPort(offset, size) {
      // The selector cannot be read; the data port gives a byte an access.
      return offset === 1 ? fwCfg.readByte() : size === 2 ? 0xffff : 0xff
    },
    writePort(offset, size, value) {
      if (offset === 0 && size === 2) fwCfg.select(value)
    },
  })
  ports.claim(P.PORT_FW_CFG_DMA, 8, {
    readPort(offset, size) {
      let value = 0
      for (let i = 0; i < size; i++) value |= fwCfg.readDma(offset + i) << (8 * i)
      return value >>> 0
    },
    writePort(offset, size, value) {
      if (size === 4 && (offset === 0 || offset === 4)) fwCfg.writeDma(offset === 0 ? 0 : 1, swap32(value))
    },
  })
}

/** isa-debug-exit and the debug consoles. Port 402h shares e9h's output. */
function claimTesting(ports: PortSpace, { testDevice }: Chips, { events, debugOutput }: PcOptions): void {
  // QEMU's device answers on four ports from f4h; a write to any of them counts.
  ports.claim(P.PORT_DEBUG_EXIT, 4, {
    readPort: () => 0,
    writePort: (_, __, value) => events.debugExit(value >>> 0),
  })
  if (testDevice) {
    ports.claim(PORT_TEST_STORAGE, TEST_STORAGE_PORTS, testDevice.storage)
    ports.claim(PORT_TEST_LINES, TEST_LINES, testDevice.lineLevels)
  }
  if (!debugOutput) return
  for (const port of [P.PORT_DEBUG_CONSOLE, P.PORT_FIRMWARE_DEBUG]) {
    ports.claimBytes(
      port,
      1,
      () => P.PORT_DEBUG_CONSOLE,
      (_, value) => debugOutput(value),
    )
  }
}

function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
}
