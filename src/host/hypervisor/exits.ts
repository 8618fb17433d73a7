import * as V from '../../spec/svm/vmcb.js'
import * as X from '../../spec/svm/exit-codes.js'
import type { MmioSize, PortSize } from '../bus/index.js'
import { guestCpuid } from './cpuid.js'
import { RAX, RBX, RCX, RDX } from './guest-registers.js'
import { describeInvalidState } from './invalid-state.js'
import { decodeMmio } from './mmio/decode.js'
import { executeMmio, type MmioEnvironment, type Value } from './mmio/execute.js'
import { executePortIo, type PortEnvironment } from './port-io.js'
import { PAGE_BYTES } from './physical-memory.js'
import type { Vcpu } from './vcpu.js'

const VECTOR_UD = 6
const EFER_LMA = 0x400

/** Handles the exit that stands in the vCPU's VMCB. Whatever the guest did, it ends in guest state or in `vcpu.stop`, never in a throw. */
export function handleExit(vcpu: Vcpu): void {
  const { vmcb } = vcpu
  const code = vmcb.u32(V.VMCB_EXITCODE)
  if (vmcb.u32(V.VMCB_EXITCODE + 4) !== 0) return refusedEntry(vcpu, code)
  const handler = HANDLERS.get(code)
  if (handler) handler(vcpu)
  else if (code >= X.VMEXIT_EXCEPTION && code < X.VMEXIT_INTR) reflectException(vcpu, code - X.VMEXIT_EXCEPTION)
  else vcpu.stop('internal-error', `the hypervisor has no answer to exit code 0x${code.toString(16)} (${where(vcpu)})`)
}

type Handler = (vcpu: Vcpu) => void

const HANDLERS = new Map<number, Handler>([
  // Interrupts of the host: the instruction budget is used up, or somebody wants the core.
  [X.VMEXIT_INTR, nothing],
  [X.VMEXIT_NMI, nothing],
  [X.VMEXIT_SMI, nothing],
  [X.VMEXIT_VINTR, nothing],
  [X.VMEXIT_INIT, (vcpu) => vcpu.stop('reset', 'the processor was sent INIT')],
  [X.VMEXIT_CPUID, cpuid],
  [X.VMEXIT_HLT, halt],
  [X.VMEXIT_IOIO, portIo],
  [X.VMEXIT_MSR, msr],
  [X.VMEXIT_VMMCALL, hypercall],
  [X.VMEXIT_NPF, nestedPageFault],
  [X.VMEXIT_SHUTDOWN, (vcpu) => vcpu.stop('triple-fault', `triple fault: an exception could not be delivered (${where(vcpu)})`)],
  [X.VMEXIT_IRET, (vcpu) => vcpu.noteIret()],
  [X.VMEXIT_CR8_WRITE, writeCr8],
  [X.VMEXIT_PAUSE, (vcpu) => vcpu.complete()],
  [X.VMEXIT_WBINVD, (vcpu) => vcpu.complete()],
  [X.VMEXIT_INVD, (vcpu) => vcpu.complete()],
  [X.VMEXIT_RDPMC, (vcpu) => vcpu.queueGeneralProtection()],
  // CPUID offers none of these, so they are undefined (APM vol. 3, each instruction's exceptions).
  [X.VMEXIT_VMRUN, undefinedOpcode],
  [X.VMEXIT_VMLOAD, undefinedOpcode],
  [X.VMEXIT_VMSAVE, undefinedOpcode],
  [X.VMEXIT_STGI, undefinedOpcode],
  [X.VMEXIT_CLGI, undefinedOpcode],
  [X.VMEXIT_SKINIT, undefinedOpcode],
  [X.VMEXIT_INVLPGA, undefinedOpcode],
  [X.VMEXIT_MONITOR, undefinedOpcode],
  [X.VMEXIT_MWAIT, undefinedOpcode],
  [X.VMEXIT_RDPRU, undefinedOpcode],
  [X.VMEXIT_RSM, undefinedOpcode],
])

function nothing(): void {}

function where(vcpu: Vcpu): string {
  const cs = vcpu.vmcb.u16(V.VMCB_CS + V.VMCB_SEGMENT_SELECTOR)
  return `at ${cs.toString(16)}:${vcpu.vmcb.big(V.VMCB_RIP).toString(16)}`
}

