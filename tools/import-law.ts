// The import law of docs/architecture.md as data. A zone is the longest prefix that fits a file's path.

interface Zone {
  readonly path: string
  /** Paths (files or folders) that it may import from besides itself, `lib` and `spec`. '*' is anything. */
  readonly may: readonly string[]
}

export const zones: readonly Zone[] = [
  { path: 'src/lib', may: [] },
  { path: 'src/spec', may: [] },
  { path: 'src/silicon/doors', may: [] },
  { path: 'src/silicon/fabric.ts', may: [] },
  { path: 'src/silicon/fabric-layout.ts', may: [] },
  { path: 'src/silicon/core', may: ['src/silicon/fabric.ts', 'src/silicon/fabric-layout.ts'] },
  {
    path: 'src/silicon/memory',
    may: ['src/silicon/fabric.ts', 'src/silicon/fabric-layout.ts', 'src/silicon/doors/board.ts', 'src/silicon/doors/dma.ts'],
  },
  { path: 'src/silicon/secure-processor', may: ['src/silicon/fabric.ts', 'src/silicon/doors/board.ts'] },
  { path: 'src/silicon', may: ['src/silicon'] },
  { path: 'src/vendor', may: ['src/silicon/secure-processor/endorsement.ts'] },
  { path: 'src/board', may: ['src/silicon/doors/board.ts'] },
  { path: 'src/host/devices', may: ['src/silicon/doors/dma.ts'] },
  { path: 'src/host/bus', may: ['src/host/devices'] },
  { path: 'src/host/sev-driver', may: ['src/silicon/doors/host.ts'] },
  {
    path: 'src/host/hypervisor',
    may: ['src/silicon/doors/host.ts', 'src/silicon/doors/dma.ts', 'src/host/bus', 'src/host/devices', 'src/host/sev-driver'],
  },
  {
    path: 'src/host/migration',
    may: ['src/silicon/doors/host.ts', 'src/host/hypervisor', 'src/host/sev-driver'],
  },
  { path: 'src/guest', may: [] },
  { path: 'src/owner', may: [] },
  { path: 'src/apps', may: ['*'] },
  { path: 'tests/attacks', may: ['src/silicon/doors', 'src/host', 'src/board'] },
  { path: 'tests', may: ['*'] },
  { path: 'tools', may: ['*'] },
  { path: 'bench', may: ['*'] },
]

/** Crossings that the law does not have and that stand anyway, each with its reason. */
export const knownCrossings: readonly { readonly from: string; readonly to: string; readonly reason: string }[] = [
  {
    from: 'src/silicon/core/core.ts',
    to: 'src/silicon/doors/host.ts',
    reason: 'a core is what stands behind HostCore: it implements that interface',
  },
  {
    from: 'tests/attacks/stage.ts',
    to: 'tests/machine/index.ts',
    reason: "somebody must make the chip and the victims' images; attacks get the doors and the images, not the makers",
  },
]

/** Zones that run on any platform (a board is the platform): no Node modules and no npm packages, except in the files named. */
export const pureZones: readonly string[] = ['src/lib', 'src/spec', 'src/silicon', 'src/vendor', 'src/host', 'src/guest', 'src/owner']

/** The sanctioned doors from pure code to the platform. */
export const packagesAllowed: readonly { readonly file: string; readonly packages: readonly string[] }[] = [
  { file: 'src/lib/crypto.ts', packages: ['node:crypto', '@noble/ciphers'] },
]

const within = (path: string, prefix: string): boolean => path === prefix || path.startsWith(prefix + '/')

export function zoneOf(path: string): Zone | undefined {
  return zones.filter((zone) => within(path, zone.path)).sort((a, b) => b.path.length - a.path.length)[0]
}

export function mayImport(from: string, to: string): boolean {
  const zone = zoneOf(from)
  if (!zone) return false
  if (zone.may.includes('*')) return true
  const target = zoneOf(to)
  if (target === zone || (zone.path !== 'src/lib' && within(to, 'src/lib'))) return true
  if (zone.path !== 'src/lib' && within(to, 'src/spec')) return true
  if (zone.may.some((allowed) => within(to, allowed))) return true
  return knownCrossings.some((crossing) => crossing.from === from && crossing.to === to)
}
