/** Local APIC (AMD64 APM vol. 2, chapter 16): register offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. */

export const APIC_ID = 0x20
export const APIC_VERSION = 0x30
export const APIC_TPR = 0x80
export const APIC_APR = 0x90
export const APIC_PPR = 0xa0
export const APIC_EOI = 0xb0
export const APIC_RRR = 0xc0
export const APIC_LDR = 0xd0
export const APIC_DFR = 0xe0
export const APIC_SVR = 0xf0
export const APIC_ISR = 0x100
export const APIC_TMR = 0x180
export const APIC_IRR = 0x200
export const APIC_ESR = 0x280
export const APIC_ICR_LOW = 0x300
export const APIC_ICR_HIGH = 0x310
export const APIC_LVT_TIMER = 0x320
export const APIC_LVT_THERMAL = 0x330
export const APIC_LVT_PERF = 0x340
export const APIC_LVT_LINT0 = 0x350
export const APIC_LVT_LINT1 = 0x360
export const APIC_LVT_ERROR = 0x370
export const APIC_TIMER_INITIAL = 0x380
export const APIC_TIMER_CURRENT = 0x390
export const APIC_TIMER_DIVIDE = 0x3e0
/** x2APIC only. */
export const APIC_SELF_IPI = 0x3f0

/** Six LVT entries (maximum index 5), integrated APIC. Bit 31 (AMD extended space) and bit 24 (EOI broadcast suppression) clear. */
export const APIC_VERSION_VALUE = 0x0005_0014

export const MSR_APIC_BASE = 0x1b
export const MSR_TSC_DEADLINE = 0x6e0
export const MSR_X2APIC_FIRST = 0x800
export const MSR_X2APIC_LAST = 0x8ff

export const APIC_BASE_BSP = 1 << 8
export const APIC_BASE_EXTD = 1 << 10
export const APIC_BASE_ENABLE = 1 << 11

/** Message types, the delivery mode field of ICR, LVT, redirection entries and MSI data. */
export const DELIVERY_FIXED = 0
export const DELIVERY_LOWEST = 1
export const DELIVERY_SMI = 2
export const DELIVERY_NMI = 4
export const DELIVERY_INIT = 5
export const DELIVERY_STARTUP = 6
export const DELIVERY_EXTINT = 7

export const SVR_ENABLE = 1 << 8
export const LVT_MASKED = 1 << 16
export const LVT_TIMER_PERIODIC = 1
export const LVT_TIMER_DEADLINE = 2

export const ESR_SEND_ILLEGAL = 1 << 5
export const ESR_RECEIVE_ILLEGAL = 1 << 6
export const ESR_ILLEGAL_REGISTER = 1 << 7

/** The timer counts bus clocks of one nanosecond, divided by the divide register. */
export const APIC_BUS_HZ = 1_000_000_000
