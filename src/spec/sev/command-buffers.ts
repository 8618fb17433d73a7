// Command buffers. Document 55766, chapters 5 to 7, one table per command (Linux include/linux/psp-sev.h, struct sev_data_*).

import { bytes, layout, u32, u64, u8 } from '../../lib/layout.js'

/** 55766 chapter 5, INIT. FLAGS bit 0: SEV-ES. */
export const InitBuffer = layout('INIT', 0x14, { flags: u32(0x00), reserved_4: u32(0x04), tmrPaddr: u64(0x08), tmrLength: u32(0x10) })
export const INIT_FLAG_SEV_ES = 1

/** What a host gives SEV-ES guests' world switches: 1 MiB, 1 MiB aligned. */
export const TMR_BYTES = 0x10_0000

/** 55766 chapter 5, INIT_EX: persistent state lies in the host's memory instead of the board's flash. */
export const InitExBuffer = layout('INIT_EX', 0x24, {
  length: u32(0x00),
  flags: u32(0x04),
  tmrPaddr: u64(0x08),
  tmrLength: u32(0x10),
  reserved_14: u32(0x14),
  nvPaddr: u64(0x18),
  nvLength: u32(0x20),
})
export const NV_BYTES = 0x8000

/** 55766 chapter 5, PEK_CSR. */
export const PekCsrBuffer = layout('PEK_CSR', 0x0c, { csrPaddr: u64(0x00), csrLength: u32(0x08) })

/** 55766 chapter 5, PEK_CERT_IMPORT. */
export const PekCertImportBuffer = layout('PEK_CERT_IMPORT', 0x1c, {
  pekCertPaddr: u64(0x00),
  pekCertLength: u32(0x08),
  reserved_c: u32(0x0c),
  ocaCertPaddr: u64(0x10),
  ocaCertLength: u32(0x18),
})

/** 55766 chapter 5, PDH_CERT_EXPORT. */
export const PdhCertExportBuffer = layout('PDH_CERT_EXPORT', 0x1c, {
  pdhCertPaddr: u64(0x00),
  pdhCertLength: u32(0x08),
  reserved_c: u32(0x0c),
  certsPaddr: u64(0x10),
  certsLength: u32(0x18),
})

/** 55766 chapter 5, PLATFORM_STATUS: output only. */
export const PlatformStatusBuffer = layout('PLATFORM_STATUS', 0x0c, {
  apiMajor: u8(0x00),
  apiMinor: u8(0x01),
  state: u8(0x02),
  owner: u8(0x03),
  config: bytes(0x04, 3),
  build: u8(0x07),
  guestCount: u32(0x08),
})

/** 55766 chapter 5, GET_ID. */
export const GetIdBuffer = layout('GET_ID', 0x0c, { idPaddr: u64(0x00), idLength: u32(0x08) })

/** One of DECOMMISSION, DEACTIVATE, LAUNCH_FINISH: nothing but the handle. */
export const HandleBuffer = layout('HANDLE', 0x04, { handle: u32(0x00) })

/** 55766 chapter 6, ACTIVATE. */
export const ActivateBuffer = layout('ACTIVATE', 0x08, { handle: u32(0x00), asid: u32(0x04) })

/** 55766 chapter 6, ACTIVATE_EX: ACTIVATE on the core complexes that hold the listed APIC ids. */
export const ActivateExBuffer = layout('ACTIVATE_EX', 0x18, {
  length: u32(0x00),
  handle: u32(0x04),
  asid: u32(0x08),
  idCount: u32(0x0c),
  idsPaddr: u64(0x10),
})

/** 55766 chapter 6, COPY. */
export const CopyBuffer = layout('COPY', 0x18, { handle: u32(0x00), length: u32(0x04), srcPaddr: u64(0x08), dstPaddr: u64(0x10) })

/** 55766 chapter 6, GUEST_STATUS. */
export const GuestStatusBuffer = layout('GUEST_STATUS', 0x0d, { handle: u32(0x00), policy: u32(0x04), asid: u32(0x08), state: u8(0x0c) })

/** 55766 section 6.2 LAUNCH_START. */
export const LaunchStartBuffer = layout('LAUNCH_START', 0x24, {
  handle: u32(0x00),
  policy: u32(0x04),
  dhCertPaddr: u64(0x08),
  dhCertLength: u32(0x10),
  reserved_14: u32(0x14),
  sessionPaddr: u64(0x18),
  sessionLength: u32(0x20),
})

/** What SESSION_PADDR of LAUNCH_START, SEND_START and RECEIVE_START points to (55766 section 6.2). */
export const SessionLayout = layout('SESSION', 0x80, {
  nonce: bytes(0x00, 16),
  wrapTk: bytes(0x10, 32),
  wrapIv: bytes(0x30, 16),
  wrapMac: bytes(0x40, 32),
  policyMac: bytes(0x60, 32),
})

/** 55766 sections 6.3 and 6.4, LAUNCH_UPDATE_DATA and LAUNCH_UPDATE_VMSA. */
export const LaunchUpdateDataBuffer = layout('LAUNCH_UPDATE_DATA', 0x14, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  paddr: u64(0x08),
  length: u32(0x10),
})

