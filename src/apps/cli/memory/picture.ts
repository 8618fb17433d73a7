// Pictures of memory: a PNG with one dot per page, and a coarser one for terminals.

import { looks, type MemoryMap, type PageLook } from './classify.js'

const colours: Readonly<Record<PageLook, readonly [number, number, number]>> = {
  zero: [20, 22, 28],
  readable: [70, 190, 160],
  random: [225, 95, 60],
}

const pagesAcross = 512
/** A dot is a square of this many pixels. */
const dotPixels = 2

/** A PNG: 512 pages (2 MiB) to a row, first page at the top left. */
export async function memoryPng(map: MemoryMap): Promise<Uint8Array> {
  // Loaded here, as few runs of the program make a picture.
  const { PNG } = await import('pngjs')
  const rows = Math.max(1, Math.ceil(map.pages.length / pagesAcross))
  const image = new PNG({ width: pagesAcross * dotPixels, height: rows * dotPixels, colorType: 2 })
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const page = Math.floor(y / dotPixels) * pagesAcross + Math.floor(x / dotPixels)
      const look = page < map.pages.length ? looks[map.pages[page]!]! : 'zero'
      image.data.set([...colours[look], 255], 4 * (y * image.width + x))
    }
  }
  return PNG.sync.write(image)
}

const marks: Readonly<Record<PageLook, string>> = { zero: ' ', readable: 'o', random: '#' }

/** `columns` × `rows` cells, each for an equal share of the pages: the look that most of its pages which are not zero have. */
export function memoryText(map: MemoryMap, columns: number, rows: number, colour: boolean): string {
  const cells = columns * rows
  const lines: string[] = []
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let column = 0; column < columns; column++) {
      const cell = row * columns + column
      const look = cellLook(map, Math.floor((cell * map.pages.length) / cells), Math.floor(((cell + 1) * map.pages.length) / cells))
      line += colour ? `\x1b[48;2;${colours[look].join(';')}m ` : marks[look]
    }
    lines.push(colour ? `${line}\x1b[0m` : `|${line}|`)
  }
  return lines.join('\n')
}

function cellLook(map: MemoryMap, from: number, to: number): PageLook {
  const counts: Record<PageLook, number> = { zero: 0, readable: 0, random: 0 }
  for (let page = from; page < Math.max(to, from + 1) && page < map.pages.length; page++) counts[looks[map.pages[page]!]!]++
  if (counts.readable === 0 && counts.random === 0) return 'zero'
  return counts.random >= counts.readable ? 'random' : 'readable'
}

export function pictureLegend(colour: boolean): string {
  const sample = (look: PageLook): string => (colour ? `\x1b[48;2;${colours[look].join(';')}m  \x1b[0m` : `'${marks[look]}'`)
  return `${sample('random')} looks random (ciphertext)   ${sample('readable')} readable   ${sample('zero')} zero, never used`
}
