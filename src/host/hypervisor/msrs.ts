import { CR0_PG, EFER_AIBRSE, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, EFER_SVME } from '../../spec/x86/control-registers.js'
import { LOW_RAM_END_MAX } from '../../spec/pc/memory-map.js'
import { VMCB_CR0, VMCB_EFER } from '../../spec/svm/vmcb.js'
import { adoptState } from '../devices/state.js'
import * as M from './msr-numbers.js'
import type { Vmcb } from './vmcb.js'

/** A 64-bit MSR value as [lo, hi]. */
export type MsrValue = readonly [number, number]

/** MSRs that somebody else on the board keeps: local APIC, KVM interface, clock. */
export interface MsrPeripherals {
  readonly apic: {
    handlesMsr(msr: number): boolean
    readMsr(msr: number): { lo: number; hi: number } | undefined
    writeMsr(msr: number, lo: number, hi: number): boolean
  }
  readonly paravirtual: { readMsr(msr: number): [number, number] | undefined; writeMsr(msr: number, lo: number, hi: number): boolean }
  writeTsc(lo: number, hi: number): void
  /** A change that cached translations do not know of. */
  flushTlb(): void
}

/** What the chip's CPUID offers: no fast FXSAVE, no translation cache extension. */
const EFER_WRITABLE = EFER_SCE | EFER_LME | EFER_NXE | EFER_AIBRSE
const MTRR_WRITE_BACK = 6
const MTRR_ENABLED = 0x800
const MTRR_FIXED_ENABLED = 0x400
/** 8 variable ranges, fixed ranges, write-combining (APM vol. 2, section 7.7.3). */
const MTRR_CAP = 0x508
const MTRR_TYPES = 0b1110011

/** Reads as zero, ignores writes: configuration of parts that no guest has. */
const INERT = new Set([
  M.MSR_MCG_CAP,
  M.MSR_MCG_STATUS,
  M.MSR_MCG_CTL,
  M.MSR_DEBUGCTL,
  M.MSR_SYSCFG,
  M.MSR_PATCH_LOADER,
  M.MSR_INT_PENDING,
  M.MSR_MMIO_CFG_BASE,
  M.MSR_TSEG_ADDR,
  M.MSR_TSEG_MASK,
  M.MSR_TOP_MEM2,
  M.MSR_IORR_BASE0,
  M.MSR_IORR_BASE0 + 1,
  M.MSR_IORR_BASE0 + 2,
  M.MSR_IORR_BASE0 + 3,
  // Four legacy counters, which AMD processors have whatever CPUID says: they count nothing.
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => 0xc0010000 + n),
  0xc001001f, // NB_CFG, which Linux's bus setup reads and writes unasked
  0xc0011020, // LS_CFG
  0xc0011021, // IC_CFG
  0xc0011022, // DC_CFG
  0xc0011023, // BU_CFG2
  0xc001102a, // TW_CFG
  0xc001102c, // DE_CFG2
])

/** The MSRs of a vCPU that exit. Undefined or false means #GP. */
export class GuestMsrs {
  readonly #vmcb: Vmcb
  readonly #peripherals: MsrPeripherals
  readonly #patchLevel: MsrValue
  readonly #memoryBytes: number
  // state
  readonly #mtrrs = new Map<number, MsrValue>()
  #hwcr = M.HWCR_TSC_FREQ_SEL

  constructor(vmcb: Vmcb, peripherals: MsrPeripherals, memoryBytes: number, patchLevel: MsrValue) {
    this.#vmcb = vmcb
    this.#peripherals = peripherals
    this.#memoryBytes = memoryBytes
    this.#patchLevel = patchLevel
    this.#resetMtrrs()
  }