/** 55766 section 6.5 LAUNCH_MEASURE. */
export const LaunchMeasureBuffer = layout('LAUNCH_MEASURE', 0x14, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  measurePaddr: u64(0x08),
  measureLength: u32(0x10),
})

/** What LAUNCH_MEASURE writes to MEASURE_PADDR. */
export const Measurement = layout('MEASUREMENT', 0x30, { measure: bytes(0x00, 32), mnonce: bytes(0x20, 16) })

/** LAUNCH_SECRET, SEND_UPDATE_DATA, SEND_UPDATE_VMSA, RECEIVE_UPDATE_DATA, RECEIVE_UPDATE_VMSA (55766 sections 6.6, 6.10 to 6.16). */
export const PacketBuffer = layout('PACKET', 0x34, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  hdrPaddr: u64(0x08),
  hdrLength: u32(0x10),
  reserved_14: u32(0x14),
  guestPaddr: u64(0x18),
  guestLength: u32(0x20),
  reserved_24: u32(0x24),
  transPaddr: u64(0x28),
  transLength: u32(0x30),
})

/** The header of a packet of transport-encrypted data, at HDR_PADDR. FLAGS bit 0: the plaintext is compressed. */
export const PacketHeader = layout('PACKET_HEADER', 0x34, { flags: u32(0x00), iv: bytes(0x04, 16), mac: bytes(0x14, 32) })
export const PACKET_FLAG_COMPRESSED = 1

/** First byte of what a MAC or measurement covers: its purpose. */
export const MacPurpose = { LAUNCH_SECRET: 1, DATA: 2, VMSA: 3, LAUNCH_MEASURE: 4 } as const

/** Largest guest region of one packet. */
export const PACKET_BYTES_MAX = 0x4000
export const VMSA_BYTES = 0x1000

/** 55766 section 6.8, ATTESTATION. */
export const AttestationBuffer = layout('ATTESTATION', 0x24, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  paddr: u64(0x08),
  mnonce: bytes(0x10, 16),
  length: u32(0x20),
})

/** The report that ATTESTATION writes. Signed: the first 0x34 bytes. */
export const AttestationReportLayout = layout('ATTESTATION_REPORT', 0xd0, {
  mnonce: bytes(0x00, 16),
  launchDigest: bytes(0x10, 32),
  policy: u32(0x30),
  sigUsage: u32(0x34),
  sigAlgo: u32(0x38),
  reserved_3c: u32(0x3c),
  sig1: bytes(0x40, 0x90),
})
export const ATTESTATION_SIGNED_BYTES = 0x34

/** 55766 section 6.9, SEND_START. */
export const SendStartBuffer = layout('SEND_START', 0x44, {
  handle: u32(0x00),
  policy: u32(0x04),
  pdhCertPaddr: u64(0x08),
  pdhCertLength: u32(0x10),
  reserved_14: u32(0x14),
  platCertsPaddr: u64(0x18),
  platCertsLength: u32(0x20),
  reserved_24: u32(0x24),
  amdCertsPaddr: u64(0x28),
  amdCertsLength: u32(0x30),
  reserved_34: u32(0x34),
  sessionPaddr: u64(0x38),
  sessionLength: u32(0x40),
})

/** 55766 section 6.14, RECEIVE_START. */
export const ReceiveStartBuffer = layout('RECEIVE_START', 0x24, {
  handle: u32(0x00),
  policy: u32(0x04),
  pdhCertPaddr: u64(0x08),
  pdhCertLength: u32(0x10),
  reserved_14: u32(0x14),
  sessionPaddr: u64(0x18),
  sessionLength: u32(0x20),
})

/** 55766 chapter 6, SWAP_OUT. FLAGS: bit 0 page size (0 4 KiB, 1 2 MiB), bits 2:1 page type (0 data, 2 VMSA). */
export const SwapOutBuffer = layout('SWAP_OUT', 0x28, {
  handle: u32(0x00),
  flags: u32(0x04),
  srcPaddr: u64(0x08),
  dstPaddr: u64(0x10),
  mdataPaddr: u64(0x18),
  softwareData: bytes(0x20, 8),
})
/** 55766 chapter 6, SWAP_IN. FLAGS also bit 3: in place. */
export const SwapInBuffer = layout('SWAP_IN', 0x20, {
  handle: u32(0x00),
  flags: u32(0x04),
  srcPaddr: u64(0x08),
  dstPaddr: u64(0x10),
  mdataPaddr: u64(0x18),
})
export const SwapFlag = { LARGE_PAGE: 1, TYPE_MASK: 6, TYPE_DATA: 0, TYPE_VMSA: 4, IN_PLACE: 8 } as const

/** The metadata entry beside a swapped page. */
export const SwapMetadata = layout('MDATA', 0x40, {
  softwareData: bytes(0x00, 8),
  iv: bytes(0x08, 8),
  authTag: bytes(0x10, 16),
  reserved_20: bytes(0x20, 0x1c),
  flags: u32(0x3c),
})

/** 55766 chapter 7, DBG_DECRYPT, DBG_ENCRYPT. */
export const DebugBuffer = layout('DBG', 0x1c, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  srcPaddr: u64(0x08),
  dstPaddr: u64(0x10),
  length: u32(0x18),
})
