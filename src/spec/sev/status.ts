// Status codes of the secure processor. Document 55766, table 14 (Linux include/uapi/linux/psp-sev.h).

export const SevStatus = {
  SUCCESS: 0x00,
  INVALID_PLATFORM_STATE: 0x01,
  INVALID_GUEST_STATE: 0x02,
  INVALID_CONFIG: 0x03,
  INVALID_LENGTH: 0x04,
  ALREADY_OWNED: 0x05,
  INVALID_CERTIFICATE: 0x06,
  POLICY_FAILURE: 0x07,
  INACTIVE: 0x08,
  INVALID_ADDRESS: 0x09,
  BAD_SIGNATURE: 0x0a,
  BAD_MEASUREMENT: 0x0b,
  ASID_OWNED: 0x0c,
  INVALID_ASID: 0x0d,
  WBINVD_REQUIRED: 0x0e,
  DF_FLUSH_REQUIRED: 0x0f,
  INVALID_GUEST: 0x10,
  INVALID_COMMAND: 0x11,
  ACTIVE: 0x12,
  HWERROR_PLATFORM: 0x13,
  HWERROR_UNSAFE: 0x14,
  UNSUPPORTED: 0x15,
  INVALID_PARAM: 0x16,
  RESOURCE_LIMIT: 0x17,
  SECURE_DATA_INVALID: 0x18,
} as const

export type SevStatusName = keyof typeof SevStatus
export type SevStatusCode = (typeof SevStatus)[SevStatusName]

const names = new Map<number, SevStatusName>(Object.entries(SevStatus).map(([name, code]) => [code, name as SevStatusName]))

export function statusName(code: number): SevStatusName | `status 0x${string}` {
  return names.get(code) ?? `status 0x${code.toString(16)}`
}
