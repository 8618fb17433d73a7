// From V8's sampling profile to shares by part of the machine.

/** The part of V8's .cpuprofile that is read here. */
export interface V8Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

interface Part {
  readonly name: string
  /** Matched against `file#function`, where file is a path under src/ or an address of Node's. */
  readonly pattern: RegExp
}

/** The first that fits counts. */
const parts: readonly Part[] = [
  { name: 'kernel: the interpreter’s switch', pattern: /^core\/kernel\/interpreter#execute$/ },
  { name: 'kernel: block lookup and links', pattern: /^core\/kernel\/(dispatch|code-cache|interpreter)#/ },
  { name: 'kernel: MMU fill and page walks', pattern: /^core\/kernel\/(mmu|mmu-space|walk|walk-nested|frame)#/ },
  { name: 'kernel: memory accesses off the fast path', pattern: /^core\/kernel\/(memory|access|address|segment)#/ },
  { name: 'kernel: integer operations', pattern: /^core\/kernel\/(alu|integer|flags|odds)#/ },
  { name: 'kernel: string instructions', pattern: /^core\/kernel\/strings#/ },
  { name: 'kernel: vectors', pattern: /^core\/kernel\/vector/ },
  { name: 'kernel: x87', pattern: /^core\/kernel\/(x87|softfloat)/ },
  { name: 'kernel: AMD-V, entry and exit', pattern: /^core\/kernel\/svm/ },
  { name: 'kernel: system instructions and exceptions', pattern: /^core\/kernel\// },
  { name: 'memory controller: residency and copies', pattern: /^memory\/kernel\// },
  { name: 'AES', pattern: /noble|lib\/crypto|[cC]ipher/ },
  { name: 'memory controller, TypeScript', pattern: /^silicon\/(memory|soc)/ },
  { name: 'decoding and lowering, TypeScript', pattern: /silicon\/core\/(decode|ir)\// },
  { name: 'core driver, TypeScript', pattern: /silicon\/core\// },
  { name: 'secure processor', pattern: /silicon\/secure-processor\// },
  { name: 'hypervisor: exits', pattern: /host\/(hypervisor|sev-driver)\// },
  { name: 'devices', pattern: /host\/(devices|bus)\// },
  { name: 'board', pattern: /^board\// },
  { name: 'command line', pattern: /apps\/cli\// },
  { name: 'garbage collection', pattern: /#\(garbage collector\)$/ },
  { name: 'Node.js and its start', pattern: /./ },
]

/** Names of the two kernels' functions stand in `kernels`, core first. */
export function summarise(profile: V8Profile, kernels: readonly Map<number, string>[], top: number): string {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const coreModule = busiestModule(profile)
  const byPart = new Map<string, number>()
  const byFunction = new Map<string, number>()
  let idle = 0
  let busy = 0
  profile.samples.forEach((id, i) => {
    const { functionName, url } = frames.get(id)!
    const microseconds = profile.timeDeltas[i]!
    if (functionName === '(idle)') {
      idle += microseconds
      return
    }
    busy += microseconds
    const name = nameOf(functionName, url, coreModule, kernels)
    add(byFunction, name, microseconds)
    add(byPart, parts.find(({ pattern }) => pattern.test(name))!.name, microseconds)
  })
  return [
    `${(busy / 1e6).toFixed(2)} s busy, ${(idle / 1e6).toFixed(2)} s idle`,
    ...shares(byPart, busy, parts.length),
    '',
    'by function, without what it calls:',
    ...shares(byFunction, busy, top),
    '',
  ].join('\n')
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value)
}

/** The core's kernel is where a machine's time goes; the other WebAssembly module is the memory controller's. */
function busiestModule({ nodes, samples }: V8Profile): string {
  const urls = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.url]))
  const counts = new Map<string, number>()
  for (const id of samples) {
    const url = urls.get(id)!
    if (url.startsWith('wasm:')) add(counts, url, 1)
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? ''
}

function nameOf(functionName: string, url: string, coreModule: string, kernels: readonly Map<number, string>[]): string {
  const number = /^wasm-function\[(\d+)\]$/.exec(functionName)?.[1]
  if (number !== undefined && url.startsWith('wasm:')) {
    const name = kernels[url === coreModule ? 0 : 1]?.get(Number(number)) ?? functionName
    // src/silicon/core/kernel/walk/walk64 → core/kernel/walk#walk64
    return name.replace(/^src\/silicon\//, '').replace(/\/([^/]+)$/, '#$1')
  }
  const file = url.replace(/^.*?\/(src|node_modules)\//, (_, folder: string) => (folder === 'src' ? '' : 'node_modules/'))
  return `${file}#${functionName || '(anonymous)'}`
}

function shares(sums: Map<string, number>, total: number, most: number): string[] {
  return [...sums]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([name, value]) => `${((value / total) * 100).toFixed(2).padStart(7)} %  ${name}`)
}
