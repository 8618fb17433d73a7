// From V8's sampling profile to shares by part of the machine.

/** The part of V8's .cpuprofile that is read here. */
export interface V8Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  /** Microseconds on the machine's monotonic clock, at which the first delta begins. */
  readonly startTime: number
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

/** Samples outside do not count. */
export interface Window {
  readonly from: number
  readonly to: number
}

interface Part {
  readonly name: string
  /** Matched against `file#function`, where file is a path under src/ or an address of Node's. */
  readonly pattern: RegExp
}

/** The first that fits counts. */
const parts: readonly Part[] = [
  { name: 'translated code (regions)', pattern: /^region#/ },
  { name: 'compiling regions: V8', pattern: /#(makeModule|makeInstance|Module|Instance|compile|instantiate)$/ },
  { name: 'compiling regions: translator, TypeScript', pattern: /silicon\/core\/translate\/|lib\/wasm-encoder/ },
  { name: 'kernel: what regions call', pattern: /^core\/kernel\/translated#/ },
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

/** Shares of the busy time in `window`, by part of the machine and by function. The program must have run under profile-preload.js. */
export function summarise(profile: V8Profile, window: Window, top: number): string {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame.functionName, callFrame.url)]))
  const byPart = new Map<string, number>()
  const byFunction = new Map<string, number>()
  let idle = 0
  let busy = 0
  let at = profile.startTime
  profile.samples.forEach((id, i) => {
    const microseconds = profile.timeDeltas[i]!
    at += microseconds
    if (at < window.from || at > window.to) return
    const name = names.get(id)!
    if (name === '#(idle)') {
      idle += microseconds
      return
    }
    busy += microseconds
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

/** `file#function`; all translated code is one name. */
function nameOf(functionName: string, url: string): string {
  const module = /^wasm:\/\/wasm\/(\w+)-/.exec(url)?.[1]
  if (module === 'region') return 'region#translated code'
  // src/silicon/core/kernel/walk/walk64 → core/kernel/walk#walk64
  if (module !== undefined) return functionName.replace(/^src\/silicon\//, '').replace(/\/([^/]+)$/, '#$1')
  const file = url.replace(/^.*?\/(src|node_modules)\//, (_, folder: string) => (folder === 'src' ? '' : 'node_modules/'))
  return `${file}#${functionName || '(anonymous)'}`
}

function shares(sums: Map<string, number>, total: number, most: number): string[] {
  return [...sums]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([name, value]) => `${((value / total) * 100).toFixed(2).padStart(7)} %  ${name}`)
}
