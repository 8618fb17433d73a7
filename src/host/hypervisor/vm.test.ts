import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CpuidResult, Halves, HostCore, HostPort } from '../../silicon/doors/host.js'
import * as V from '../../spec/svm/vmcb.js'
import * as X from '../../spec/svm/exit-codes.js'
import type { GuestImage } from './boot-image.js'
import type { HostClock } from './host-loop.js'
import { HostMachine } from './host-machine.js'
import { nodeHostLoop } from './node-host-loop.js'
import { createVm } from './vm.js'
import type { VmOptions } from './vm-options.js'

const MIB = 0x100000

/** One exit of a scripted guest: it changes the VMCB as a chip would. `budget` is what VMRUN was allowed. */
type Step = (vmcb: DataView, chip: FakeChip, budget: number) => void

/** A chip whose guest is a list of exits. */
class FakeChip implements HostPort, HostCore {
  readonly dram = new Uint8Array(96 * MIB)
  readonly dramBytes = this.dram.length
  readonly cores = [this]
  readonly apicId = 0
  readonly gprs = new Uint32Array(32)
  readonly msrs = new Map<number, Halves>()
  readonly drs: Halves[] = [0, 0, 0, 0].map(() => ({ lo: 0, hi: 0 }))
  xcr0: Halves = { lo: 1, hi: 0 }
  instructionsRetired = 1000
  steps: Step[] = []
  entries = 0
  readonly mailbox = {
    writeAddressLow: () => {},
    writeAddressHigh: () => {},
    writeCommand: () => {},
    readResponse: () => 0,
  }

  read(spa: number, length: number): Uint8Array {
    if (spa < 0 || spa + length > this.dram.length) throw new RangeError('outside DRAM')
    return this.dram.slice(spa, spa + length)
  }

  readInto(spa: number, target: Uint8Array): void {
    target.set(this.read(spa, target.length))
  }

  write(spa: number, bytes: Uint8Array): void {
    if (spa < 0 || spa + bytes.length > this.dram.length) throw new RangeError('outside DRAM')
    this.dram.set(bytes, spa)
  }

  cpuid(leaf: number): CpuidResult {
    if (leaf === 0x8000001f) return { eax: 3, ebx: 51, ecx: 15, edx: 1 }
    if (leaf === 0x8000000a) return { eax: 1, ebx: 64, ecx: 0, edx: 0 }
    return { eax: 0xaaaaaaaa, ebx: 0xbbbbbbbb, ecx: 0xffffffff, edx: 0xffffffff }
  }

  rdmsr(msr: number): Halves {
    const ticks = this.instructionsRetired * 2
    if (msr === 0x10) return { lo: ticks >>> 0, hi: Math.floor(ticks / 2 ** 32) }
    return this.msrs.get(msr) ?? { lo: 0, hi: 0 }
  }

  wrmsr(msr: number, value: Halves): void {
    this.msrs.set(msr, value)
  }

  vmrun(spa: number, instructionsMax: number): void {
    const vmcb = new DataView(this.dram.buffer, spa, V.VMCB_BYTES)
    this.entries++
    const step = this.steps.shift() ?? exit(X.VMEXIT_SHUTDOWN)
    step(vmcb, this, instructionsMax)
    vmcb.setUint32(V.VMCB_EVENTINJ, 0, true)
  }

  vmload(): void {}
  vmsave(): void {}
  stgi(): void {}
  clgi(): void {}
  invlpga(): void {}
  xsave(): void {}
  xrstor(): void {}
  readDr(n: number): Halves {
    return this.drs[n]!
  }
  writeDr(n: number, value: Halves): void {
    this.drs[n] = value
  }
  xgetbv(): Halves {
    return this.xcr0
  }
  xsetbv(value: Halves): void {
    this.xcr0 = value
  }
  wbinvd(): void {}
}

interface ExitDetails {
  info1?: number
  info2?: number
  bytes?: number[]
  instructions?: number
  also?: (vmcb: DataView, chip: FakeChip) => void
}

function exit(code: number, details: ExitDetails = {}): Step {
  return (vmcb, chip) => {
    chip.instructionsRetired += details.instructions ?? 10
    const rip = vmcb.getUint32(V.VMCB_RIP, true)
    vmcb.setInt32(V.VMCB_EXITCODE, code, true)
    vmcb.setInt32(V.VMCB_EXITCODE + 4, code < 0 ? -1 : 0, true)
    vmcb.setUint32(V.VMCB_EXITINFO1, details.info1 ?? 0, true)
    vmcb.setUint32(V.VMCB_EXITINFO1 + 4, 0, true)
    vmcb.setUint32(V.VMCB_EXITINFO2, details.info2 ?? rip + 2, true)
    vmcb.setUint32(V.VMCB_NRIP, rip + 2, true)
    vmcb.setUint8(V.VMCB_INSTRUCTION_BYTES_COUNT, details.bytes?.length ?? 0)
    details.bytes?.forEach((b, i) => vmcb.setUint8(V.VMCB_INSTRUCTION_BYTES + i, b))
    details.also?.(vmcb, chip)
  }
}

