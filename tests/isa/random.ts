/** A repeatable generator (xorshift32, Marsaglia 2003) and the values that arithmetic fails on. */

export class Random {
  private x: number
  constructor(seed: number) {
    this.x = Math.imul(seed + 1, 0x9e3779b1) | 1
    for (let n = 0; n < 4; n++) this.u32()
  }
  u32(): number {
    let x = this.x
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.x = x
    return x >>> 0
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }
  below(n: number): number {
    return this.u32() % n
  }
  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.u32() % n === 0
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }
  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.u32() >>> 13)
  }
  /** An integer that tends to lie on an edge. */
  integer(): bigint {
    switch (this.below(4)) {
      case 0:
        return this.u64()
      case 1:
        return this.pick(corners)
      case 2:
        return BigInt.asUintN(64, this.pick(corners) + BigInt(this.below(5)) - 2n)
      default:
        return this.u64() >> BigInt(this.below(64))
    }
  }
  float32(): number {
    return this.oneIn(3) ? this.pick(singles) : this.oneIn(2) ? this.u32() : (this.u32() & 0x807fffff) | ((120 + this.below(16)) << 23)
  }
  float64(): bigint {
    if (this.oneIn(3)) return this.pick(doubles)
    return this.oneIn(2) ? this.u64() : (this.u64() & 0x800fffffffffffffn) | (BigInt(1015 + this.below(20)) << 52n)
  }
}

const corners = [
  0n,
  1n,
  2n,
  7n,
  9n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
  0xaaaaaaaaaaaaaaaan,
  0x5555555555555555n,
]
const singles = [
  0, 0x80000000, 1, 0x807fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00001, 0x4f000000,
  0x40490fdb,
]
const doubles = [
  0n,
  1n << 63n,
  1n,
  0x800fffffffffffffn,
  0x0010000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0x7ff4000000000001n,
  0x43e0000000000000n,
  0x41dfffffffc00000n,
  0x36a0000000000000n,
  0x47efffffe0000000n,
]
