// Data accesses of the running instruction. A hit in the soft TLB is one compare and one add; everything else takes the slow
// path: page crossing, first touch, no memory behind the address, alignment checks, data breakpoints, frames that hold cached code.

import {
  CTX,
  DR7,
  LAST_FRAME,
  TLB_ENTRIES,
  TLB_READ,
  TLB_WRITE,
} from '../state/layout'
import { FRAME_BYTES, WATCH_BASE, WATCH_CODE } from '../../fabric-layout'
import { AC, faulted, raise_error } from './fault'
import { mmu_fill, mmu_sync } from './mmu'
import { ACCESS_WHOLE } from './walk'
import { code_written } from './code-cache'
import { debug_data_hit } from './debug'

// @ts-ignore: decorator
@external('fabric', 'frame')
declare function fabric_frame(frame: u32, key: u32): usize

/** Kinds of access that mmu_fill knows. */
export const READ: u32 = 0
export const WRITE: u32 = 1
export const IMPLICIT: u32 = 4
export const PROBE: u32 = 8
/** What mmu_fill answers where no DRAM does. */
const NO_MEMORY: usize = 1

/** Mode number in the low bits of CTX whose accesses are checked for alignment. */
const MODE_ALIGNED: u32 = 3

/** Linear-memory address behind `la` when all `n` bytes hit the read TLB, else 0. */
// @ts-ignore: decorator
@inline
export function read_hit(s: usize, la: u64, n: u32): usize {
  const entry = s + TLB_READ + (<usize>(la >> 12) & (TLB_ENTRIES - 1)) * 16
  const tag = ((la + (n - 1)) & ~0xfff) | load<u32>(s, CTX)
  return load<u64>(entry) == tag ? <usize>(<u32>la) + load<u32>(entry, 8) : 0
}

/** The same for writing. */
// @ts-ignore: decorator
@inline
export function write_hit(s: usize, la: u64, n: u32): usize {
  const entry = s + TLB_WRITE + (<usize>(la >> 12) & (TLB_ENTRIES - 1)) * 16
  const tag = ((la + (n - 1)) & ~0xfff) | load<u32>(s, CTX)
  return load<u64>(entry) == tag ? <usize>(<u32>la) + load<u32>(entry, 8) : 0
}

// @ts-ignore: decorator
@inline
function crosses(la: u64, n: u32): bool {
  return (<u32>la & 0xfff) + n > <u32>FRAME_BYTES
}

/** #AC for a misaligned access in the mode that asks for it; watched data addresses. True when a fault is pending. */
function checked(s: usize, la: u64, n: u32, write: u32): bool {
  if ((load<u32>(s, CTX) & 3) == MODE_ALIGNED && n <= 8 && <u32>la & (n - 1)) {
    raise_error(s, AC, 0)
    return true
  }
  if (load<u8>(s, DR7)) debug_data_hit(s, la, n, write)
  return faulted(s)
}

/** Reads up to 8 bytes that all lie in one page. */
function read_in_page(s: usize, la: u64, n: u32, access: u32): u64 {
  const p = mmu_fill(s, la, access)
  if (!p) return 0
  if (p == NO_MEMORY) return n == 8 ? ~(<u64>0) : ((<u64>1) << (n * 8)) - 1
  if (n == 8) return load<u64>(p)
  if (n == 4) return load<u32>(p)
  if (n == 2) return load<u16>(p)
  if (n == 1) return load<u8>(p)
  let v: u64 = 0
  for (let i: u32 = 0; i < n; i++) v |= (<u64>load<u8>(p + i)) << (i * 8)
  return v
}

function write_in_page(s: usize, la: u64, n: u32, v: u64, access: u32): void {
  const p = mmu_fill(s, la, access)
  if (p <= NO_MEMORY) return
  if (n == 8) store<u64>(p, v)
  else if (n == 4) store<u32>(p, <u32>v)
  else if (n == 2) store<u16>(p, <u16>v)
  else if (n == 1) store<u8>(p, <u8>v)
  else for (let i: u32 = 0; i < n; i++) store<u8>(p + i, <u8>(v >> (i * 8)))
  watched_store(s, p, n)
}

/**
 * Linear-memory address of the page at `la`, which the TLB does not have and the caller overwrites at once, come what may; 0 where that is to be done by single
 * stores, and perhaps a fault pending.
 */
export function page_to_fill(s: usize, la: u64): usize {
  if (load<u8>(s, DR7)) return 0
  const p = mmu_fill(s, la, WRITE | ACCESS_WHOLE)
  if (p <= NO_MEMORY) return 0
  watched_store(s, p, FRAME_BYTES)
  return p
}

