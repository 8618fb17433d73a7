import type { Command } from 'commander'
import { guestImage, type GuestImage } from '../image/build.js'
import { formatBytes } from '../quantities.js'
import { ProgressLine } from '../terminal/progress.js'

interface ImageFlags {
  readonly suite?: string
  readonly mirror?: string
  readonly refresh?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  cbit image                      build the image if it is not there, and say where it is
  cbit image --refresh            fetch the newest packages
  cbit image --suite trixie --json

The image stands in $CBIT_CACHE, else $XDG_CACHE_HOME/cbit, else ~/.cache/cbit. Needs apt, dpkg and tar, and no root.
`

export function addImage(program: Command): void {
  program
    .command('image')
    .summary("build the default guest: Debian's kernel and a busybox initramfs")
    .description(
      "Builds the default guest image from Debian's packages linux-image-amd64 and busybox-static. They are fetched with apt in a folder of\n" +
        "cbit's own and verified by the archive's signatures. The machine's own apt configuration says which mirror.",
    )
    .option('--suite <name>', "Debian release (default: the machine's own, else bookworm)")
    .option('--mirror <url>', "archive to fetch from, in place of the machine's")
    .option('--refresh', 'fetch and build again')
    .option('--json', 'print the manifest as JSON')
    .addHelpText('after', examples)
    .action(image)
}

async function image(flags: ImageFlags): Promise<void> {
  const progress = new ProgressLine()
  const result = await guestImage({ ...flags, progress: progress.show }).finally(() => progress.done())
  process.stdout.write(flags.json ? JSON.stringify({ folder: result.folder, ...result.manifest }, null, 2) + '\n' : describe(result))
}

function describe({ folder, manifest }: GuestImage): string {
  const lines = [
    folder,
    ...Object.entries(manifest.files).map(
      ([name, { bytes, sha256 }]) => `  ${name.padEnd(18)} ${formatBytes(bytes).padStart(9)}  sha256 ${sha256}`,
    ),
    ...manifest.packages.map(({ name, version }) => `  from ${name} ${version}`),
    `  ${manifest.modules.length} kernel modules for ${manifest.kernelVersion}`,
  ]
  return lines.join('\n') + '\n'
}
