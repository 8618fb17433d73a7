import { SEV_API_MAJOR, SEV_API_MINOR } from '../../spec/sev/mailbox.js'
import { policyApiMajor, policyApiMinor, SEV_POLICY_RESERVED, SevPolicy } from '../../spec/sev/policy.js'
import { SevStatus, type SevStatusCode } from '../../spec/sev/status.js'
import type { Firmware } from './firmware.js'

/** Is `major.minor` what the policy's owner accepts? Policy bytes 2 and 3 are the lowest API version (55766 chapter 3). */
export function recentEnough(policy: number, major: number, minor: number): boolean {
  const [wantedMajor, wantedMinor] = [policyApiMajor(policy), policyApiMinor(policy)]
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/** May a guest with `policy` live on this platform (LAUNCH_START, RECEIVE_START)? */
export function checkPolicy(firmware: Firmware, policy: number): SevStatusCode {
  if ((policy & SEV_POLICY_RESERVED) !== 0) return SevStatus.INVALID_PARAM
  if ((policy & SevPolicy.ES) !== 0 && !firmware.encryptedState) return SevStatus.UNSUPPORTED
  return recentEnough(policy, SEV_API_MAJOR, SEV_API_MINOR) ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}

/** May a new guest with `policy` have the key of the guest named by `handle`? 0 names none: it gets a key of its own. */
export function checkKeySharing(firmware: Firmware, handle: number, policy: number): SevStatusCode {
  if (handle === 0) return SevStatus.SUCCESS
  const sharer = firmware.guests.get(handle)
  if (!sharer) return SevStatus.INVALID_GUEST
  return sharer.policy === policy && (policy & SevPolicy.NOKS) === 0 ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}