/** Drops cached code that a store to the frame last filled has overwritten. */
// @ts-ignore: decorator
@inline
function watched_store(s: usize, p: usize, n: u32): void {
  const frame = load<u32>(s, LAST_FRAME)
  if (load<u8>(WATCH_BASE + frame) & WATCH_CODE) code_written(frame, <u32>p & 0xfff, n)
}

/** Bytes of [la, la+n) that lie in its first page. */
// @ts-ignore: decorator
@inline
function first_part(la: u64, n: u32): u32 {
  const room: u32 = FRAME_BYTES - (<u32>la & 0xfff)
  return room < n ? room : n
}

function read_any(s: usize, la: u64, n: u32, access: u32): u64 {
  if (!crosses(la, n)) return read_in_page(s, la, n, access)
  const head = first_part(la, n)
  // Both pages are checked before either is read, and each is asked for again right before its use: making the
  // second resident may have moved the first.
  if (!mmu_fill(s, la, access) || !mmu_fill(s, la + head, access)) return 0
  const low = read_in_page(s, la, head, access)
  return low | (read_in_page(s, la + head, n - head, access) << (head * 8))
}

function write_any(s: usize, la: u64, n: u32, v: u64, access: u32): void {
  if (!crosses(la, n)) {
    write_in_page(s, la, n, v, access)
    return
  }
  const head = first_part(la, n)
  if (!mmu_fill(s, la, access) || !mmu_fill(s, la + head, access)) return
  write_in_page(s, la, head, v, access)
  write_in_page(s, la + head, n - head, v >> (head * 8), access)
}

/** Slow path of a load of 1, 2, 4 or 8 bytes. 0 with a fault pending on failure. */
export function slow_load(s: usize, la: u64, n: u32): u64 {
  if (checked(s, la, n, 0)) return 0
  return read_any(s, la, n, READ)
}

/** Slow path of a store. */
export function slow_store(s: usize, la: u64, n: u32, v: u64): void {
  if (checked(s, la, n, 1)) return
  write_any(s, la, n, v, WRITE)
}

/**
 * What translated code calls where its TLB misses: linear-memory address of the `n` bytes at `la`, once the TLB has them. 0 with a fault pending, or where no TLB has them: the
 * access is the interpreter's then.
 */
export function place(s: usize, la: u64, n: u32, write: u32): usize {
  if (crosses(la, n) || !mmu_fill(s, la, write ? WRITE : READ)) return 0
  return write ? write_hit(s, la, n) : read_hit(s, la, n)
}

/** A load whose bytes will be written back by the same instruction: faults as the write would. */
export function load_for_write(s: usize, la: u64, n: u32): u64 {
  if (!write_hit(s, la, n) && !probe_write(s, la, n)) return 0
  const p = read_hit(s, la, n)
  if (p) return n == 8 ? load<u64>(p) : n == 4 ? load<u32>(p) : n == 2 ? load<u16>(p) : load<u8>(p)
  return read_any(s, la, n, WRITE)
}

export function load8(s: usize, la: u64): u64 {
  const p = read_hit(s, la, 1)
  return p ? load<u8>(p) : slow_load(s, la, 1)
}
export function load16(s: usize, la: u64): u64 {
  const p = read_hit(s, la, 2)
  return p ? load<u16>(p) : slow_load(s, la, 2)
}
export function load32(s: usize, la: u64): u64 {
  const p = read_hit(s, la, 4)
  return p ? load<u32>(p) : slow_load(s, la, 4)
}
export function load64(s: usize, la: u64): u64 {
  const p = read_hit(s, la, 8)
  return p ? load<u64>(p) : slow_load(s, la, 8)
}
export function store8(s: usize, la: u64, v: u64): void {
  const p = write_hit(s, la, 1)
  if (p) store<u8>(p, <u8>v)
  else slow_store(s, la, 1, v)
}
export function store16(s: usize, la: u64, v: u64): void {
  const p = write_hit(s, la, 2)
  if (p) store<u16>(p, <u16>v)
  else slow_store(s, la, 2, v)
}
export function store32(s: usize, la: u64, v: u64): void {
  const p = write_hit(s, la, 4)
  if (p) store<u32>(p, <u32>v)
  else slow_store(s, la, 4, v)
}
export function store64(s: usize, la: u64, v: u64): void {
  const p = write_hit(s, la, 8)
  if (p) store<u64>(p, v)
  else slow_store(s, la, 8, v)
}