/** The instruction budget runs out. */
const budgetSpent: Step = (vmcb, chip, budget) => exit(X.VMEXIT_INTR, { instructions: budget })(vmcb, chip, budget)

function outByte(port: number, value: number): Step {
  return exit(X.VMEXIT_IOIO, { info1: (port << 16) | X.IOIO_SIZE8, also: (vmcb) => vmcb.setUint32(V.VMCB_RAX, value, true) })
}

function wrmsr(msr: number, lo: number, hi = 0): Step {
  return exit(X.VMEXIT_MSR, {
    info1: 1,
    also: (vmcb, chip) => {
      chip.gprs[2] = msr
      chip.gprs[4] = hi
      vmcb.setUint32(V.VMCB_RAX, lo, true)
    },
  })
}

/** The guest sees what the step before did. */
function look(seen: (vmcb: DataView, chip: FakeChip) => void): Step {
  return (vmcb, chip, budget) => {
    seen(vmcb, chip)
    exit(X.VMEXIT_INTR)(vmcb, chip, budget)
  }
}

const IMAGE: GuestImage = {
  description: 'test',
  plan: () => ({
    regions: [{ name: 'code', gpa: 0x100000, bytes: new Uint8Array(0x1000).fill(0x90) }],
    entry: {
      mode: 'protected',
      rip: 0x100000,
      rsp: 0,
      rax: 1,
      rbx: 2,
      rsi: 0,
      cr3: 0,
      codeSelector: 8,
      dataSelector: 16,
      gdt: { base: 0, limit: 0x17 },
    },
  }),
}

const CLOCK: HostClock = { monotonicMs: () => 0, wallMs: () => 1_700_000_000_000 }

function start(steps: Step[], options: Partial<VmOptions> = {}) {
  const chip = new FakeChip()
  const output: number[] = []
  const machine = new HostMachine(chip)
  const vm = createVm(machine, {
    memoryBytes: 64 * MIB,
    sev: 'none',
    image: IMAGE,
    time: 'virtual',
    clock: CLOCK,
    loop: nodeHostLoop,
    onSerialOutput: (byte) => output.push(byte),
    ...options,
  })
  chip.steps = steps
  return { chip, vm, output, machine }
}

test('serial output, debug exit, statistics and release', async () => {
  const { vm, output, machine } = start([outByte(0x3f8, 0x41), outByte(0x3f8, 0x42), outByte(0xf4, 3)])
  const free = machine.memory.freeBytes
  const report = await vm.run()
  assert.deepEqual([report.reason, report.value], ['debug-exit', 3])
  assert.deepEqual(output, [0x41, 0x42])
  assert.equal(vm.statistics().exits.get(X.VMEXIT_IOIO), 3)
  assert.equal(report.instructions, 30)
  assert.equal(report.registers!.values[report.registers!.names.indexOf('rip')], 0x100006n)
  assert.equal(vm.state, 'stopped')
  vm.release()
  vm.release()
  assert.ok(machine.memory.freeBytes > free + 64 * MIB - 1)
})

test('CPUID: a KVM guest without SVM, and without SEV unless it is one', async () => {
  const asked: [number, (chip: FakeChip, rax: number) => void][] = [
    [
      0x40000000,
      (chip, rax) => assert.deepEqual([rax, chip.gprs[6], chip.gprs[2], chip.gprs[4]], [0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d]),
    ],
    [0x80000001, (chip) => assert.equal(chip.gprs[2]! & 4, 0)],
    [0x8000001f, (_, rax) => assert.equal(rax, 0)],
    [1, (chip) => assert.equal((chip.gprs[2]! >>> 31) & 1, 1)],
  ]
  const steps = asked.flatMap(([leaf, check]) => [
    exit(X.VMEXIT_CPUID, { also: (vmcb) => vmcb.setUint32(V.VMCB_RAX, leaf, true) }),
    look((vmcb, chip) => check(chip, vmcb.getUint32(V.VMCB_RAX, true))),
  ])
  assert.equal((await start(steps).vm.run()).reason, 'triple-fault')
})

