// Runs `cbit` with every lowered block verified, and its text form read back: `node --import tsx bench/verify-ir.ts run --sev sev --append 'quiet cbit.run="true"'`.
// Nothing of this is in the program itself: the script puts itself before BlockLowering.lower.

import { blockText, parseBlock } from '../src/silicon/core/ir/text.js'
import { BlockLowering } from '../src/silicon/core/ir/lower.js'
import { verifyBlock } from '../src/silicon/core/ir/verify.js'

const WRONG_MAX = 20
const ROUND_TRIPS_EVERY = 16
let blocks = 0
let records = 0
const wrong = new Map<string, string>()

const lower = BlockLowering.prototype.lower

BlockLowering.prototype.lower = function (code, at, end, mode) {
  const block = lower.call(this, code, at, end, mode)
  if (!block) return block
  const { words, count } = block.emitter
  blocks++
  records += count
  const problems = verifyBlock({ words, count, instructions: block.instructions, length: block.length, mode })
  if (problems.length > 0) note(problems, blockText(words, count))
  if (blocks % ROUND_TRIPS_EVERY === 0) {
    const again = parseBlock(blockText(words, count)).words
    if (again.some((word, n) => word !== words[n])) note(['the text form is read back otherwise'], blockText(words, count))
  }
  return block
}

function note(problems: readonly string[], text: string): void {
  const kind = problems.map((problem) => problem.replace(/^record.*?: /, '')).join('; ')
  if (wrong.size < WRONG_MAX && !wrong.has(kind)) wrong.set(kind, text)
}

process.on('exit', () => {
  for (const [kind, text] of wrong) process.stderr.write(`${kind}\n${text}\n`)
  process.stderr.write(`verify-ir: ${blocks} blocks of ${records} records, ${wrong.size} kinds of complaint\n`)
  if (wrong.size > 0) process.exitCode = 1
})

await import(new URL('../src/apps/cli/main.ts', import.meta.url).href)
