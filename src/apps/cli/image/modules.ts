// Which kernel modules go into the guest image, and the index files that modprobe reads (modules.dep(5), modules.alias).
// Debian's package has no modules.dep: depmod makes it on installation. The facts stand in each module's .modinfo section.

export interface ModuleInformation {
  readonly name: string
  readonly depends: readonly string[]
  readonly softPre: readonly string[]
  readonly aliases: readonly string[]
}

/** What a cbit guest can have a use for: its devices, filesystems for them, and the tools of a confidential VM. */
export const wantedModules: readonly string[] = [
  // virtio transports and devices
  ...['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio-rng', 'virtio_balloon', 'virtio_input'],
  ...['vmw_vsock_virtio_transport', '9pnet_virtio', 'virtio_scsi', 'sd_mod'],
  // filesystems and block
  ...['ext4', '9p', 'overlay', 'squashfs', 'loop', 'dm-mod', 'dm-crypt'],
  // algorithms that those ask the kernel for by name
  ...['crc32c_generic', 'crc32c_intel', 'xts', 'aesni_intel', 'cryptd'],
  // network
  ...['tun', 'af_packet'],
  // looking at the processor
  ...['msr', 'cpuid', 'sev-guest', 'tsm'],
]

/** Reads the .modinfo section of a module (ELF64, little endian). Returns undefined where there is none. */
export function readModuleInformation(elf: Uint8Array): ModuleInformation | undefined {
  const section = modinfoSection(elf)
  if (!section) return undefined
  const fields = new TextDecoder('latin1')
    .decode(section)
    .split('\0')
    .filter((text) => text.includes('='))
    .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] as const)
  const all = (key: string): string[] => fields.filter(([name]) => name === key).map(([, value]) => value)
  return {
    name: all('name')[0] ?? '',
    depends: all('depends').flatMap((list) => list.split(',').filter(Boolean)),
    softPre: all('softdep').flatMap((line) => /pre: (.*?)(?: post:|$)/.exec(line)?.[1]?.split(/\s+/).filter(Boolean) ?? []),
    aliases: all('alias'),
  }
}

/** ELF64 header: e_shoff at 0x28, e_shentsize 0x3a, e_shnum 0x3c, e_shstrndx 0x3e (System V gABI, "ELF Header"). */
function modinfoSection(elf: Uint8Array): Uint8Array | undefined {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  if (elf.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || elf[4] !== 2) return undefined
  const table = Number(view.getBigUint64(0x28, true))
  const size = view.getUint16(0x3a, true)
  const count = view.getUint16(0x3c, true)
  if (size < 64 || table + size * count > elf.length) return undefined
  const at = (index: number) => {
    const header = table + index * size
    return {
      name: view.getUint32(header, true),
      offset: Number(view.getBigUint64(header + 0x18, true)),
      length: Number(view.getBigUint64(header + 0x20, true)),
    }
  }
  const names = at(view.getUint16(0x3e, true))
  for (let index = 0; index < count; index++) {
    const section = at(index)
    const start = names.offset + section.name
    const name = new TextDecoder('latin1').decode(elf.subarray(start, start + 9))
    if (name === '.modinfo\0') return elf.subarray(section.offset, section.offset + section.length)
  }
  return undefined
}

/** The name that the kernel knows a module file by: dashes are underscores. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1)
  return file.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_')
}

export interface ModuleTree {
  /** Paths (relative to lib/modules/VERSION) of the modules to include, sorted. */
  readonly paths: readonly string[]
  readonly modulesDep: string
  readonly modulesAlias: string
  /** Wanted modules that this kernel has neither as a module nor built in. */
  readonly absent: readonly string[]
}

/**
 * The closure of `wanted` under dependencies. `read` gives the information of the module at a path of `paths`;
 * `builtin` names what the kernel has inside.
 */
export function selectModules(
  wanted: readonly string[],
  paths: readonly string[],
  builtin: ReadonlySet<string>,
  read: (path: string) => ModuleInformation,
): ModuleTree {
  const byName = new Map(paths.map((path) => [moduleName(path), path]))
  const chosen = new Map<string, ModuleInformation>()
  const absent: string[] = []
  const open = wanted.map((name) => ({ name: moduleName(name), required: false }))
  while (open.length) {
    const { name, required } = open.pop()!
    const path = byName.get(name)
    if (path === undefined) {
      if (required && !builtin.has(name)) throw new Error(`kernel module '${name}' is needed by another module but not in the package`)
      if (!required && !builtin.has(name)) absent.push(name)
      continue
    }
    if (chosen.has(path)) continue
    const information = read(path)
    chosen.set(path, information)
    for (const dependency of information.depends) open.push({ name: moduleName(dependency), required: true })
    for (const dependency of information.softPre) open.push({ name: moduleName(dependency), required: false })
  }
  const sorted = [...chosen.keys()].sort()
  return {
    paths: sorted,
    modulesDep: sorted
      .map(
        (path) =>
          `${path}:${dependencyPaths(path, chosen, byName)
            .map((p) => ' ' + p)
            .join('')}\n`,
      )
      .join(''),
    modulesAlias: sorted.flatMap((path) => chosen.get(path)!.aliases.map((alias) => `alias ${alias} ${moduleName(path)}\n`)).join(''),
    absent: absent.sort(),
  }
}

/** All modules that must be loaded before `path`; modules.dep lists the one that is loaded last first. */
function dependencyPaths(path: string, chosen: ReadonlyMap<string, ModuleInformation>, byName: ReadonlyMap<string, string>): string[] {
  const order: string[] = []
  const visit = (current: string): void => {
    for (const name of chosen.get(current)?.depends ?? []) {
      const dependency = byName.get(moduleName(name))
      if (dependency === undefined || order.includes(dependency)) continue
      visit(dependency)
      order.push(dependency)
    }
  }
  visit(path)
  return order.reverse()
}
