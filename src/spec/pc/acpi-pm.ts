/** ACPI fixed hardware (ACPI specification 6.5, chapter 4.8), at ICH9's usual place 0x600 (PMBASE). */

export const PM_BASE = 0x600
export const PM_BYTES = 0x80
/** PM1a_EVT_BLK, 4 bytes: status word, enable word. */
export const PM1A_EVENT = PM_BASE
/** PM1a_CNT_BLK, 2 bytes. */
export const PM1A_CONTROL = PM_BASE + 4
/** PM_TMR_BLK, 4 bytes, a 32-bit counter (FADT TMR_VAL_EXT). */
export const PM_TIMER = PM_BASE + 8
export const PM_TIMER_HZ = 3_579_545
/** GPE0_BLK, 16 bytes: 8 status, 8 enable. */
export const GPE0 = PM_BASE + 0x20
export const GPE0_BYTES = 16

export const PM1_STS_TIMER = 1 << 0
export const PM1_STS_GLOBAL = 1 << 5
export const PM1_STS_POWER_BUTTON = 1 << 8
export const PM1_STS_SLEEP_BUTTON = 1 << 9
export const PM1_STS_RTC = 1 << 10
export const PM1_STS_WAKE = 1 << 15

export const PM1_CNT_SCI_EN = 1 << 0
export const PM1_CNT_SLP_TYP_SHIFT = 10
export const PM1_CNT_SLP_EN = 1 << 13

/** SLP_TYP for S5 (\_S5 = Package {0, 0, 0, 0}): so `outw(0x604, 0x2000)`, which many test kernels use on QEMU's q35, powers off here too. */
export const S5_SLEEP_TYPE = 0

/** Values for the FADT: written to SMI_CMD they switch ACPI mode on and off. */
export const ACPI_ENABLE_VALUE = 0x02
export const ACPI_DISABLE_VALUE = 0x03

/** CMOS byte that holds the century (FADT CENTURY). */
export const CMOS_CENTURY = 0x32
