import type { SevCommandName } from '../../src/spec/sev/command-ids.js'
import type { SevStatusName } from '../../src/spec/sev/status.js'
import { columns } from './good-buffers.js'

// What document 55766 says of each command in each state, written down apart from the firmware's own table.
// Columns: platform UNINIT; INIT; WORKING with the named guest in each of its states. The guest is active in ASID 1 and knows no SEV-ES.
const ok: SevStatusName = 'SUCCESS'
const platform: SevStatusName = 'INVALID_PLATFORM_STATE'
const guest: SevStatusName = 'INVALID_GUEST_STATE'
const always: readonly SevStatusName[] = columns.map(() => ok)
/** UNINIT, INIT, and the same answer whatever the guest's state. */
const platformRow = (uninit: SevStatusName, init: SevStatusName, working: SevStatusName): SevStatusName[] =>
  columns.map((column) => (column === 'UNINIT' ? uninit : column === 'INIT' ? init : working))
/** `answer` where the named guest is in one of `states`. */
const guestRow = (states: string, answer: SevStatusName = ok): SevStatusName[] =>
  columns.map((column) => (column === 'UNINIT' || column === 'INIT' ? platform : states.split(' ').includes(column) ? answer : guest))
const HAS_MEMORY = 'LUPDATE LSECRET RUNNING SUPDATE RUPDATE'
const EVERY = `${HAS_MEMORY} SENT`

export const expected: Partial<Record<SevCommandName, readonly SevStatusName[]>> = {
  INIT: platformRow(ok, platform, platform),
  INIT_EX: platformRow(ok, platform, platform),
  SHUTDOWN: always,
  PLATFORM_RESET: platformRow(ok, platform, platform),
  PLATFORM_STATUS: always,
  GET_ID: always,
  PEK_GEN: platformRow(platform, ok, platform),
  PEK_CSR: platformRow(platform, ok, platform),
  // What lies in the buffers is no certificate.
  PEK_CERT_IMPORT: platformRow(platform, 'INVALID_CERTIFICATE', platform),
  PDH_GEN: platformRow(platform, ok, ok),
  PDH_CERT_EXPORT: platformRow(platform, ok, ok),
  DF_FLUSH: platformRow(platform, ok, ok),
  NOP: always,
  LAUNCH_START: platformRow(platform, ok, ok),
  LAUNCH_UPDATE_DATA: guestRow('LUPDATE'),
  LAUNCH_UPDATE_VMSA: guestRow('LUPDATE', 'POLICY_FAILURE'),
  LAUNCH_MEASURE: guestRow('LUPDATE'),
  LAUNCH_SECRET: guestRow('LSECRET'),
  LAUNCH_FINISH: guestRow('LSECRET'),
  ATTESTATION: guestRow('LSECRET RUNNING SUPDATE'),
  ACTIVATE: guestRow(HAS_MEMORY, 'ACTIVE'),
  ACTIVATE_EX: guestRow(HAS_MEMORY, 'ACTIVE'),
  DEACTIVATE: guestRow(EVERY),
  DECOMMISSION: guestRow(EVERY, 'ACTIVE'),
  GUEST_STATUS: guestRow(EVERY),
  COPY: guestRow(HAS_MEMORY),
  SEND_START: guestRow('RUNNING'),
  SEND_UPDATE_DATA: guestRow('SUPDATE'),
  SEND_UPDATE_VMSA: guestRow('SUPDATE', 'POLICY_FAILURE'),
  SEND_FINISH: guestRow('SUPDATE'),
  SEND_CANCEL: guestRow('SUPDATE'),
  RECEIVE_START: platformRow(platform, ok, ok),
  RECEIVE_UPDATE_DATA: guestRow('RUPDATE'),
  RECEIVE_UPDATE_VMSA: guestRow('RUPDATE', 'POLICY_FAILURE'),
  RECEIVE_FINISH: guestRow('RUPDATE'),
  DBG_DECRYPT: guestRow(HAS_MEMORY),
  DBG_ENCRYPT: guestRow(HAS_MEMORY),
  SWAP_OUT: guestRow(HAS_MEMORY),
  SWAP_IN: guestRow(HAS_MEMORY),
}