test('an unknown MSR is #GP at the instruction', async () => {
  let injected = 0
  const seen: Step = (vmcb, chip, budget) => {
    injected = vmcb.getUint32(V.VMCB_EVENTINJ, true)
    assert.equal(vmcb.getUint32(V.VMCB_RIP, true), 0x100000)
    budgetSpent(vmcb, chip, budget)
  }
  await start([wrmsr(0xc0010999, 1), seen]).vm.run()
  assert.equal(injected >>> 0, 0x80000b0d)
})

test('HLT with interrupts off ends the VM; a sleeping guest leaps to its next timer in virtual time', async () => {
  assert.equal((await start([exit(X.VMEXIT_HLT)]).vm.run()).reason, 'halted-for-ever')

  const enableInterrupts = (vmcb: DataView) => vmcb.setUint32(V.VMCB_RFLAGS, 0x202, true)
  let injected = 0
  let offset = 0
  const { vm } = start([
    wrmsr(0x1b, 0xfee00c00), // x2APIC
    wrmsr(0x80f, 0x1ff), // enable
    wrmsr(0x83e, 0xb), // divide by 1
    wrmsr(0x832, 0x40), // one-shot, vector 0x40
    wrmsr(0x838, 5_000_000), // 5 ms
    exit(X.VMEXIT_HLT, { also: enableInterrupts }),
    look((vmcb) => {
      injected = vmcb.getUint32(V.VMCB_EVENTINJ, true)
      offset = vmcb.getUint32(V.VMCB_TSC_OFFSET, true)
    }),
    outByte(0xf4, 0),
  ])
  const report = await vm.run()
  assert.equal(report.reason, 'debug-exit')
  assert.equal(injected >>> 0, 0x80000040)
  assert.ok(offset > 9_900_000 && report.guestTimeNs >= 5_000_000 && report.guestTimeNs < 5_001_000)
})

test('an interrupt waits for its window', async () => {
  const states: [number, number, number][] = []
  const record = (vmcb: DataView) =>
    states.push([
      vmcb.getUint32(V.VMCB_EVENTINJ, true),
      vmcb.getUint32(V.VMCB_V_INTR, true) & V.V_IRQ,
      vmcb.getUint32(V.VMCB_INTERCEPT_MISC1, true) & 0x10,
    ])
  await start([
    wrmsr(0x1b, 0xfee00c00),
    wrmsr(0x80f, 0x1ff),
    wrmsr(0x83f, 0x41), // self IPI with interrupts off
    look(record),
    exit(X.VMEXIT_VINTR, { also: (vmcb) => vmcb.setUint32(V.VMCB_RFLAGS, 0x202, true) }),
    look(record),
  ]).vm.run()
  assert.deepEqual(
    states.map(([event, irq, intercept]) => [event >>> 0, irq, intercept]),
    [
      [0, V.V_IRQ, 0x10],
      [0x80000041, 0, 0],
    ],
  )
})

test('virtual time: VMRUN stops exactly at the next deadline', async () => {
  const budgets: number[] = []
  const note: Step = (vmcb, chip, budget) => {
    budgets.push(budget)
    budgetSpent(vmcb, chip, budget)
  }
  await start([wrmsr(0x1b, 0xfee00c00), wrmsr(0x80f, 0x1ff), wrmsr(0x83e, 0xb), wrmsr(0x832, 0x40), wrmsr(0x838, 100_000), note]).vm.run()
  assert.deepEqual(budgets, [100_000])
})

test('device memory: a store to the local APIC, an empty bus, an instruction that is not emulated', async () => {
  const store = [0x89, 0x07] // mov [rdi], eax
  const { vm } = start([
    exit(X.VMEXIT_NPF, { info1: 6, info2: 0xfee00080, bytes: store, also: (vmcb) => vmcb.setUint32(V.VMCB_RAX, 0x50, true) }),
    look((vmcb) => assert.equal(vmcb.getUint32(V.VMCB_RIP, true), 0x100002)),
    exit(X.VMEXIT_NPF, { info1: 4, info2: 0xa0000, bytes: [0x8b, 0x07] }),
    look((vmcb) => assert.equal(vmcb.getUint32(V.VMCB_RAX, true), 0xffffffff)),
    exit(X.VMEXIT_NPF, { info1: 4, info2: 0xfee00080, bytes: [0x0f, 0x10, 0x07] }),
  ])
  const report = await vm.run()
  assert.equal(vm.pc.apics[0]!.tpr, 0x50)
  assert.equal(report.reason, 'internal-error')
  assert.match(report.explanation, /0xfee00080 that is not emulated: 0f 10 07/)
})

