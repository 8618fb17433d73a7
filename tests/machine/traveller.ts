// A guest that would notice if it were moved badly: it counts aloud, and every number depends on memory that it has written before.

import type { Assembler } from '../../src/guest/assembler/assembler.js'
import type { GuestImage } from '../../src/guest/index.js'
import { ascii } from '../../src/lib/bytes.js'
import { places, victimImage } from './victim-image.js'

const MSR_KVM_MIGRATION_CONTROL = 0x4b564d08
const HYPERCALL_MAP_GPA_RANGE = 12
const SERIAL_PORT = 0x3f8
const DEBUG_EXIT_PORT = 0xf4
/** Where it keeps its book: 64 private pages, one a number in turn. */
export const BOOK = 0x100000
const BOOK_PAGES = 64
/** In each private page of its book, behind the number. No image contains it: the guest makes it. */
export const MARK = ascii('kept in the book')
const MASK = 0x1357_9bdf_0246_8acen
/** Instructions between two numbers, about. */
const DELAY = 10_000

/** RBX = the page of the book for the number in R12; spoils RAX. */
function page(a: Assembler): void {
  a.move('rax', 'r12').andImmediate('rax', BOOK_PAGES - 1)
  for (let doubled = 0; doubled < 12; doubled++) a.add('rax', 'rax')
  a.moveImmediate('rbx', BOOK).add('rbx', 'rax')
}

/** Writes each number, modulo 256, to the serial port. Where a page does not hold what it should, it ends by the debug exit port. */
export function traveller({ encrypted }: { readonly encrypted: boolean }): GuestImage {
  return victimImage({
    name: 'counts, and keeps book',
    write(a) {
      if (encrypted) {
        a.moveImmediate('rax', HYPERCALL_MAP_GPA_RANGE)
          .moveImmediate('rbx', places.shared)
          .moveImmediate('rcx', 1)
          .moveImmediate('rdx', 0)
          .vmmcall()
        a.moveImmediate('rcx', MSR_KVM_MIGRATION_CONTROL).moveImmediate('rax', 1).moveImmediate('rdx', 0).writeMsr()
      }
      const words = new BigUint64Array(MARK.slice().buffer)
      a.moveImmediate('r12', -BOOK_PAGES)
      a.label('prepare')
      page(a)
      a.store('rbx', 0, 'r12')
      words.forEach((word, n) =>
        a
          .moveImmediate('rax', word ^ BigInt.asUintN(64, MASK))
          .moveImmediate('rcx', MASK)
          .xor('rax', 'rcx')
          .store('rbx', 8 + 8 * n, 'rax'),
      )
      a.addImmediate('r12', 1).compareImmediate('r12', 0).jumpIfNotZero('prepare')
      a.moveImmediate('rbx', places.counter).store('rbx', 0, 'r12')
      a.moveImmediate('rbx', places.shared).store('rbx', 0, 'r12')

      a.label('number').moveImmediate('rbx', places.counter).load('r12', 'rbx')
      a.moveImmediate('rbx', places.shared).load('rcx', 'rbx').xor('rcx', 'r12').jumpIfNotZero('broken')
      page(a)
      a.load('rcx', 'rbx').addImmediate('rcx', BOOK_PAGES).xor('rcx', 'r12').jumpIfNotZero('broken')
      a.store('rbx', 0, 'r12')
      a.move('rax', 'r12').moveImmediate('rdx', SERIAL_PORT).output8()
      a.addImmediate('r12', 1).moveImmediate('rbx', places.counter).store('rbx', 0, 'r12')
      a.moveImmediate('rbx', places.shared).store('rbx', 0, 'r12')
      a.moveImmediate('rcx', DELAY).label('delay').addImmediate('rcx', -1).jumpIfNotZero('delay')
      a.jump('number')

      a.label('broken').moveImmediate('rax', 1).moveImmediate('rdx', DEBUG_EXIT_PORT).output32()
      a.jump('broken')
    },
  })
}
