import { assert } from '../../lib/assert.js'

/** Some of a VM's pages, by number (guest physical address / 4096). One byte a page: what is asked most is one page, and runs of neighbours. */
export class PageSet {
  readonly #member: Uint8Array
  #count = 0

  constructor(pages: number) {
    this.#member = new Uint8Array(pages)
  }

  /** How many pages there could be. */
  get pages(): number {
    return this.#member.length
  }

  get count(): number {
    return this.#count
  }

  has(page: number): boolean {
    return this.#member[page] === 1
  }

  add(page: number): void {
    assert(page >= 0 && page < this.#member.length, 'a page of this VM')
    if (this.#member[page] === 1) return
    this.#member[page] = 1
    this.#count++
  }

  remove(page: number): void {
    if (this.#member[page] !== 1) return
    this.#member[page] = 0
    this.#count--
  }

  clear(): void {
    this.#member.fill(0)
    this.#count = 0
  }

  addAll(others: PageSet): void {
    for (let page = others.#next(0); page >= 0; page = others.#next(page + 1)) this.add(page)
  }

  /** Takes the first run of neighbours at or behind `from` out of the set, at most `pagesMax` of one kind; undefined where there is none. */
  takeRun(from: number, pagesMax: number, kind: (page: number) => unknown): { readonly first: number; readonly pages: number } | undefined {
    const first = this.#next(from)
    if (first < 0) return undefined
    let end = first + 1
    while (end - first < pagesMax && this.has(end) && kind(end) === kind(first)) end++
    this.#member.fill(0, first, end)
    this.#count -= end - first
    return { first, pages: end - first }
  }

  #next(from: number): number {
    return this.#member.indexOf(1, from)
  }
}
