import type { PcOptions } from '../bus/index.js'
import type { OwnerSession } from '../sev-driver/index.js'
import type { ExitTimes } from './exit-times.js'
import type { GuestSampler } from './guest-sampler.js'
import type { GuestImage } from './boot-image.js'
import type { HostClock, HostLoop } from './host-loop.js'

export interface VmOptions {
  readonly memoryBytes: number
  readonly sev: 'none' | 'sev'
  /** SEV guest policy (55766, "Guest policy"). */
  readonly policy?: number
  /** What the guest's owner has made for this platform (55766 section 6.2). */
  readonly ownerSession?: OwnerSession
  /** The launch stops after LAUNCH_MEASURE until `admit`, so that the owner may judge the measurement and give a secret. */
  readonly awaitsOwner?: boolean
  /** What is launched. Undefined where the guest comes from elsewhere (`beginArrival`). */
  readonly image?: GuestImage
  /** `virtual`: time follows the count of instructions and leaps over idle times; a run repeats exactly. `real`: it follows the board's clock. */
  readonly time: 'virtual' | 'real'
  readonly clock: HostClock
  readonly loop: HostLoop
  readonly onSerialOutput: (byte: number) => void
  readonly debugOutput?: (byte: number) => void
  readonly virtio?: PcOptions['virtio']
  /** QEMU's pc-testdev, for bare-metal test kernels. */
  readonly testDevice?: boolean
  readonly fwCfgFiles?: PcOptions['fwCfgFiles']
  /** Rate of the guest's TSC; must be the rate of the chip's. */
  readonly tscKHz?: number
  /** What the chip adds to its TSC for each instruction in virtual time. */
  readonly tscTicksPerInstruction?: number
  /** Which of the chip's cores runs this VM. */
  readonly coreIndex?: number
  /** Watches the run for somebody who wants to know where time goes. */
  readonly observers?: { readonly times?: ExitTimes; readonly sampler?: GuestSampler }
}

export interface VmStatistics {
  readonly instructions: number
  readonly guestTimeNs: number
  /** By exit code. */
  readonly exits: ReadonlyMap<number, number>
  /** What of it was before the guest came here, from a snapshot or another machine; nothing of a guest that began here. */
  readonly before: { readonly instructions: number; readonly exits: ReadonlyMap<number, number> }
}

/** How an encrypted guest leaves its platform: SEND_START's session, and the certificate of the sender's Diffie-Hellman key. */
export interface TransferSession {
  readonly policy: number
  readonly senderPdh: Uint8Array
  readonly session: Uint8Array
}
