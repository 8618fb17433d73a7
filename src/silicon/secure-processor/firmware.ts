import { assert } from '../../lib/assert.js'
import type { PlatformStateName } from '../../spec/sev/states.js'
import { PACKET_BYTES_MAX } from '../../spec/sev/command-buffers.js'
import { SevStatus, type SevStatusCode } from '../../spec/sev/status.js'
import type { Entropy, Flash, Fuses } from '../doors/board.js'
import type { Fabric, FabricKey } from '../fabric.js'
import { AsidTable } from './asid-table.js'
import { endorsementKey } from './endorsement.js'
import type { GuestContext } from './guest-context.js'
import { encodeIdentity, parseIdentity, type PlatformIdentity, selfOwnedIdentity } from './identity.js'
import type { KeyPair } from './keys.js'
import { type Medium, SealedStore } from './sealed-store.js'

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
  /** Lowest ASID of guests without SEV-ES; those with it take the ones below (CPUID 8000_001F EDX). */
  readonly sevAsidMin?: number
}

/** Build number of this firmware; with the API version it enters every launch measurement. */
export const FIRMWARE_BUILD = 1

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
  readonly cores: number
  // state
  state: PlatformStateName = 'UNINIT'
  readonly guests = new Map<number, GuestContext>()
  readonly asids: AsidTable
  /** SEV-ES was asked for at INIT (PCTX.CONFIG). */
  encryptedState = false
  /** What stands in it is good within one command. */
  private readonly packetRoom = new Uint8Array(PACKET_BYTES_MAX)
  private lastHandle = 0
  private store: SealedStore | undefined
  private held: PlatformIdentity | undefined
  private endorsement: KeyPair | undefined

  constructor({ fabric, entropy, fuses, flash, cores, asidsMax = ASIDS_MAX_DEFAULT, sevAsidMin = 1 }: FirmwareOptions) {
    this.fabric = fabric
    this.entropy = entropy
    this.fuses = fuses
    this.flash = flash
    this.cores = cores
    this.asids = new AsidTable(asidsMax, cores, sevAsidMin)
  }

  /** The chip endorsement key, derived from the fuses. */
  get cek(): KeyPair {
    return (this.endorsement ??= endorsementKey(this.fuses.chipSecret))
  }

  /** Who the platform is. Exists in INIT and WORKING. */
  get identity(): PlatformIdentity {
    assert(this.held, 'an initialised platform has an identity')
    return this.held
  }

  /** Changes the identity, and the stored one with it. */
  adopt(identity: PlatformIdentity): void {
    assert(this.store, 'an initialised platform has a store')
    this.store.save(encodeIdentity(identity))
    this.held = identity
  }

  /**
   * INIT and INIT_EX: finds the identity in `medium`, or makes a new one where that is erased. State that is not genuine is
   * erased and answered with SECURE_DATA_INVALID; the next INIT then succeeds with a new identity, as Linux expects (sev-dev.c).
   */
  initialize(medium: Medium, encryptedState: boolean): SevStatusCode {
    const random = (bytes: number): Uint8Array => this.random(bytes)
    const store = new SealedStore(medium, this.fuses.chipSecret, random)
    const loaded = store.load()
    const found = loaded.kind === 'found' ? parseIdentity(loaded.content) : undefined
    if (loaded.kind !== 'empty' && !found) {
      store.erase()
      return SevStatus.SECURE_DATA_INVALID
    }

    this.store = store
    this.held = found
    if (!found) this.adopt(selfOwnedIdentity(this.cek, random))
    this.encryptedState = encryptedState
    this.asids.reset()
    this.state = 'INIT'
    return SevStatus.SUCCESS
  }

  random(bytes: number): Uint8Array {
    const result = new Uint8Array(bytes)
    this.entropy.fill(result)
    return result
  }

  /** Runs `use` with one copy of `length` bytes at `spa` under `key`, of which nothing is left behind: the content of a packet, before or after. */
  withPacket<T>(spa: number, length: number, key: FabricKey, use: (content: Uint8Array) => T): T {
    const content = this.packetRoom.subarray(0, length)
    this.fabric.readInto(spa, content, key)
    try {
      return use(content)
    } finally {
      content.fill(0)
    }
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
    this.store = undefined
    this.held = undefined
    this.encryptedState = false
    this.state = 'UNINIT'
  }
}
