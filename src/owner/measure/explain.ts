import { equalBytes } from '../../lib/bytes.js'
import { sha256 } from '../../lib/crypto.js'
import { SevPolicy } from '../../spec/sev/policy.js'
import type { LaunchComponent } from './launch-digest.js'
import { type MeasurementContext, measureMatches, type ReportedMeasurement } from './measurement.js'

/**
 * Compares a reported measurement with the expected one. A MAC does not say what is different, but it confirms a guess: so when it does not
 * match, we try what a host can have done differently, from the likeliest on, and name what would explain the report.
 */
export interface Comparison {
  readonly ok: boolean
  /** What differs, where a guess was confirmed; empty where none was, and where the measurement matches. */
  readonly differences: readonly Difference[]
  readonly reason: string
}

export interface Difference {
  readonly component: 'policy' | 'API version' | 'firmware build' | 'contents' | 'transport key'
  readonly expected: string
  readonly found: string
}

export interface Expectation {
  readonly context: MeasurementContext
  readonly components: readonly LaunchComponent[]
  readonly tik: Uint8Array
  /** Contents that were not asked for but are worth a try: another kernel, another number of vCPUs. */
  readonly alternatives?: readonly { readonly name: string; readonly components: readonly LaunchComponent[] }[]
}

interface Content {
  readonly found: string
  readonly digest: Uint8Array
}

const digestOf = (components: readonly LaunchComponent[]): Uint8Array => sha256(...components.map(({ bytes }) => bytes))

/** Contents that a host might have launched instead: each component left out, given twice, all in another order, and the caller's alternatives. */
function otherContents(components: readonly LaunchComponent[], alternatives: Expectation['alternatives'] = []): Content[] {
  const others: Content[] = components.map(({ name }, i) => ({
    found: `without ${name}`,
    digest: digestOf(components.filter((_, j) => j !== i)),
  }))
  others.push({ found: 'nothing at all', digest: sha256() })
  for (const [i, { name }] of components.entries()) {
    others.push({
      found: `${name} twice`,
      digest: digestOf(components.flatMap((component, j) => (i === j ? [component, component] : [component]))),
    })
    if (i > 0) {
      const swapped = components.map((component, j) => (j === i ? components[i - 1]! : j === i - 1 ? components[i]! : component))
      others.push({ found: `${name} before ${components[i - 1]!.name}`, digest: digestOf(swapped) })
    }
  }
  for (const alternative of alternatives) others.push({ found: alternative.name, digest: digestOf(alternative.components) })
  return others
}

const hex = (value: number): string => `0x${value.toString(16)}`

export function policyText(policy: number): string {
  const names = Object.entries(SevPolicy).flatMap(([name, bit]) => ((policy & bit) !== 0 ? [name] : []))
  return `${hex(policy)} (${names.length > 0 ? names.join(' ') : 'no bit set'})`
}

/** The same policy with each combination of its six bits. */
function otherPolicies(policy: number): number[] {
  return Array.from({ length: 64 }, (_, bits) => ((policy & ~0x3f) | bits) >>> 0)
}

/** Versions and policies that a platform might have; all with `digest`. */
function* otherContexts(context: MeasurementContext): Generator<{ context: MeasurementContext; differences: Difference[] }> {
  yield { context, differences: [] }
  for (const policy of otherPolicies(context.policy)) {
    const differences: Difference[] = [{ component: 'policy', expected: policyText(context.policy), found: policyText(policy) }]
    if (policy !== context.policy) yield { context: { ...context, policy }, differences }
  }
  const version = (major: number, minor: number): string => `${major}.${minor}`
  for (let apiMinor = 0; apiMinor < 64; apiMinor++) {
    if (apiMinor === context.apiMinor) continue
    const [expected, found] = [version(context.apiMajor, context.apiMinor), version(context.apiMajor, apiMinor)]
    yield { context: { ...context, apiMinor }, differences: [{ component: 'API version', expected, found }] }
  }
  for (let build = 0; build < 256; build++) {
    const differences: Difference[] = [{ component: 'firmware build', expected: `${context.build}`, found: `${build}` }]
    if (build !== context.build) yield { context: { ...context, build }, differences }
  }
}

function guess(expectation: Expectation, reported: ReportedMeasurement): Difference[] | undefined {
  const { components, context, tik } = expectation
  const expectedContents = components.map(({ name }) => name).join(', ')
  const contents: Content[] = [{ found: '', digest: digestOf(components) }, ...otherContents(components, expectation.alternatives)]
  const keys = [
    { key: tik, differences: [] },
    {
      key: new Uint8Array(16),
      differences: [{ component: 'transport key', expected: "the owner's", found: 'zero: the guest was launched without the session' }],
    },
  ] satisfies { key: Uint8Array; differences: Difference[] }[]
  for (const { key, differences: keyDifferences } of keys) {
    for (const { found, digest } of contents) {
      const contentDifferences: Difference[] = found ? [{ component: 'contents', expected: expectedContents, found }] : []
      for (const other of otherContexts(context)) {
        if (measureMatches(other.context, digest, reported, key)) return [...keyDifferences, ...contentDifferences, ...other.differences]
      }
    }
  }
  return undefined
}

function describe(differences: readonly Difference[]): string {
  return differences.map(({ component, expected, found }) => `${component}: expected ${expected}, found ${found}`).join('; ')
}

export function compareMeasurement(expectation: Expectation, reported: ReportedMeasurement): Comparison {
  const { components, context, tik } = expectation
  if (measureMatches(context, digestOf(components), reported, tik))
    return { ok: true, differences: [], reason: 'the measurement is the expected one' }
  const differences = guess(expectation, reported)
  if (!differences || differences.length === 0) {
    const named = components.map(({ name }) => name).join(', ')
    return { ok: false, differences: [], reason: `the bytes of ${named} differ from what was launched, or more than one thing does` }
  }
  return { ok: false, differences, reason: describe(differences) }
}

/** With a digest from an ATTESTATION report the contents alone can be judged. */
export function compareDigest(
  components: readonly LaunchComponent[],
  digest: Uint8Array,
  alternatives: Expectation['alternatives'] = [],
): Comparison {
  if (equalBytes(digestOf(components), digest)) return { ok: true, differences: [], reason: 'the launch digest is the expected one' }
  const expected = components.map(({ name }) => name).join(', ')
  const content = otherContents(components, alternatives).find((other) => equalBytes(other.digest, digest))
  if (!content) return { ok: false, differences: [], reason: `the bytes of ${expected} differ from what was launched` }
  const difference: Difference = { component: 'contents', expected, found: content.found }
  return { ok: false, differences: [difference], reason: describe([difference]) }
}
