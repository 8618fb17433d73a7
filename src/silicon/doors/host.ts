/** Instructions and MMIO that host software may issue. Interfaces only: all that a hypervisor has of the chip. */

/** A 64-bit value as two unsigned 32-bit halves; keeps BigInt off the hot path. */
export interface Halves {
  readonly lo: number
  readonly hi: number
}

export interface CpuidResult {
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

/** One core thread, as the software that runs on it in host mode sees it. */
export interface HostCore {
  readonly apicId: number
  /** General registers rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15 as lo/hi pairs: element 2n and 2n+1. VMRUN shares all but RAX and RSP with the guest. */
  readonly gprs: Uint32Array
  /** Retired instructions of this core since reset, guest mode included. */
  readonly instructionsRetired: number
  /** CPUID as executed in host mode. */
  cpuid(leaf: number, subleaf: number): CpuidResult
  rdmsr(msr: number): Halves
  wrmsr(msr: number, value: Halves): void
  /**
   * VMRUN with rAX = `vmcbSpa`; returns after #VMEXIT, whose reason stands in the VMCB. A physical interrupt
   * arrives after `instructionsMax` guest instructions (VMEXIT_INTR where it is intercepted, at an instruction boundary).
   */
  vmrun(vmcbSpa: number, instructionsMax: number): void
  vmload(vmcbSpa: number): void
  vmsave(vmcbSpa: number): void
  stgi(): void
  clgi(): void
  /** INVLPGA with rAX = address and ECX = ASID. */
  invlpga(gva: Halves, asid: number): void
  /** XSAVE / XRSTOR of x87, SSE (and later AVX) state at `spa` (64-byte aligned, 1 KiB): for multiplexing guests on one core. */
  xsave(spa: number): void
  xrstor(spa: number): void
  /** MOV from and to DR0 to DR3, which VMRUN and #VMEXIT leave as they are (APM vol. 2, section 15.5.1). `n` is 0 to 3. */
  readDr(n: number): Halves
  writeDr(n: number, value: Halves): void
  /** XGETBV and XSETBV of XCR0, which VMRUN and #VMEXIT leave as it is too. */
  xgetbv(): Halves
  xsetbv(value: Halves): void
  /** Write back and invalidate all caches. */
  wbinvd(): void
}

/** The secure processor's mailbox registers as the host's MMIO sees them. A command completes before `writeCommand` returns. */
export interface MailboxRegisters {
  writeAddressLow(value: number): void
  writeAddressHigh(value: number): void
  /** Writes CmdResp: command id in bits 26:16 as Linux does (`cmd << 16`). */
  writeCommand(value: number): void
  /** Reads CmdResp: bit 31 set when done, status in bits 15:0. */
  readResponse(): number
}

/** The chip as host software finds it. */
export interface HostPort {
  readonly dramBytes: number
  readonly cores: readonly HostCore[]
  readonly mailbox: MailboxRegisters
  /** Loads of host software with C-bit clear (no key): coherent with the caches, so private guest pages read as ciphertext. Throws RangeError outside DRAM. */
  read(spa: number, length: number): Uint8Array
  /** The same into memory of the caller's: all of `target`. */
  readInto(spa: number, target: Uint8Array): void
  /** Stores of host software with C-bit clear. Throws RangeError outside DRAM. */
  write(spa: number, bytes: Uint8Array): void
}
