// Loads and stores of the interpreter: the TLB hit in line, the slow path in a call. Each returns the next record, or 0 with a fault
// pending and PC moved to the faulting instruction.

import { BUDGET, PC } from '../state/layout'
import { faulted } from './fault'
import { load_for_write, read_hit, slow_load, slow_store, write_hit } from './memory'

/** Makes PC and BUDGET exact for the instruction of record `ip`: it has not been retired. Returns 0. */
export function stop_at(s: usize, ip: usize): usize {
  const x: u32 = load<u16>(ip, 6)
  store<u64>(s, load<u64>(s, PC) + (x & 0x3ff), PC)
  store<i64>(s, load<i64>(s, BUDGET) - (x >> 10), BUDGET)
  return 0
}

// @ts-ignore: decorator
@inline
function address_bd(s: usize, ip: usize): u64 {
  return load<u64>(s + load<u8>(ip, 3)) + <u64>(<i64>load<i32>(ip, 8))
}
// @ts-ignore: decorator
@inline
function address_bis(s: usize, ip: usize): u64 {
  return load<u64>(s + load<u8>(ip, 3)) + (load<u64>(s + load<u8>(ip, 4)) << load<u8>(ip, 5)) + <u64>(<i64>load<i32>(ip, 8))
}

/** Value of type Mem at `p`, widened to Reg (signed source types sign-extend), written to operand d; 32 bits clear the upper half. */
// @ts-ignore: decorator
@inline
function take<Mem, Reg>(s: usize, ip: usize, p: usize): void {
  const v = load<Mem>(p)
  if (sizeof<Reg>() == 4) store<u64>(s + load<u8>(ip, 2), <u64>(<u32>v))
  else store<Reg>(s + load<u8>(ip, 2), <Reg>v)
}

function take_slowly<Mem, Reg>(s: usize, ip: usize, la: u64): usize {
  const v = <Mem>slow_load(s, la, sizeof<Mem>())
  if (faulted(s)) return stop_at(s, ip)
  if (sizeof<Reg>() == 4) store<u64>(s + load<u8>(ip, 2), <u64>(<u32>v))
  else store<Reg>(s + load<u8>(ip, 2), <Reg>v)
  return ip + 16
}

// @ts-ignore: decorator
@inline
export function load_bd<Mem, Reg>(s: usize, ip: usize): usize {
  const la = address_bd(s, ip)
  const p = read_hit(s, la, sizeof<Mem>())
  if (!p) return take_slowly<Mem, Reg>(s, ip, la)
  take<Mem, Reg>(s, ip, p)
  return ip + 16
}
// @ts-ignore: decorator
@inline
export function load_bis<Mem, Reg>(s: usize, ip: usize): usize {
  const la = address_bis(s, ip)
  const p = read_hit(s, la, sizeof<Mem>())
  if (!p) return take_slowly<Mem, Reg>(s, ip, la)
  take<Mem, Reg>(s, ip, p)
  return ip + 16
}

function give_slowly(s: usize, ip: usize, la: u64, n: u32, v: u64): usize {
  slow_store(s, la, n, v)
  return faulted(s) ? stop_at(s, ip) : ip + 16
}

// @ts-ignore: decorator
@inline
export function store_bd<T>(s: usize, ip: usize): usize {
  const la = address_bd(s, ip)
  const v = load<T>(s + load<u8>(ip, 2))
  const p = write_hit(s, la, sizeof<T>())
  if (!p) return give_slowly(s, ip, la, sizeof<T>(), <u64>v)
  store<T>(p, v)
  return ip + 16
}
// @ts-ignore: decorator
@inline
export function store_bis<T>(s: usize, ip: usize): usize {
  const la = address_bis(s, ip)
  const v = load<T>(s + load<u8>(ip, 2))
  const p = write_hit(s, la, sizeof<T>())
  if (!p) return give_slowly(s, ip, la, sizeof<T>(), <u64>v)
  store<T>(p, v)
  return ip + 16
}
// @ts-ignore: decorator
@inline
export function store_immediate<T>(s: usize, ip: usize): usize {
  const la = address_bd(s, ip)
  const v = <T>(<i64>load<i32>(ip, 12))
  const p = write_hit(s, la, sizeof<T>())
  if (!p) return give_slowly(s, ip, la, sizeof<T>(), <u64>v)
  store<T>(p, v)
  return ip + 16
}

/** Reads operand d from linear address at slot a, having checked that it may be written. */
// @ts-ignore: decorator
@inline
export function load_for_write_back<T>(s: usize, ip: usize): usize {
  const la = load<u64>(s + load<u8>(ip, 3))
  const p = write_hit(s, la, sizeof<T>())
  if (p) {
    store<u64>(s + load<u8>(ip, 2), <u64>load<T>(p))
    return ip + 16
  }
  const v = load_for_write(s, la, sizeof<T>())
  if (faulted(s)) return stop_at(s, ip)
  store<u64>(s + load<u8>(ip, 2), v)
  return ip + 16
}

// ---- the flat stack of 64-bit mode

// @ts-ignore: decorator
@inline
export function push64(s: usize, ip: usize, rsp: u64, v: u64): bool {
  const p = write_hit(s, rsp, 8)
  if (p) {
    store<u64>(p, v)
    return true
  }
  return give_slowly(s, ip, rsp, 8, v) != 0
}
