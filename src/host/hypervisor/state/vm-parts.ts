import type { Pc } from '../../bus/index.js'
import type { GuestClock } from '../guest-clock.js'
import type { Paravirtual } from '../paravirtual.js'
import type { SerialFeed } from '../serial-feed.js'
import type { Vcpu } from '../vcpu.js'
import type { VmOptions } from '../vm-options.js'
import { checkConfiguration, parseConfiguration, type VmConfiguration } from './configuration.js'
import { decodeMachineState, encodeMachineState } from './machine-state.js'

/** What of a VM has state. */
export interface VmParts {
  readonly options: VmOptions
  readonly clock: GuestClock
  readonly paravirtual: Paravirtual
  readonly pc: Pc
  readonly vcpu: Vcpu
  readonly serial: SerialFeed
}

/** Parts of a saved state that belong to the board. */
const BOARD = 'board.'

/** The vCPU has its core. */
export function saveParts(vm: VmParts): Uint8Array {
  const board = Object.entries(vm.pc.save()).map(([name, value]): [string, unknown] => [BOARD + name, value])
  return encodeMachineState(
    new Map<string, unknown>([
      ['configuration', configurationOf(vm)],
      ['clock', vm.clock.save()],
      ['paravirtual', vm.paravirtual.save()],
      ['vcpu0', vm.vcpu.save()],
      ['console', vm.serial.save()],
      ...board,
    ]),
  )
}

/** Throws StateError where the state is none, or of another kind of machine; then the VM is of no more use. The vCPU does not have its core. */
export function restoreParts(vm: VmParts, state: Uint8Array): void {
  const parts = new Map(decodeMachineState(state))
  const take = (name: string): unknown => {
    const part = parts.get(name)
    parts.delete(name)
    return part
  }
  checkConfiguration(configurationOf(vm), take('configuration'))
  vm.clock.restore(take('clock'), 'clock')
  vm.paravirtual.restore(take('paravirtual'), 'paravirtual')
  vm.vcpu.restore(take('vcpu0'), 'vcpu0')
  vm.serial.restore(take('console'), 'console')
  vm.pc.restore(Object.fromEntries([...parts].map(([name, value]) => [name.startsWith(BOARD) ? name.slice(BOARD.length) : name, value])))
}

/** How the machine was built whose state this is: what `createVm` needs for one like it. Throws StateError. */
export function configurationOfState(state: Uint8Array): VmConfiguration {
  return parseConfiguration(decodeMachineState(state).get('configuration'))
}

function configurationOf({ options, clock }: VmParts): VmConfiguration {
  const { memoryBytes, virtio, testDevice, fwCfgFiles } = options
  return {
    memoryBytes,
    sev: options.sev === 'sev',
    vcpus: 1,
    tscKHz: clock.tscKHz,
    testDevice: testDevice ?? false,
    entropy: virtio?.entropy !== undefined,
    console: virtio?.console !== undefined,
    blocks: virtio?.blocks?.length ?? 0,
    fwCfgFiles: [...(fwCfgFiles ?? [])].map(([name, content]) => ({ name, content })),
  }
}
