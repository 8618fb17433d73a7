import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fusesMultiplyAdd } from '../../silicon/core/translate/fused-multiply-add.js'
import { prepareEngine } from './engine.js'

/** proc(5): field 19 of a task's stat, counted behind its name. */
const niceness = (task: string): number => Number(readFileSync(`/proc/self/task/${task}/stat`, 'latin1').split(') ')[1]!.split(' ')[16])

test(
  "V8's threads yield to the one that guests run on",
  { skip: process.platform !== 'linux' && 'threads have no priority of their own here' },
  () => {
    const before = niceness(String(process.pid))
    prepareEngine()
    assert.equal(niceness(String(process.pid)), before)
    const others = readdirSync('/proc/self/task').filter((task) => Number(task) !== process.pid)
    const yielding = others.filter((task) => niceness(task) > before)
    assert(yielding.length >= Math.min(4, others.length), `${yielding.length} of ${others.length} threads`)
  },
)

const processorHasFma =
  process.arch === 'x64' && process.platform === 'linux' && /^flags.*\bfma\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'))

test(
  'where the processor multiplies and adds with one rounding, so do regions',
  { skip: !processorHasFma && 'no processor with FMA' },
  () => {
    prepareEngine()
    assert.equal(fusesMultiplyAdd(), true)
  },
)
