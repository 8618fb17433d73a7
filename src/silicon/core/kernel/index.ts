// Entry of the core kernel: what TypeScript calls.

export { code_cache_reset, code_insert, code_reserve, code_clear, code_frame_changed } from './code-cache'
export { fetch_next_page } from './dispatch'
export { run } from './interpreter'
export { update_mode } from './mode'
export { get_flags, set_flags } from './flags'
