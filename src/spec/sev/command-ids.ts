// Command identifiers of the secure processor. Document 55766 (SEV API 0.24), table 13; document 56860 (SEV-SNP), chapter 8; names and numbers as in
// Linux include/linux/psp-sev.h.

export const SevCommand = {
  INIT: 0x01,
  SHUTDOWN: 0x02,
  PLATFORM_RESET: 0x03,
  PLATFORM_STATUS: 0x04,
  PEK_GEN: 0x05,
  PEK_CSR: 0x06,
  PEK_CERT_IMPORT: 0x07,
  PDH_CERT_EXPORT: 0x08,
  PDH_GEN: 0x09,
  DF_FLUSH: 0x0a,
  DOWNLOAD_FIRMWARE: 0x0b,
  GET_ID: 0x0c,
  INIT_EX: 0x0d,
  NOP: 0x0e,
  RING_BUFFER: 0x0f,

  DECOMMISSION: 0x20,
  ACTIVATE: 0x21,
  DEACTIVATE: 0x22,
  GUEST_STATUS: 0x23,
  COPY: 0x24,
  ACTIVATE_EX: 0x25,

  LAUNCH_START: 0x30,
  LAUNCH_UPDATE_DATA: 0x31,
  LAUNCH_UPDATE_VMSA: 0x32,
  LAUNCH_MEASURE: 0x33,
  LAUNCH_SECRET: 0x34,
  LAUNCH_FINISH: 0x35,
  ATTESTATION: 0x36,

  SEND_START: 0x40,
  SEND_UPDATE_DATA: 0x41,
  SEND_UPDATE_VMSA: 0x42,
  SEND_FINISH: 0x43,
  SEND_CANCEL: 0x44,
  RECEIVE_START: 0x50,
  RECEIVE_UPDATE_DATA: 0x51,
  RECEIVE_UPDATE_VMSA: 0x52,
  RECEIVE_FINISH: 0x53,

  DBG_DECRYPT: 0x60,
  DBG_ENCRYPT: 0x61,
  SWAP_OUT: 0x70,
  SWAP_IN: 0x71,

  SNP_INIT: 0x81,
  SNP_SHUTDOWN: 0x82,
  SNP_PLATFORM_STATUS: 0x83,
  SNP_DF_FLUSH: 0x84,
  SNP_INIT_EX: 0x85,
  SNP_SHUTDOWN_EX: 0x86,
  SNP_DECOMMISSION: 0x90,
  SNP_ACTIVATE: 0x91,
  SNP_GUEST_STATUS: 0x92,
  SNP_GCTX_CREATE: 0x93,
  SNP_GUEST_REQUEST: 0x94,
  SNP_ACTIVATE_EX: 0x95,
  SNP_LAUNCH_START: 0xa0,
  SNP_LAUNCH_UPDATE: 0xa1,
  SNP_LAUNCH_FINISH: 0xa2,
  SNP_DBG_DECRYPT: 0xb0,
  SNP_DBG_ENCRYPT: 0xb1,
  SNP_PAGE_SWAP_OUT: 0xc0,
  SNP_PAGE_SWAP_IN: 0xc1,
  SNP_PAGE_MOVE: 0xc2,
  SNP_PAGE_MD_INIT: 0xc3,
  SNP_PAGE_SET_STATE: 0xc6,
  SNP_PAGE_RECLAIM: 0xc7,
  SNP_PAGE_UNSMASH: 0xc8,
  SNP_CONFIG: 0xc9,
  SNP_DOWNLOAD_FIRMWARE_EX: 0xca,
  SNP_COMMIT: 0xcb,
  SNP_VLEK_LOAD: 0xcd,
  SNP_FEATURE_INFO: 0xce,

  TIO_STATUS: 0xd0,
  TIO_INIT: 0xd1,
  TIO_DEV_CREATE: 0xd2,
  TIO_DEV_RECLAIM: 0xd3,
  TIO_DEV_CONNECT: 0xd4,
  TIO_DEV_DISCONNECT: 0xd5,
} as const

export type SevCommandName = keyof typeof SevCommand

const names = new Map<number, SevCommandName>(Object.entries(SevCommand).map(([name, id]) => [id, name as SevCommandName]))

/** The published name of a command id, or undefined where the documents give it none. */
export function commandName(id: number): SevCommandName | undefined {
  return names.get(id)
}
