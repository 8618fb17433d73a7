import { concatBytes, u32le } from '../../lib/bytes.js'
import { hmacSha256, timingSafeEqual } from '../../lib/crypto.js'
import { MacPurpose, Measurement } from '../../spec/sev/command-buffers.js'

/** Which firmware has measured, and under which policy. */
export interface MeasurementContext {
  readonly apiMajor: number
  readonly apiMinor: number
  readonly build: number
  readonly policy: number
}

/** 55766 section 6.5: HMAC(TIK, 04 || API_MAJOR || API_MINOR || BUILD || POLICY || LD || MNONCE). */
export function expectedMeasure(context: MeasurementContext, digest: Uint8Array, mnonce: Uint8Array, tik: Uint8Array): Uint8Array {
  const { apiMajor, apiMinor, build, policy } = context
  return hmacSha256(tik, concatBytes(Uint8Array.of(MacPurpose.LAUNCH_MEASURE, apiMajor, apiMinor, build), u32le(policy), digest, mnonce))
}

/** What the host reports: 48 bytes of LAUNCH_MEASURE. */
export interface ReportedMeasurement {
  readonly measure: Uint8Array
  readonly mnonce: Uint8Array
}

export function parseMeasurement(bytes: Uint8Array): ReportedMeasurement | undefined {
  return bytes.length === Measurement.bytes ? Measurement.decode(bytes) : undefined
}

export function measureMatches(
  context: MeasurementContext,
  digest: Uint8Array,
  { measure, mnonce }: ReportedMeasurement,
  tik: Uint8Array,
): boolean {
  return timingSafeEqual(expectedMeasure(context, digest, mnonce, tik), measure)
}
