/**
 * The control flow of a region as WebAssembly can express it: nodes and loops in an order in which every jump goes forward, or back to the head of a loop
 * around it.
 *
 * A strongly connected component becomes a loop. Its heads are the nodes that jumps from outside reach: one, as a rule; where there are more, the
 * loop dispatches on a number. Inside, jumps to the heads no longer count, and the rest is ordered the same way.
 */

export interface LoopItem {
  readonly kind: 'loop'
  readonly heads: readonly number[]
  readonly body: readonly Item[]
}

export interface NodeItem {
  readonly kind: 'node'
  readonly node: number
}

export type Item = LoopItem | NodeItem

/** `successors[n]`: the nodes that node n jumps to. `entries`: where the region may be entered. Nodes that no entry reaches are left out. */
export function structure(successors: readonly (readonly number[])[], entries: readonly number[]): Item[] {
  const reached = reachable(successors, entries)
  return order([...reached], new Set(entries), successors, new Set())
}

function reachable(successors: readonly (readonly number[])[], entries: readonly number[]): Set<number> {
  const reached = new Set(entries)
  for (const node of reached) for (const next of successors[node]!) reached.add(next)
  return reached
}

/** `cut`: heads of the loops around; jumps to them are not followed. `entered`: nodes that something outside of `nodes` jumps to. */
function order(
  nodes: readonly number[],
  entered: ReadonlySet<number>,
  successors: readonly (readonly number[])[],
  cut: ReadonlySet<number>,
): Item[] {
  const inside = new Set(nodes)
  const follow = (node: number): number[] => successors[node]!.filter((next) => inside.has(next) && !cut.has(next))
  const components = stronglyConnected(nodes, follow)
  const home = new Map<number, number>()
  components.forEach((component, n) => component.forEach((node) => home.set(node, n)))
  const outside = new Set(entered)
  for (const node of nodes) for (const next of follow(node)) if (home.get(next) !== home.get(node)) outside.add(next)
  return components.map((component) => item(component, outside, follow, successors, cut))
}

function item(
  component: readonly number[],
  outside: ReadonlySet<number>,
  follow: (node: number) => number[],
  successors: readonly (readonly number[])[],
  cut: ReadonlySet<number>,
): Item {
  const first = component[0]!
  if (component.length === 1 && !follow(first).includes(first)) return { kind: 'node', node: first }
  const heads = component.filter((node) => outside.has(node))
  return { kind: 'loop', heads, body: order(component, new Set(heads), successors, new Set([...cut, ...heads])) }
}

/** Tarjan's algorithm, without recursion. Components in an order in which every edge goes forward. */
function stronglyConnected(nodes: readonly number[], follow: (node: number) => readonly number[]): number[][] {
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const open: number[] = []
  const isOpen = new Set<number>()
  const components: number[][] = []
  const visit = (root: number): void => {
    const path: { node: number; next: readonly number[]; at: number }[] = []
    const enter = (node: number): void => {
      index.set(node, index.size)
      low.set(node, index.get(node)!)
      open.push(node)
      isOpen.add(node)
      path.push({ node, next: follow(node), at: 0 })
    }
    enter(root)
    while (path.length > 0) {
      const top = path.at(-1)!
      const next = top.next[top.at++]
      if (next === undefined) {
        path.pop()
        const parent = path.at(-1)
        if (parent) low.set(parent.node, Math.min(low.get(parent.node)!, low.get(top.node)!))
        if (low.get(top.node) === index.get(top.node)) components.push(close(top.node, open, isOpen))
      } else if (!index.has(next)) enter(next)
      else if (isOpen.has(next)) low.set(top.node, Math.min(low.get(top.node)!, index.get(next)!))
    }
  }
  for (const node of nodes) if (!index.has(node)) visit(node)
  return components.reverse()
}

function close(root: number, open: number[], isOpen: Set<number>): number[] {
  const component: number[] = []
  for (;;) {
    const node = open.pop()!
    isOpen.delete(node)
    component.push(node)
    if (node === root) return component.reverse()
  }
}

/** Place of every node in the order of emission: a jump to a place not behind one's own goes back. */
export function placesOf(items: readonly Item[]): Map<number, number> {
  const places = new Map<number, number>()
  const walk = (list: readonly Item[]): void => {
    for (const one of list) {
      if (one.kind === 'node') places.set(one.node, places.size)
      else walk(one.body)
    }
  }
  walk(items)
  return places
}
