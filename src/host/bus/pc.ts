/** The board as the hypervisor holds it: what it asks of it, and what the board asks back. Interfaces only. */
import type { BlockBackend } from '../devices/virtio/block-backend.js'
import type { GuestMemory } from '../devices/guest-memory.js'
import type { Halves } from '../devices/halves.js'
import type { LocalApic } from '../devices/local-apic.js'
import type { TimeSource } from '../devices/time.js'
import type { Saved } from '../devices/state.js'

export interface PcEvents {
  /** The guest powered off (ACPI S5). */
  shutdown(): void
  /** The guest asked for a reset. Make a new Pc with the same options: there is no half-reset board. */
  reset(cause: 'cf9' | 'keyboard-controller' | 'port-92'): void
  /** Port 0xf4 (isa-debug-exit); the process is to end with code 2 * value + 1. */
  debugExit(value: number): void
  /** vCPU `index` may have something new to take (interrupt, NMI, INIT, SIPI). Called often: set a flag. */
  wake(index: number): void
}

export interface PcOptions {
  readonly time: TimeSource
  /** Wall time at guest time 0, in milliseconds since 1970-01-01 UTC; the RTC goes on from there by guest time. */
  readonly wallMsAtStart: number
  readonly vcpus: number
  /** For the CMOS memory sizes and fw_cfg. */
  readonly ramBytes: number
  readonly memory: GuestMemory
  /** Ticks a millisecond of every vCPU's time stamp counter, which reads 0 at guest time 0 until `LocalApic.setTscAtZero`. */
  readonly tscKHz: number
  readonly events: PcEvents
  /** Called with each byte that the guest sends through COM1. */
  readonly serialOutput: (byte: number) => void
  /** COM1 has room again after `serial.input` took less than all. Called once for each such refusal, never from inside it. */
  readonly serialInputSpace?: () => void
  /** Debug console, ports 0xe9 and 0x402. Without it the ports are empty. */
  readonly debugOutput?: (byte: number) => void
  /** Files shown through fw_cfg, by name (at most 55 bytes each). */
  readonly fwCfgFiles?: ReadonlyMap<string, Uint8Array>
  readonly virtio?: PcVirtio
  /** QEMU's pc-testdev, for bare-metal test kernels. */
  readonly testDevice?: boolean
}

export interface PcVirtio {
  /** virtio-rng; fills the target with random bytes. */
  readonly entropy?: { fill(target: Uint8Array): void }
  /** virtio-console: one port. Input through `Pc.virtioConsole`. */
  readonly console?: { output(bytes: Uint8Array): void; inputSpace?(): void }
  readonly blocks?: readonly BlockBackend[]
}

export type PortSize = 1 | 2 | 4
export type MmioSize = 1 | 2 | 4 | 8

/** A sink of console input. `input` returns how many bytes were taken; offer the rest later. */
export interface ConsoleInput {
  input(bytes: Uint8Array): number
  freeInput(): number
}

export interface Pc {
  readonly ports: {
    /** Empty ports read as all ones. */
    read(port: number, size: PortSize): number
    write(port: number, size: PortSize, value: number): void
  }
  readonly mmio: {
    /** True where a device may answer: nested page faults there are accesses to emulate, elsewhere they are the hypervisor's business. */
    contains(gpa: number): boolean
    /** `vcpu` says whose local APIC stands at FEE00000. */
    read(gpa: number, size: MmioSize, vcpu: number): Halves
    write(gpa: number, size: MmioSize, lo: number, hi: number, vcpu: number): void
  }
  /** One per vCPU; index = vCPU = APIC id. */
  readonly apics: readonly LocalApic[]
  /** Guest time of the next event, Infinity where nothing is armed. */
  nextDeadlineNs(): number
  /** Fires all that is due at `time.nowNs()`. Cheap when nothing is. */
  advance(): void
  readonly serial: ConsoleInput
  readonly virtioConsole: ConsoleInput | undefined
  /** ACPI power button: a Linux guest with acpid or systemd shuts down. */
  pressPowerButton(): void
  /** Last byte written to the POST port 0x80. */
  readonly postCode: number
  /** All `// state` groups, as plain data. */
  save(): Saved
  /** Takes what `save` gave for a Pc of the same options; throws an Error that names the part that does not fit. */
  restore(saved: Saved): void
}