/** Copies `n` bytes at `la` to linear memory at `to`. False with a fault pending and nothing read on failure. */
export function load_bytes(s: usize, la: u64, to: usize, n: u32): bool {
  const hit = read_hit(s, la, n)
  if (hit && !crosses(la, n)) {
    memory.copy(to, hit, n)
    return true
  }
  if (checked(s, la, n, 0) || !probe_pages(s, la, n, READ)) return false
  let done: u32 = 0
  while (done < n) {
    const part = first_part(la + done, n - done)
    const p = mmu_fill(s, la + done, READ)
    if (!p) return false
    if (p == NO_MEMORY) memory.fill(to + done, 0xff, part)
    else memory.copy(to + done, p, part)
    done += part
  }
  return true
}

/** Copies `n` bytes from linear memory at `from` to `la`. False with a fault pending and nothing written on failure. */
export function store_bytes(s: usize, la: u64, from: usize, n: u32): bool {
  const hit = write_hit(s, la, n)
  if (hit && !crosses(la, n)) {
    memory.copy(hit, from, n)
    return true
  }
  if (checked(s, la, n, 1) || !probe_pages(s, la, n, WRITE)) return false
  let done: u32 = 0
  while (done < n) {
    const part = first_part(la + done, n - done)
    const p = mmu_fill(s, la + done, WRITE)
    if (!p) return false
    if (p > NO_MEMORY) {
      memory.copy(p, from + done, part)
      watched_store(s, p, part)
    }
    done += part
  }
  return true
}

function probe_pages(s: usize, la: u64, n: u32, access: u32): bool {
  let done: u32 = 0
  while (done < n) {
    if (!mmu_fill(s, la + done, access)) return false
    done += first_part(la + done, n - done)
  }
  return true
}

/** Raises the fault that a read of [la, la+n) would raise; true where there is none. */
export function probe_read(s: usize, la: u64, n: u32): bool {
  return !checked(s, la, n, 0) && probe_pages(s, la, n, READ)
}

export function probe_write(s: usize, la: u64, n: u32): bool {
  return !checked(s, la, n, 1) && probe_pages(s, la, n, WRITE)
}

// ---- implicit supervisor accesses: descriptor tables and task state segments, at any privilege level

export function sys_load16(s: usize, la: u64): u64 {
  return read_any(s, la, 2, READ | IMPLICIT)
}
export function sys_load32(s: usize, la: u64): u64 {
  return read_any(s, la, 4, READ | IMPLICIT)
}
export function sys_load64(s: usize, la: u64): u64 {
  return read_any(s, la, 8, READ | IMPLICIT)
}
export function sys_store16(s: usize, la: u64, v: u64): void {
  write_any(s, la, 2, v, WRITE | IMPLICIT)
}
export function sys_store32(s: usize, la: u64, v: u64): void {
  write_any(s, la, 4, v, WRITE | IMPLICIT)
}
export function sys_store64(s: usize, la: u64, v: u64): void {
  write_any(s, la, 8, v, WRITE | IMPLICIT)
}

// ---- system physical memory with no key: VMCBs, host save areas, nested tables. `spa` is naturally aligned.

/** Linear-memory address of `spa`, or 0 where no DRAM answers. */
function physical(s: usize, spa: u64): usize {
  if (spa >> 32) return 0
  const p = fabric_frame(<u32>(spa >> 12), 0)
  mmu_sync(s)
  return p ? p + (<usize>spa & 0xfff) : 0
}

export function phys_load8(s: usize, spa: u64): u64 {
  const p = physical(s, spa)
  return p ? load<u8>(p) : 0xff
}
export function phys_load32(s: usize, spa: u64): u64 {
  const p = physical(s, spa)
  return p ? load<u32>(p) : 0xffffffff
}
export function phys_load64(s: usize, spa: u64): u64 {
  const p = physical(s, spa)
  return p ? load<u64>(p) : ~(<u64>0)
}

function physical_store(s: usize, spa: u64, n: u32): usize {
  const p = physical(s, spa)
  const frame = <u32>(spa >> 12)
  if (p && load<u8>(WATCH_BASE + frame) & WATCH_CODE) code_written(frame, <u32>spa & 0xfff, n)
  return p
}
export function phys_store8(s: usize, spa: u64, v: u64): void {
  const p = physical_store(s, spa, 1)
  if (p) store<u8>(p, <u8>v)
}
export function phys_store32(s: usize, spa: u64, v: u64): void {
  const p = physical_store(s, spa, 4)
  if (p) store<u32>(p, <u32>v)
}
export function phys_store64(s: usize, spa: u64, v: u64): void {
  const p = physical_store(s, spa, 8)
  if (p) store<u64>(p, v)
}