  save(): unknown {
    return { mtrrs: Uint32Array.from([...this.#mtrrs.values()].flat()), hwcr: this.#hwcr }
  }

  restore(value: unknown, where: string): void {
    const { mtrrs, hwcr } = adoptState({ mtrrs: new Uint32Array(2 * this.#mtrrs.size), hwcr: 0 }, value, where)
    ;[...this.#mtrrs.keys()].forEach((msr, i) => this.#mtrrs.set(msr, [mtrrs[2 * i]!, mtrrs[2 * i + 1]!]))
    this.#hwcr = (hwcr | M.HWCR_TSC_FREQ_SEL) >>> 0
  }

  /** As firmware leaves them: write-back, but for the video hole and what lies above RAM's place below 4 GiB. */
  #resetMtrrs(): void {
    for (let i = 0; i < 2 * M.MTRR_VARIABLE_COUNT; i++) this.#mtrrs.set(M.MSR_MTRR_VARIABLE + i, [0, 0])
    this.#mtrrs.set(M.MSR_MTRR_VARIABLE, [LOW_RAM_END_MAX, 0])
    this.#mtrrs.set(M.MSR_MTRR_VARIABLE + 1, [0xc0000800, 0xffff])
    const writeBack: MsrValue = [0x06060606, 0x06060606]
    this.#mtrrs.set(M.MSR_MTRR_FIX_64K, writeBack)
    this.#mtrrs.set(M.MSR_MTRR_FIX_16K_80000, writeBack)
    this.#mtrrs.set(M.MSR_MTRR_FIX_16K_A0000, [0, 0])
    for (let i = 0; i < 8; i++) this.#mtrrs.set(M.MSR_MTRR_FIX_4K + i, writeBack)
    this.#mtrrs.set(M.MSR_MTRR_DEF_TYPE, [MTRR_ENABLED | MTRR_FIXED_ENABLED | MTRR_WRITE_BACK, 0])
  }

  read(msr: number): MsrValue | undefined {
    const { apic, paravirtual } = this.#peripherals
    if (apic.handlesMsr(msr)) {
      const value = apic.readMsr(msr)
      return value && [value.lo, value.hi]
    }
    const mtrr = this.#mtrrs.get(msr)
    if (mtrr) return mtrr
    if (INERT.has(msr)) return [0, 0]
    switch (msr) {
      case M.MSR_EFER:
        return [this.#vmcb.u32(VMCB_EFER) & ~EFER_SVME, 0]
      case M.MSR_MTRR_CAP:
        return [MTRR_CAP, 0]
      case M.MSR_UCODE_LEVEL:
        return this.#patchLevel
      case M.MSR_HWCR:
        return [this.#hwcr, 0]
      case M.MSR_DE_CFG:
        return [M.DE_CFG_LFENCE_SERIALIZE, 0]
      case M.MSR_VM_CR:
        return [M.VM_CR_SVMDIS, 0]
      case M.MSR_TOP_MEM:
        return [this.#memoryBytes >>> 0, 0]
      case M.MSR_XSS:
        return [0, 0]
      default:
        return paravirtual.readMsr(msr)
    }
  }

  write(msr: number, lo: number, hi: number): boolean {
    const { apic, paravirtual } = this.#peripherals
    if (apic.handlesMsr(msr)) return apic.writeMsr(msr, lo, hi)
    if (this.#mtrrs.has(msr)) return this.#writeMtrr(msr, lo, hi)
    if (INERT.has(msr)) return true
    switch (msr) {
      case M.MSR_EFER:
        return this.#writeEfer(lo, hi)
      case M.MSR_TSC:
        this.#peripherals.writeTsc(lo, hi)
        return true
      case M.MSR_UCODE_LEVEL:
      case M.MSR_DE_CFG:
      case M.MSR_TOP_MEM:
        return true
      case M.MSR_HWCR:
        this.#hwcr = (lo | M.HWCR_TSC_FREQ_SEL) >>> 0
        return true
      case M.MSR_XSS:
        return lo === 0 && hi === 0
      default:
        return paravirtual.writeMsr(msr, lo, hi)
    }
  }

  /** LME cannot change while paging is on (APM vol. 2, section 3.1.7); LMA is the processor's; SVME stays set beneath the guest. */
  #writeEfer(lo: number, hi: number): boolean {
    const now = this.#vmcb.u32(VMCB_EFER)
    if (hi !== 0 || (lo & ~(EFER_WRITABLE | EFER_LMA)) !== 0) return false
    if ((this.#vmcb.u32(VMCB_CR0) & CR0_PG) !== 0 && ((now ^ lo) & EFER_LME) !== 0) return false
    if (((now ^ lo) & EFER_NXE) !== 0) this.#peripherals.flushTlb()
    this.#vmcb.set64(VMCB_EFER, (lo & EFER_WRITABLE) | (now & EFER_LMA) | EFER_SVME, 0)
    return true
  }

  /** Memory types 2, 3 and 7 do not exist (section 7.7.2). */
  #writeMtrr(msr: number, lo: number, hi: number): boolean {
    const known = (type: number) => type < 8 && (MTRR_TYPES & (1 << type)) !== 0
    const isMask = msr < M.MSR_MTRR_VARIABLE + 2 * M.MTRR_VARIABLE_COUNT && (msr & 1) === 1
    if (msr >= M.MSR_MTRR_FIX_64K && msr !== M.MSR_MTRR_DEF_TYPE) {
      for (let shift = 0; shift < 32; shift += 8) if (!known((lo >>> shift) & 0xff) || !known((hi >>> shift) & 0xff)) return false
    } else if (!isMask && !known(lo & 0xff)) return false
    this.#mtrrs.set(msr, [lo, hi])
    return true
  }
}
