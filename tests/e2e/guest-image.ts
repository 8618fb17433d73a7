import { bootFiles, type BootFiles } from '../../src/apps/cli/boot-files.js'

/** The default guest with `append` on its kernel's command line, or why it cannot be had here: the reason for which a test skips. */
export async function guestFiles(append?: string): Promise<BootFiles | string> {
  try {
    return await bootFiles(append === undefined ? {} : { append }, () => undefined)
  } catch (error) {
    return `the guest image cannot be built here: ${(error as Error).message}`
  }
}
