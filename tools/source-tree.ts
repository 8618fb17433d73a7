// The repository's TypeScript and AssemblyScript files, and who imports whom. Read by the tidy test.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

export interface Import {
  /** Path of the imported file from the repository's root, or the package name. */
  readonly target: string
  readonly external: boolean
  /** Erased by the compiler. */
  readonly typeOnly: boolean
  readonly line: number
}

export interface SourceFile {
  /** Path from the repository's root. */
  readonly path: string
  readonly text: string
  readonly lines: number
  readonly tree: ts.SourceFile
  readonly imports: readonly Import[]
  readonly isTest: boolean
  /** Compiled by AssemblyScript. */
  readonly isKernel: boolean
}

const folders = ['src', 'tests', 'tools', 'bench']

export function readSourceTree(): SourceFile[] {
  return folders
    .flatMap((folder) => filesUnder(join(root, folder)))
    .sort()
    .map(readSource)
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path)
    return /\.(ts|js)$/.test(entry.name) ? [relative(root, path)] : []
  })
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  const isKernel = /^src\/.*\/kernel\//.test(path)
  return { path, text, lines, tree, imports: importsOf(path, tree), isTest: /\.test\.ts$/.test(path), isKernel }
}

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Expression | undefined, typeOnly: boolean): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return
    const external = !specifier.text.startsWith('.')
    const target = external ? specifier.text : resolveImport(path, specifier.text)
    found.push({ target, external, typeOnly, line: tree.getLineAndCharacterOfPosition(specifier.getStart()).line + 1 })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal as ts.StringLiteral, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  return (
    !clause.name &&
    !!named &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly)
  )
}

function resolveImport(from: string, specifier: string): string {
  const joined = posix.join(posix.dirname(from), specifier)
  const candidates = [joined.replace(/\.js$/, '.ts'), joined, `${joined}.ts`, `${joined}/index.ts`]
  return candidates.find((candidate) => existsSync(join(root, candidate)) && /\.(ts|js|json)$/.test(candidate)) ?? joined
}

/** Cycles of value imports among `files`: one path of files for each knot. */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const edges = new Map(files.map((file) => [file.path, file.imports.filter((i) => !i.external && !i.typeOnly).map((i) => i.target)]))
  const state = new Map<string, 'open' | 'done'>()
  const stack: string[] = []
  const cycles: string[][] = []
  const visit = (path: string): void => {
    state.set(path, 'open')
    stack.push(path)
    for (const next of edges.get(path) ?? []) {
      if (!edges.has(next)) continue
      if (state.get(next) === 'open') cycles.push([...stack.slice(stack.indexOf(next)), next])
      else if (!state.has(next)) visit(next)
    }
    stack.pop()
    state.set(path, 'done')
  }
  for (const path of edges.keys()) if (!state.has(path)) visit(path)
  return cycles
}

export interface FunctionLength {
  readonly name: string
  readonly lines: number
}

/** Every function, method and accessor of a file with the number of lines it takes. */
export function functionLengths(file: SourceFile): FunctionLength[] {
  const found: FunctionLength[] = []
  const line = (position: number): number => file.tree.getLineAndCharacterOfPosition(position).line
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      found.push({ name: nameOf(node), lines: line(node.getEnd()) - line(node.getStart()) + 1 })
    }
    ts.forEachChild(node, visit)
  }
  visit(file.tree)
  return found
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText()
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  const parent = node.parent
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText()
  return '(anonymous)'
}
