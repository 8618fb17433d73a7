import type { Command } from 'commander'
import { addAdopt } from './owner-adopt.js'
import { addCompare, addMeasure, addSecret } from './owner-measure.js'
import { addSession } from './owner-session.js'
import { addVerifyAttestation } from './owner-verify-attestation.js'
import { addVerifyChain } from './owner-verify-chain.js'

/** The guest owner's verbs. They need no chip: all they judge are files. */
export function addOwner(program: Command): void {
  const owner = program
    .command('owner')
    .summary("the guest owner's tools: verify a platform, make a session, judge a measurement, package a secret")
    .description("The guest owner's tools. They run on the owner's machine and trust nothing of the provider's.")
  for (const add of [addVerifyChain, addSession, addMeasure, addCompare, addSecret, addVerifyAttestation, addAdopt]) add(owner)
}
