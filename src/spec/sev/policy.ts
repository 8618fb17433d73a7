// Guest policy. Document 55766, "Guest policy" (Linux include/linux/psp-sev.h, SEV_POLICY_MASK_*).

export const SevPolicy = {
  /** Debugging of the guest is disallowed. */
  NODBG: 1 << 0,
  /** Sharing the guest's key with another guest is disallowed. */
  NOKS: 1 << 1,
  /** SEV-ES is required. */
  ES: 1 << 2,
  /** Sending the guest to another platform is disallowed. */
  NOSEND: 1 << 3,
  /** The guest must not be sent to a platform outside the domain. */
  DOMAIN: 1 << 4,
  /** The guest must not be sent to a platform that is not SEV capable. */
  SEV: 1 << 5,
} as const

/** Bits 15:6. */
export const SEV_POLICY_RESERVED = 0x0000_ffc0

export function policyApiMajor(policy: number): number {
  return (policy >>> 16) & 0xff
}

export function policyApiMinor(policy: number): number {
  return policy >>> 24
}