function undefinedOpcode(vcpu: Vcpu): void {
  vcpu.queueException(VECTOR_UD)
}

function refusedEntry(vcpu: Vcpu, code: number): void {
  if ((code | 0) === X.VMEXIT_INVALID) vcpu.stop('internal-error', `VMRUN refused the guest state: ${describeInvalidState(vcpu.vmcb)}`)
  else vcpu.stop('internal-error', `VMRUN ended with exit code -${-(code | 0)} (${where(vcpu)})`)
}

function reflectException(vcpu: Vcpu, vector: number): void {
  const hasError = vector === 8 || (vector >= 10 && vector <= 14) || vector === 17
  vcpu.queueException(vector, hasError ? vcpu.vmcb.u32(V.VMCB_EXITINFO1) : undefined)
}

function cpuid(vcpu: Vcpu): void {
  const { registers } = vcpu
  const result = guestCpuid(vcpu.core, vcpu.cpuidView, registers.lo(RAX), registers.lo(RCX))
  registers.set(RAX, result.eax >>> 0, 0)
  registers.set(RBX, result.ebx >>> 0, 0)
  registers.set(RCX, result.ecx >>> 0, 0)
  registers.set(RDX, result.edx >>> 0, 0)
  vcpu.complete()
}

function halt(vcpu: Vcpu): void {
  vcpu.complete()
  vcpu.halted = true
}

function msr(vcpu: Vcpu): void {
  const { registers, msrs } = vcpu
  const number = registers.lo(RCX)
  if ((vcpu.vmcb.u32(V.VMCB_EXITINFO1) & 1) !== 0) {
    if (!msrs.write(number, registers.lo(RAX), registers.lo(RDX))) return vcpu.queueGeneralProtection()
  } else {
    const value = msrs.read(number)
    if (!value) return vcpu.queueGeneralProtection()
    registers.set(RAX, value[0] >>> 0, 0)
    registers.set(RDX, value[1] >>> 0, 0)
  }
  vcpu.complete()
}

/** KVM hypercalls: number in RAX, arguments in RBX, RCX, RDX; the answer in RAX. */
function hypercall(vcpu: Vcpu): void {
  const { registers } = vcpu
  const call = { number: registers.lo(RAX), a0: registers.number(RBX), a1: registers.number(RCX), a2: registers.number(RDX) }
  const answer = vcpu.board.paravirtual.hypercall(call, vcpu.vmcb.u8(V.VMCB_CPL))
  registers.set(RAX, answer >>> 0, answer < 0 && (vcpu.vmcb.u32(V.VMCB_EFER) & EFER_LMA) !== 0 ? 0xffffffff : 0)
  vcpu.complete()
}

/** MOV CR8: the decode assist names the register (APM vol. 2, section 15.33.1). */
function writeCr8(vcpu: Vcpu): void {
  const value = vcpu.registers.lo(vcpu.vmcb.u32(V.VMCB_EXITINFO1) & 15)
  if (value > 15) return vcpu.queueGeneralProtection()
  vcpu.apic.cr8 = value
  vcpu.complete()
}

function portIo(vcpu: Vcpu): void {
  // EXITINFO2 is the address of the next instruction (section 15.10.2).
  if (executePortIo(portEnvironment(vcpu), vcpu.vmcb.u32(V.VMCB_EXITINFO1)) === 'done') {
    vcpu.completeAt(vcpu.vmcb.u32(V.VMCB_EXITINFO2), vcpu.vmcb.u32(V.VMCB_EXITINFO2 + 4))
  }
}

/** Made once a vCPU: port accesses are the most frequent exits. */
const portEnvironments = new WeakMap<Vcpu, PortEnvironment>()

function portEnvironment(vcpu: Vcpu): PortEnvironment {
  const known = portEnvironments.get(vcpu)
  if (known) return known
  const { pc, memory } = vcpu.board
  const environment: PortEnvironment = {
    registers: vcpu.registers,
    ports: {
      read: (port, size: PortSize) => pc.ports.read(port, size),
      write: (port, size: PortSize, value) => pc.ports.write(port, size, value),
    },
    flags: () => vcpu.vmcb.u32(V.VMCB_RFLAGS),
    translate: (segment, offset, write) => vcpu.translateOperand(segment, offset, write),
    readMemory: (gpa, bytes) => memory.read(gpa, bytes),
    writeMemory: (gpa, bytes) => memory.write(gpa, bytes),
  }
  portEnvironments.set(vcpu, environment)
  return environment
}

