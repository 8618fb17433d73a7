/**
 * Whether the engine's relaxed vectors give what VFMADD and its kin do. WebAssembly leaves it to the host whether f64x2.relaxed_madd rounds once or twice (Core Specification
 * 3.0, section 4.3.3, "Relaxed Operations"), but not to change its mind.
 */

/** (func (export "f") (param f64 f64 f64) (result f64)): each in both lanes, f64x2.relaxed_madd, lane 0. */
const probe = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7c, 0x7c, 0x7c, 0x01, 0x7c],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
  ...[0x0a, 0x16, 0x01, 0x14, 0x00],
  ...[0x20, 0x00, 0xfd, 0x14, 0x20, 0x01, 0xfd, 0x14, 0x20, 0x02, 0xfd, 0x14, 0xfd, 0x87, 0x02, 0xfd, 0x21, 0x00, 0x0b],
)

const SMALL = 2 ** -30

/** True where the engine has the instruction and the host rounds once. */
export function fusesMultiplyAdd(): boolean {
  if (!WebAssembly.validate(probe)) return false
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(probe)).exports
  // (1 + e)(1 - e) - 1 is -e²; a product rounded by itself is 1.
  return (f as (x: number, y: number, z: number) => number)(1 + SMALL, 1 - SMALL, -1) === -(SMALL ** 2)
}
