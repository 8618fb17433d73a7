import type { Entropy, Flash, Fuses } from '../doors/board.js'
import type { Fabric } from '../fabric.js'
import type { PlatformStateName } from '../../spec/sev/states.js'
import { AsidTable } from './asid-table.js'
import type { GuestContext } from './guest-context.js'

/**
 * What the firmware keeps between commands (document 55766, chapter 5, PCTX). Platform states:
 *
 *   UNINIT ──INIT──▶ INIT ──first guest──▶ WORKING ──last DECOMMISSION──▶ INIT
 *      ▲              │                      │
 *      └──────────────┴────── SHUTDOWN ──────┘
 */
export interface FirmwareOptions {
  readonly fabric: Fabric
  readonly entropy: Entropy
  readonly fuses: Fuses
  readonly flash: Flash
  /** Cores that must execute WBINVD before an ASID is used again. */
  readonly cores: number
  /** Highest ASID usable by encrypted guests (CPUID 8000_001F ECX). */
  readonly asidsMax?: number
}

/** EPYC of the Milan family. */
export const ASIDS_MAX_DEFAULT = 509

/** Guest contexts at a time. Without a limit a host could make the secure processor allocate for ever. */
export const GUESTS_MAX = 1024

/** Handles come from a counter; past its end the firmware makes no more guests until SHUTDOWN. */
const HANDLE_MAX = 0xffff_ffff

export class Firmware {
  // connections
  readonly fabric: Fabric
  readonly entropy: Entropy
  readonly fuses: Fuses
  readonly flash: Flash
  // state
  state: PlatformStateName = 'UNINIT'
  readonly guests = new Map<number, GuestContext>()
  readonly asids: AsidTable
  private lastHandle = 0

  constructor({ fabric, entropy, fuses, flash, cores, asidsMax = ASIDS_MAX_DEFAULT }: FirmwareOptions) {
    this.fabric = fabric
    this.entropy = entropy
    this.fuses = fuses
    this.flash = flash
    this.asids = new AsidTable(asidsMax, cores)
  }

  random(bytes: number): Uint8Array {
    const result = new Uint8Array(bytes)
    this.entropy.fill(result)
    return result
  }

  /** A handle never used since SHUTDOWN, or undefined when the limit of guests is reached. */
  newHandle(): number | undefined {
    if (this.guests.size >= GUESTS_MAX || this.lastHandle >= HANDLE_MAX) return undefined
    return ++this.lastHandle
  }

  addGuest(guest: GuestContext): void {
    this.guests.set(guest.handle, guest)
    this.state = 'WORKING'
  }

  removeGuest(guest: GuestContext): void {
    guest.wipe()
    this.guests.delete(guest.handle)
    if (this.guests.size === 0) this.state = 'INIT'
  }

  /** SHUTDOWN: all volatile state goes; keys leave the memory controller. */
  shutdown(): void {
    for (const guest of this.guests.values()) {
      if (guest.asid !== 0) this.fabric.removeKey(guest.asid)
      guest.wipe()
    }
    this.guests.clear()
    this.lastHandle = 0
    this.state = 'UNINIT'
  }
}
