export { type Comparison, compareDigest, compareMeasurement, type Difference, type Expectation, policyText } from './measure/explain.js'
export { type DirectBoot, kernelHashTable } from './measure/kernel-hashes.js'
export { firmwareLaunchComponents, type FirmwareLaunch, type LaunchComponent, launchDigest } from './measure/launch-digest.js'
export { expectedMeasure, type MeasurementContext, parseMeasurement, type ReportedMeasurement } from './measure/measurement.js'
export { type OvmfFacts, ovmfFacts } from './measure/ovmf.js'
export { cpuSignature, cpuSignatures, type Vmm, vmsaPages } from './measure/vmsa.js'
export { newOwnerKey, ownerCertificate, signPlatformKey } from './platforms/own-platform.js'
export { packageSecret, type SecretPacket } from './secrets/package-secret.js'
export { secretAliases, type SecretEntry, secretTable } from './secrets/secret-table.js'
export { type LaunchSession, makeLaunchSession, type Platform, type Random, type TransportKeys } from './session/session.js'
export { type AttestationExpectation, type AttestationReport, type AttestationVerdict, verifyAttestation } from './verify/attestation.js'
export {
  type ChainCheck,
  type ChainFiles,
  type ChainName,
  chainNames,
  type ChainVerdict,
  type TrustedRoot,
  type VerifiedChain,
  verifyChain,
} from './verify/chain.js'
