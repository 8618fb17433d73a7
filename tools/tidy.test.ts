// The house rules that a compiler does not keep. docs/architecture.md says why each exists.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { knownCrossings, mayImport, packagesAllowed, pureZones, zoneOf } from './import-law.js'
import { functionLengths, importCycles, readSourceTree, root, type SourceFile } from './source-tree.js'
import { entries, longFiles, longFunctions } from './tidy-lists.js'

const functionLinesMax = 70
const fileLinesMax = 500
const readmeLinesMax = 10

const files = readSourceTree()
const isPure = (path: string): boolean => pureZones.some((zone) => path.startsWith(zone + '/'))

/** One failure shows every finding. */
function none(findings: readonly string[], rule: string): void {
  assert.equal(findings.length, 0, `${rule}\n  ${findings.join('\n  ')}\n`)
}

function findings(judge: (file: SourceFile) => string[]): string[] {
  return files.flatMap((file) => judge(file).map((finding) => `${file.path}: ${finding}`))
}

test('every import obeys the import law', () => {
  const found = findings((file) =>
    file.imports.filter((i) => !i.external && !mayImport(file.path, i.target)).map((i) => `line ${i.line} may not import ${i.target}`),
  )
  none(found, 'Imports against the table in docs/architecture.md (tools/import-law.ts):')
  for (const { from, to } of knownCrossings) {
    const file = files.find((candidate) => candidate.path === from)
    assert.ok(
      file?.imports.some((i) => i.target === to),
      `known crossing ${from} → ${to} is gone: take it off the list`,
    )
  }
})

test('every folder lies in a zone, and every import resolves', () => {
  none(
    findings((file) => (zoneOf(file.path) ? [] : ['no zone of the import law covers it'])),
    'Files outside the law:',
  )
  const broken = findings((file) =>
    file.imports.filter((i) => !i.external && !existsSync(join(root, i.target))).map((i) => `line ${i.line}: ${i.target}`),
  )
  none(broken, 'Imports of files that do not exist:')
})

test('pure folders use neither Node nor packages, except through the doors named', () => {
  const found = findings((file) => {
    if (!isPure(file.path) || file.isTest) return []
    const allowed = packagesAllowed.find((door) => door.file === file.path)?.packages ?? []
    return file.imports
      .filter((i) => i.external && !allowed.some((name) => i.target === name || i.target.startsWith(name + '/')))
      .map((i) => i.target)
  })
  none(found, 'Pure files that import the platform:')
})

test('no cycle of value imports', () => {
  none(
    importCycles(files.filter((file) => !file.isKernel)).map((cycle) => cycle.join(' → ')),
    'Import cycles:',
  )
})

test('every file is imported by another, or is an entry', () => {
  const imported = new Set(
    files.flatMap((file) => file.imports.map((i) => i.target).filter((target) => file.path !== target.replace(/\.ts$/, '.test.ts'))),
  )
  const orphan = (file: SourceFile): boolean =>
    file.path.startsWith('src/') && !file.isTest && !imported.has(file.path) && !(file.path in entries)
  none(
    files.filter(orphan).map((file) => file.path),
    'Files that nothing but their own test imports:',
  )
  none(
    Object.keys(entries).filter((path) => imported.has(path) || !existsSync(join(root, path))),
    'Entries of tools/tidy-lists.ts that are no longer needed:',
  )
})

test(`no function is longer than ${functionLinesMax} lines`, () => {
  const needed = new Set<string>()
  const found = findings((file) =>
    functionLengths(file)
      .filter(({ name, lines }) => {
        if (lines <= functionLinesMax || (file.isTest && name === '(anonymous)')) return false
        const key = `${file.path}#${name}`
        needed.add(key)
        return lines > (longFunctions[key] ?? functionLinesMax)
      })
      .map(({ name, lines }) => `${name} takes ${lines} lines`),
  )
  none(found, 'Functions too long:')
  none(
    Object.keys(longFunctions).filter((key) => !needed.has(key)),
    'Entries of longFunctions that are no longer needed:',
  )
})

