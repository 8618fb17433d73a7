// The mailbox's CmdResp register. Document 55766, chapter 4 (Linux drivers/crypto/ccp/psp-dev.h).

/** Written: command id in bits 26:16. Read: bit 31 tells that the command is complete, bits 15:0 hold its status. */
export const CMDRESP_COMMAND_SHIFT = 16
export const CMDRESP_COMMAND_MASK = 0x7ff
export const CMDRESP_DONE = 0x8000_0000
export const CMDRESP_STATUS_MASK = 0xffff

/** What this firmware implements (PLATFORM_STATUS, LAUNCH_MEASURE): API 0.24. */
export const SEV_API_MAJOR = 0
export const SEV_API_MINOR = 24
