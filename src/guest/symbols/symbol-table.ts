export interface Symbol {
  readonly name: string
  readonly address: bigint
}

/** Names by address. A symbol reaches to the next one; the last reaches `lastBytes` far. */
export class SymbolTable {
  readonly #addresses: BigUint64Array
  readonly #names: readonly string[]
  readonly #lastBytes: bigint

  constructor(symbols: readonly Symbol[], lastBytes = 0x10000) {
    const sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
    // Of several names at one address the first in the file is the function's own, as a rule.
    const distinct = sorted.filter((symbol, i) => i === 0 || symbol.address !== sorted[i - 1]!.address)
    this.#addresses = BigUint64Array.from(distinct, ({ address }) => address)
    this.#names = distinct.map(({ name }) => name)
    this.#lastBytes = BigInt(lastBytes)
  }

  get size(): number {
    return this.#names.length
  }

  addressOf(name: string): bigint | undefined {
    const index = this.#names.indexOf(name)
    return index < 0 ? undefined : this.#addresses[index]
  }

  /** The symbol that `address` lies in, and how far in. */
  find(address: bigint): { readonly name: string; readonly offset: number } | undefined {
    let low = 0
    let high = this.#addresses.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#addresses[middle]! <= address) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const offset = address - this.#addresses[low - 1]!
    if (low === this.#addresses.length && offset >= this.#lastBytes) return undefined
    return { name: this.#names[low - 1]!, offset: Number(offset) }
  }
}
