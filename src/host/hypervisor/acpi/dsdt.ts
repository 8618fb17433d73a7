import { S5_SLEEP_TYPE } from '../../../spec/pc/acpi-pm.js'
import { IRQ_COM1, IRQ_RTC, PCI_INTX_GSI_BASE, pciIntxWire } from '../../../spec/pc/interrupts.js'
import { ECAM_BASE, ECAM_BUS_FIRST, ECAM_BUS_LAST, ECAM_BYTES, PCI_MMIO_BASE, PCI_MMIO_BYTES } from '../../../spec/pc/memory-map.js'
import { PORT_CMOS_INDEX, PORT_COM1, PORT_FW_CFG_SELECTOR, PORT_PCI_ADDRESS } from '../../../spec/pc/ports.js'
import {
  amlPackage,
  device,
  dwordMemory,
  eisaId,
  integer,
  io,
  irqNoFlags,
  memory32Fixed,
  name,
  resources,
  scope,
  string,
  wordBusNumber,
  wordIo,
  type Aml,
} from './aml.js'

const PCI_DEVICES = 32
const PCI_PINS = 4

/** The differentiated system description: what is on the board that nothing can enumerate. */
export function dsdtTerms(): Aml {
  return [
    ...name('\\_S5', amlPackage(integer(S5_SLEEP_TYPE), integer(0), integer(0), integer(0))),
    ...scope('\\_SB', pciHost(), com1(), rtc(), firmwareConfig(), motherboard()),
  ]
}

function pciHost(): Aml {
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A08')),
    name('_CID', eisaId('PNP0A03')),
    name('_UID', integer(0)),
    name('_SEG', integer(0)),
    name('_BBN', integer(ECAM_BUS_FIRST)),
    name(
      '_CRS',
      resources(
        wordBusNumber(ECAM_BUS_FIRST, ECAM_BUS_LAST),
        io(PORT_PCI_ADDRESS, 8),
        wordIo(0, PORT_PCI_ADDRESS - 1),
        wordIo(PORT_PCI_ADDRESS + 8, 0xffff),
        dwordMemory(0xa0000, 0x20000),
        dwordMemory(PCI_MMIO_BASE, PCI_MMIO_BYTES),
      ),
    ),
    name('_PRT', interruptRouting()),
  )
}

/** PCI interrupt pins straight to I/O APIC inputs (ACPI section 6.2.13). A package has at most 255 elements: 128 here. */
function interruptRouting(): Aml {
  const routes: Aml[] = []
  for (let slot = 0; slot < PCI_DEVICES; slot++) {
    for (let pin = 0; pin < PCI_PINS; pin++) {
      routes.push(
        amlPackage(integer(slot * 0x10000 + 0xffff), integer(pin), integer(0), integer(PCI_INTX_GSI_BASE + pciIntxWire(slot, pin))),
      )
    }
  }
  return amlPackage(...routes)
}

function com1(): Aml {
  return device(
    'COM1',
    name('_HID', eisaId('PNP0501')),
    name('_UID', integer(1)),
    name('_CRS', resources(io(PORT_COM1, 8), irqNoFlags(IRQ_COM1))),
  )
}

function rtc(): Aml {
  return device('RTC', name('_HID', eisaId('PNP0B00')), name('_CRS', resources(io(PORT_CMOS_INDEX, 2), irqNoFlags(IRQ_RTC))))
}

function firmwareConfig(): Aml {
  return device('FWCF', name('_HID', string('QEMU0002')), name('_CRS', resources(io(PORT_FW_CFG_SELECTOR, 12))))
}

/** Linux believes MCFG only where the same range is reserved here or in E820. */
function motherboard(): Aml {
  return device(
    'MBRD',
    name('_HID', eisaId('PNP0C02')),
    name('_UID', integer(1)),
    name('_CRS', resources(memory32Fixed(ECAM_BASE, ECAM_BYTES))),
  )
}
