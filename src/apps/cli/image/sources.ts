// Where Debian packages come from: the machine's own apt configuration, in either of its formats (sources.list(5)),
// reduced to the suites that carry a kernel of the running release.

export interface Source {
  readonly uri: string
  readonly suite: string
  readonly components: readonly string[]
  /** Keyring file that the configuration names for it, if it names one. */
  readonly signedBy?: string
}

/** The release that is built where the machine runs none of Debian's. */
export const defaultSuite = 'bookworm'

/** `suite` of the archive at `mirror`. */
export function mirrorSource(mirror: string, suite: string): Source {
  return { uri: mirror.replace(/\/$/, ''), suite, components: ['main'] }
}

/** One-line format: `deb [option=value …] URI SUITE COMPONENT…`. */
export function parseSourcesList(text: string): Source[] {
  const sources: Source[] = []
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?$/.exec(line)
    if (!match) continue
    const [, options = '', uri, suite, components = ''] = match
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1]
    sources.push({ uri: uri!, suite: suite!, components: components.split(/\s+/).filter(Boolean), ...keyring(signedBy) })
  }
  return sources
}

/** deb822 format (`*.sources`): stanzas of `Field: value`, continued on lines that begin with white space. */
export function parseDeb822Sources(text: string): Source[] {
  const sources: Source[] = []
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>()
    let field = ''
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue
      const match = /^([A-Za-z-]+):(.*)$/.exec(line)
      if (match) field = match[1]!.toLowerCase()
      if (field) fields.set(field, `${fields.get(field) ?? ''} ${match ? match[2]! : line}`.trim())
    }
    const list = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter(Boolean)
    if (!list('types').includes('deb') || /^(no|false|0|off)$/i.test(fields.get('enabled') ?? 'yes')) continue
    for (const uri of list('uris')) {
      for (const suite of list('suites')) sources.push({ uri, suite, components: list('components'), ...keyring(fields.get('signed-by')) })
    }
  }
  return sources
}

/** A keyring is kept only where it is one file; an embedded key or several files fall back to Debian's own. */
function keyring(signedBy: string | undefined): { signedBy: string } | Record<string, never> {
  return signedBy && /^\/\S+$/.test(signedBy) && !signedBy.includes(',') ? { signedBy } : {}
}

/** The sources among `all` that are Debian's `release` with its updates and security; main component only. */
export function debianSources(all: readonly Source[], release: string): Source[] {
  const wanted = [release, `${release}-updates`, `${release}-security`, `${release}/updates`]
  const chosen = all.filter((source) => wanted.includes(source.suite) && source.components.includes('main') && /debian/i.test(source.uri))
  const unique = new Map(chosen.map((source) => [`${source.uri} ${source.suite}`, { ...source, components: ['main'] }]))
  return chosen.some((source) => source.suite === release) ? [...unique.values()] : []
}

/** The lines of a private sources.list. Every line names the keyring that must have signed it. */
export function writeSourcesList(sources: readonly Source[], keyringFile: string, architecture = 'amd64'): string {
  return sources
    .map(
      (source) =>
        `deb [arch=${architecture} signed-by=${source.signedBy ?? keyringFile}] ${source.uri} ${source.suite} ${source.components.join(' ')}\n`,
    )
    .join('')
}