test('hypercalls, refused states and unknown exits', async () => {
  const call = exit(X.VMEXIT_VMMCALL, { also: (vmcb) => vmcb.setUint32(V.VMCB_RAX, 999, true) })
  await start([call, look((vmcb) => assert.equal(vmcb.getInt32(V.VMCB_RAX, true), -1000))]).vm.run()
  const refused = await start([exit(X.VMEXIT_INVALID, { also: (vmcb) => vmcb.setUint32(V.VMCB_EFER, 0, true) })]).vm.run()
  assert.match(refused.explanation, /VMRUN refused the guest state: EFER.SVME is clear/)
  assert.match((await start([exit(0x4ff)]).vm.run()).explanation, /no answer to exit code 0x4ff/)
})

test('an interrupted delivery is repeated', async () => {
  let event: [number, number] = [0, 0]
  await start([
    exit(X.VMEXIT_INTR, {
      also: (vmcb) => {
        vmcb.setUint32(V.VMCB_EXITINTINFO, 0x80000b0e, true)
        vmcb.setUint32(V.VMCB_EXITINTINFO + 4, 2, true)
      },
    }),
    (vmcb, chip, budget) => {
      event = [vmcb.getUint32(V.VMCB_EVENTINJ, true), vmcb.getUint32(V.VMCB_EVENTINJ + 4, true)]
      vmcb.setUint32(V.VMCB_EXITINTINFO, 0, true)
      budgetSpent(vmcb, chip, budget)
    },
  ]).vm.run()
  assert.deepEqual(event, [0x80000b0e, 2])
})

test('pause, resume, stop', async () => {
  const endless: Step = (vmcb, chip, budget) => {
    budgetSpent(vmcb, chip, budget)
    chip.steps.push(endless)
  }
  const { vm } = start([endless])
  const ended = vm.run()
  await nodeHostLoop.breathe()
  vm.pause()
  await nodeHostLoop.sleep(5).done
  assert.equal(vm.state, 'paused')
  const count = vm.statistics().instructions
  await nodeHostLoop.sleep(5).done
  assert.equal(vm.statistics().instructions, count)
  vm.resume()
  await nodeHostLoop.sleep(5).done
  assert.equal(vm.state, 'running')
  vm.stop()
  const report = await ended
  assert.deepEqual([report.reason, vm.state], ['stopped', 'stopped'])
  assert.ok(report.instructions > count)
})

test('two VMs share a core and keep their registers', async () => {
  const chip = new FakeChip()
  const machine = new HostMachine(chip)
  const options: VmOptions = {
    memoryBytes: 64 * MIB,
    sev: 'none',
    image: IMAGE,
    time: 'virtual',
    clock: CLOCK,
    loop: nodeHostLoop,
    onSerialOutput: () => {},
  }
  const first = createVm(machine, options)
  assert.throws(() => createVm(machine, options), /no 65536 KiB left for the guest's memory/)
  first.launch()
  chip.gprs[6] = 0x1234
  chip.steps = []
  assert.equal((await first.run()).registers!.values[3], 0x1234n)
  first.release()
  const second = createVm(machine, options)
  assert.equal((await second.run()).registers!.values[3], 2n)
})

test('memory sizes out of range are refused', () => {
  assert.throws(() => start([], { memoryBytes: 32 * MIB }), /64 to 3072 MiB/)
  assert.throws(() => start([], { memoryBytes: 65 * MIB }), /steps of 2 MiB/)
})

test('whatever stands in a VMCB after an exit, the hypervisor survives it', async () => {
  let seed = 4711
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8
  const codes = [
    X.VMEXIT_CPUID,
    X.VMEXIT_IOIO,
    X.VMEXIT_MSR,
    X.VMEXIT_VMMCALL,
    X.VMEXIT_NPF,
    X.VMEXIT_CR8_WRITE,
    X.VMEXIT_IRET,
    X.VMEXIT_VINTR,
    X.VMEXIT_EXCEPTION + 13,
  ]
  for (let round = 0; round < 60; round++) {
    const steps = Array.from({ length: 30 }, (): Step => (vmcb, chip) => {
      for (let at = V.VMCB_SAVE; at < 0x680; at += 4) if (random() % 4 === 0) vmcb.setUint32(at, random() * 7, true)
      for (let i = 0; i < 32; i++) chip.gprs[i] = random() * 3
      const code = codes[random() % codes.length]!
      exit(code, { info1: random() * 5, info2: random() * 300, bytes: Array.from({ length: random() % 16 }, () => random() & 0xff) })(
        vmcb,
        chip,
        0,
      )
      if (random() % 8 === 0) vmcb.setUint32(V.VMCB_EXITINTINFO, random() * 300, true)
    })
    const { vm } = start(steps)
    const report = await vm.run()
    assert.ok(report.explanation.length > 0)
    vm.release()
  }
})
