/** MC146818 real-time clock registers (Motorola data sheet) and the CMOS bytes that PC firmware fills. */

export const RTC_SECONDS = 0
export const RTC_SECONDS_ALARM = 1
export const RTC_MINUTES = 2
export const RTC_MINUTES_ALARM = 3
export const RTC_HOURS = 4
export const RTC_HOURS_ALARM = 5
export const RTC_DAY_OF_WEEK = 6
export const RTC_DAY_OF_MONTH = 7
export const RTC_MONTH = 8
export const RTC_YEAR = 9
export const RTC_A = 10
export const RTC_B = 11
export const RTC_C = 12
export const RTC_D = 13

export const RTC_A_UPDATE_IN_PROGRESS = 0x80
export const RTC_B_SET = 0x80
export const RTC_B_PERIODIC = 0x40
export const RTC_B_ALARM = 0x20
export const RTC_B_UPDATE = 0x10
export const RTC_B_BINARY = 0x04
export const RTC_B_24_HOURS = 0x02
export const RTC_C_IRQ = 0x80
export const RTC_D_VALID = 0x80

/** Base memory in KiB; extended memory in KiB up to 64 MiB (twice); memory above 16 MiB in 64 KiB units; memory above 4 GiB in 64 KiB units. */
export const CMOS_BASE_MEMORY = 0x15
export const CMOS_EXTENDED_MEMORY = 0x17
export const CMOS_EXTENDED_MEMORY_2 = 0x30
export const CMOS_MEMORY_ABOVE_16M = 0x34
export const CMOS_MEMORY_ABOVE_4G = 0x5b
