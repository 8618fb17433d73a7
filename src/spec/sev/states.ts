// Platform and guest states as PLATFORM_STATUS and GUEST_STATUS report them. Document 55766, chapters 5 (PSTATE) and 6 (GSTATE).

export const PlatformState = { UNINIT: 0, INIT: 1, WORKING: 2 } as const
export type PlatformStateName = keyof typeof PlatformState

export const GuestState = { UNINIT: 0, LUPDATE: 1, LSECRET: 2, RUNNING: 3, SUPDATE: 4, RUPDATE: 5, SENT: 6 } as const
export type GuestStateName = keyof typeof GuestState
