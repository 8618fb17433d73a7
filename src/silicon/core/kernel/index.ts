// Entry of the core kernel: what TypeScript calls.

export { code_cache_reset, code_insert, code_reserve, code_clear, code_frame_changed } from './code-cache'
export { fetch_next_page } from './dispatch'
export { run } from './interpreter'
export { place } from './memory'
export { update_mode } from './mode'
export { core_reset } from './reset'
export {
  fabric_sync,
  invlpga,
  physical_interrupt,
  read_cpuid,
  host_tsc,
  read_msr,
  restore_extended,
  save_extended,
  set_gif,
  vmload,
  vmrun_enter,
  vmsave,
  write_msr,
  write_xcr0,
} from './host'
export { code_find } from './code-cache'
export { call_region, carry_on, condition_on, execute_record, materialize } from './translated'
export { quick_fma } from './softfloat-fma'
export { slow_float } from './translated-float'
export { vector } from './vector'
export { x87 } from './x87'
