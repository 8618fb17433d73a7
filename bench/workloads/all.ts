import { floatWorkloads } from './float.js'
import { integerWorkloads } from './integer.js'
import { systemWorkloads } from './system.js'
import type { Workload } from './workload.js'

export const workloads: readonly Workload[] = [...integerWorkloads, ...floatWorkloads, ...systemWorkloads]
