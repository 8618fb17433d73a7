import { existsSync } from 'node:fs'

/** Folder of cbit's package.json, whether the program runs from `src/` or from `dist/`. */
export function packageRoot(): URL {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    if (existsSync(new URL('package.json', folder))) return folder
    if (folder.pathname === '/') throw new Error('package.json of cbit not found')
  }
}