/** A guest physical address with nothing mapped: RAM to be mapped, a device, or an empty bus (reads as ones, writes vanish). */
function nestedPageFault(vcpu: Vcpu): void {
  const { vmcb } = vcpu
  const gpa = vmcb.number(V.VMCB_EXITINFO2)
  const info = vmcb.u32(V.VMCB_EXITINFO1)
  if (vcpu.board.memory.isRam(gpa, 1)) return memoryFault(vcpu, gpa, info)
  const address = `0x${gpa.toString(16)}`
  if ((vmcb.u32(V.VMCB_EXITINFO1 + 4) & X.NPF_HIGH_TABLE) !== 0)
    return vcpu.stop('internal-error', `the guest's page tables point to ${address}, where it has no memory (${where(vcpu)})`)
  if ((info & X.NPF_FETCH) !== 0)
    return vcpu.stop('internal-error', `the guest fetched an instruction from ${address}, where it has no memory (${where(vcpu)})`)
  if (vcpu.redelivering)
    return vcpu.stop(
      'internal-error',
      `an event could not be delivered: its tables or stack lie at ${address}, where the guest has no memory (${where(vcpu)})`,
    )

  const count = Math.min(vmcb.u8(V.VMCB_INSTRUCTION_BYTES_COUNT), V.VMCB_INSTRUCTION_BYTES_MAX)
  const bytes = vmcb.bytes(V.VMCB_INSTRUCTION_BYTES, count)
  const instruction = decodeMmio(bytes, vcpu.codeSize)
  if (!instruction) {
    const shown = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ')
    return vcpu.stop(
      'internal-error',
      `the guest used an instruction on device memory at ${address} that is not emulated: ${shown || 'no bytes given'} (${where(vcpu)})`,
    )
  }
  const outcome = executeMmio(mmioEnvironment(vcpu), instruction, gpa, (info & X.NPF_WRITE) !== 0)
  if (outcome === 'done') vcpu.completeAfter(instruction.length)
}

/** RAM without a mapping gets one, and the instruction runs again. A mapping that faults nevertheless is none of ours. */
function memoryFault(vcpu: Vcpu, gpa: number, info: number): void {
  const page = gpa - (gpa % PAGE_BYTES)
  if ((info & X.NPF_PRESENT) !== 0 || !vcpu.board.mapPage(page)) {
    vcpu.stop('internal-error', `the nested tables refuse the guest its own memory at 0x${gpa.toString(16)} (${where(vcpu)})`)
  }
}

function mmioEnvironment(vcpu: Vcpu): MmioEnvironment {
  const { vmcb } = vcpu
  return {
    registers: vcpu.registers,
    flags: () => vmcb.u32(V.VMCB_RFLAGS),
    setFlags: (value) => vmcb.setU32(V.VMCB_RFLAGS, value),
    read: (gpa, size) => readPhysical(vcpu, gpa, size),
    write: (gpa, size, value) => writePhysical(vcpu, gpa, size, value),
    translate: (segment, offset, write) => vcpu.translateOperand(segment, offset, write),
  }
}

function readPhysical(vcpu: Vcpu, gpa: number, size: number): Value {
  const { pc, memory } = vcpu.board
  if (pc.mmio.contains(gpa)) return pc.mmio.read(gpa, size as MmioSize, vcpu.index)
  const bytes = memory.read(gpa, size)
  if (!bytes) return { lo: 0xffffffff, hi: 0xffffffff }
  const padded = new Uint8Array(8)
  padded.set(bytes)
  const view = new DataView(padded.buffer)
  return { lo: view.getUint32(0, true), hi: view.getUint32(4, true) }
}

function writePhysical(vcpu: Vcpu, gpa: number, size: number, value: Value): void {
  const { pc, memory } = vcpu.board
  const wide = size === 8
  const mask = size < 4 ? 2 ** (8 * size) - 1 : 0xffffffff
  const lo = (value.lo & mask) >>> 0
  if (pc.mmio.contains(gpa)) return pc.mmio.write(gpa, size as MmioSize, lo, wide ? value.hi >>> 0 : 0, vcpu.index)
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, lo, true)
  view.setUint32(4, value.hi, true)
  memory.write(gpa, new Uint8Array(view.buffer, 0, size))
}