test(`no file is longer than ${fileLinesMax} lines without a reason`, () => {
  none(
    files.filter((file) => file.lines > fileLinesMax && !longFiles[file.path]).map((file) => `${file.path}: ${file.lines} lines`),
    'Files too long:',
  )
  none(
    Object.keys(longFiles).filter((path) => !files.some((file) => file.path === path && file.lines > fileLinesMax)),
    'Entries of longFiles that are no longer needed:',
  )
})

test('names say what is inside', () => {
  none(
    files.filter((file) => /(^|\/)(utils?|common|helpers|types|misc)(\.test)?\.(ts|js)$/.test(file.path)).map((file) => file.path),
    'Names that say nothing:',
  )
})

const bannedEverywhere: readonly (readonly [RegExp, string])[] = [
  // Written so that this list does not find itself.
  [/\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b/, 'unfinished work belongs in docs/status.md'],
  [/\bas an[y]\b|: an[y]\b(?!\w)/, 'say the type, or unknown'],
]
const bannedInPure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/, 'time is a parameter: ask the Clock'],
  [/\bMath\.random\b|\bcrypto\.randomBytes\b|\brandomBytes\(/, 'chance is a parameter: ask Entropy'],
  [/\bprocess\.(env|argv|stdout|stderr|exit)\b/, 'the outside is a parameter'],
  [/\bconsole\.\w/, 'pure code does not print'],
]

/** The text with comments blanked out, so that prose may name what code may not use. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(^|[^:'"`\\])\/\/.*$/gm, (match) => match.replace(/[^\n]/g, ' '))
}

test('banned words', () => {
  const search = (text: string, rules: typeof bannedEverywhere): string[] =>
    text.split('\n').flatMap((line, index) => {
      const rule = rules.find(([pattern]) => pattern.test(line))
      return rule ? [`line ${index + 1}: ${line.trim().slice(0, 80)} (${rule[1]})`] : []
    })
  const found = findings((file) => [
    ...search(file.text, bannedEverywhere.slice(0, 1)),
    ...search(withoutComments(file.text), bannedEverywhere.slice(1)),
    ...(isPure(file.path) && !file.isTest ? search(withoutComments(file.text), bannedInPure) : []),
  ])
  none(found, 'Banned words:')
})

test(`every folder under src/ has a README of at most ${readmeLinesMax} lines`, () => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const found = folders.flatMap(({ name }) => {
    const readme = join(root, 'src', name, 'README.md')
    if (!existsSync(readme)) return [`src/${name} has none`]
    const lines = readFileSync(readme, 'utf8').trimEnd().split('\n').length
    return lines > readmeLinesMax ? [`src/${name}/README.md has ${lines} lines`] : []
  })
  none(found, 'READMEs:')
})

/** A number, a name of another constant, or arithmetic on them: what both compilers read alike. */
function isPlainNumber(node: ts.Expression): boolean {
  if (ts.isNumericLiteral(node) || ts.isIdentifier(node)) return true
  if (ts.isParenthesizedExpression(node)) return isPlainNumber(node.expression)
  if (ts.isPrefixUnaryExpression(node)) return isPlainNumber(node.operand)
  return ts.isBinaryExpression(node) && isPlainNumber(node.left) && isPlainNumber(node.right)
}

test('files that both compilers read hold plain constants only', () => {
  const shared = new Set(
    files
      .filter((file) => file.isKernel)
      .flatMap((file) => file.imports.map((i) => i.target))
      .filter((target) => !target.includes('/kernel/')),
  )
  const found = files
    .filter((file) => shared.has(file.path))
    .flatMap((file) =>
      file.tree.statements
        .filter((statement) => {
          if (ts.isImportDeclaration(statement)) return false
          if (!ts.isVariableStatement(statement)) return true
          const plain = statement.declarationList.declarations.every((d) => !d.type && d.initializer && isPlainNumber(d.initializer))
          return !plain || !(statement.declarationList.flags & ts.NodeFlags.Const)
        })
        .map((statement) => `${file.path}: ${statement.getText().split('\n')[0]!.slice(0, 80)}`),
    )
  none(found, 'Files imported by AssemblyScript and by TypeScript must hold `export const NAME = number` and nothing else:')
})
