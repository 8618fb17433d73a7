// Command buffers. Document 55766, chapters 5 to 7, one table per command (Linux include/linux/psp-sev.h, struct sev_data_*).

import { bytes, layout, u32, u64, u8 } from '../../lib/layout.js'

/** 55766 chapter 5, INIT. FLAGS bit 0: SEV-ES. */
export const InitBuffer = layout('INIT', 0x14, { flags: u32(0x00), reserved_4: u32(0x04), tmrPaddr: u64(0x08), tmrLength: u32(0x10) })
export const INIT_FLAG_SEV_ES = 1

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

/** 55766 section 6.3 LAUNCH_UPDATE_DATA. */
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

/** 55766 chapter 7, DBG_DECRYPT, DBG_ENCRYPT. */
export const DebugBuffer = layout('DBG', 0x1c, {
  handle: u32(0x00),
  reserved_4: u32(0x04),
  srcPaddr: u64(0x08),
  dstPaddr: u64(0x10),
  length: u32(0x18),
})
