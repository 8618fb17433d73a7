import { toHex } from '../../lib/bytes.js'
import { sha256 } from '../../lib/crypto.js'

/** AMD's root certificates (ARK) of the legacy form, by the SHA-256 of their bytes, as virtee/sev carries them (src/certs/sev/builtin). */
const amdRoots: Readonly<Record<string, string>> = {
  dedabca561e1dece8cc00b7bda864cf5f20b95017864408cfe18eaee0dce24b9: 'Naples',
  '865977b268c16d5b27772b00aaefb4e737ba9499e818ed8e9f65b0cecefbc529': 'Rome',
  '1246469862b78a7a8625579b0378d1f8e975eb8b82a1623b579d7968a5969888': 'Milan',
  '8f4e3fd36589c23f1fe0c8338465bac7e2e066d97fc92f228bbee4fd356fb674': 'Genoa',
  f6405e5096a6eee1eb7d5df75c49f9b9f7c8357a31c7fff150149d68588a7bf7: 'Turin',
}

/** The product whose root AMD published with these bytes, or undefined. */
export function amdProductOfRoot(ark: Uint8Array): string | undefined {
  return amdRoots[toHex(sha256(ark))]
}
