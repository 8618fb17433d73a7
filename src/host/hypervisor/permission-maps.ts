import { IOPM_BYTES, MSRPM_BYTES, MSRPM_RANGE0, MSRPM_RANGE1, MSRPM_RANGE2 } from '../../spec/svm/vmcb.js'
import * as M from './msr-numbers.js'

/** Every port exits (APM vol. 2, section 15.10.1). */
export function ioPermissionMap(): Uint8Array {
  return new Uint8Array(IOPM_BYTES).fill(0xff)
}

/** State that #VMEXIT, VMLOAD and VMSAVE keep per guest, so the guest may touch it itself. */
const PASSED_THROUGH = [
  M.MSR_SYSENTER_CS,
  M.MSR_SYSENTER_ESP,
  M.MSR_SYSENTER_EIP,
  M.MSR_PAT,
  M.MSR_STAR,
  M.MSR_LSTAR,
  M.MSR_CSTAR,
  M.MSR_SFMASK,
  M.MSR_FS_BASE,
  M.MSR_GS_BASE,
  M.MSR_KERNEL_GS_BASE,
  M.MSR_TSC_AUX,
]
const READ_ONLY = [M.MSR_TSC, M.MSR_SEV_STATUS]

/** Two bits per MSR, read below write, 1 = exit (section 15.11). */
export function msrPermissionMap(): Uint8Array {
  const map = new Uint8Array(MSRPM_BYTES).fill(0xff)
  for (const msr of PASSED_THROUGH) clear(map, msr, 3)
  for (const msr of READ_ONLY) clear(map, msr, 1)
  return map
}

function clear(map: Uint8Array, msr: number, bits: number): void {
  const base = msr < 0x2000 ? MSRPM_RANGE0 : msr >= 0xc0010000 ? MSRPM_RANGE2 : MSRPM_RANGE1
  const bit = (msr & 0x1fff) * 2
  const at = base + (bit >> 3)
  map[at] = map[at]! & ~(bits << (bit & 7))
}
