import { sha256 } from '../../lib/crypto.js'
import { type DirectBoot, kernelHashTable } from './kernel-hashes.js'
import { ovmfFacts } from './ovmf.js'
import { type VmsaOptions, vmsaPages } from './vmsa.js'

/** Something that the host is to put into the guest before its first instruction, in the order of LAUNCH_UPDATE commands. */
export interface LaunchComponent {
  readonly name: string
  readonly bytes: Uint8Array
}

/** 55766 sections 6.3 and 6.4: SHA-256 over all plaintext. */
export function launchDigest(components: readonly LaunchComponent[]): Uint8Array {
  return sha256(...components.map(({ bytes }) => bytes))
}

/** A guest that starts from a firmware image, as QEMU and its like launch it. */
export interface FirmwareLaunch {
  readonly firmware: Uint8Array
  /** Kernel, initrd and command line from the host, whose hashes the firmware checks. */
  readonly boot?: DirectBoot | undefined
  /** SEV-ES: register pages of so many vCPUs are measured too. */
  readonly encryptedState?: (VmsaOptions & { readonly vcpus: number }) | undefined
}

/** What is measured, in order. Throws RangeError where the image cannot do what is asked. */
export function firmwareLaunchComponents({ firmware, boot, encryptedState }: FirmwareLaunch): readonly LaunchComponent[] {
  const facts = ovmfFacts(firmware)
  if (boot && !facts.hashTable)
    throw new RangeError('the firmware image checks no kernel hashes: a kernel given from outside would not be measured')
  const components: LaunchComponent[] = [{ name: 'firmware', bytes: firmware }]
  if (boot) components.push({ name: 'kernel hashes', bytes: kernelHashTable(boot) })
  if (encryptedState) {
    const pages = vmsaPages(encryptedState, encryptedState.vcpus, facts.resetEip)
    for (const [i, bytes] of pages.entries()) components.push({ name: `registers of vCPU ${i}`, bytes })
  }
  return components
}
