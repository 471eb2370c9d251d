#!/usr/bin/env node
/**
 * mount.fuse.byzfs: what mount(8) runs for `mount -t fuse.byzfs DIR MOUNTPOINT` and for lines of fstab(5), as
 *   mount.fuse.byzfs DIR MOUNTPOINT [-sfnv] [-N namespace] [-o options] [-t type]
 * Mounts as `byzfs mount` does. DIR may have `byzfs:` before it, as it has in the table of mounts: `mount -a` then sees
 * what is mounted already. Exit status as mount(8): 0 mounted, 1 wrong usage, 32 failed.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PASSPHRASE_FILE_VARIABLE } from '../cluster/passphrase.js';
import { DEFAULT_MOUNT_CLIENT } from '../cluster/registry.js';
import { canonicalDirectory } from './directory.js';
import { oneLine, UsageError } from './errors.js';
import { checkOptions, type MountRequest, mountDetached } from './mount.js';
import { canonicalMountpoint, SOURCE_PREFIX } from './mount-table.js';
import { clientName } from './options.js';

const NAME = 'mount.fuse.byzfs';
const USAGE = `${NAME} DIR MOUNTPOINT [-sfnv] [-o OPTIONS]`;
const ExitStatus = { MOUNTED: 0, USAGE: 1, FAILED: 32 } as const;

interface HelperCall {
  request: MountRequest;
  /** Everything but mounting. */
  fake: boolean;
}

/** @throws UsageError */
async function parsed(args: readonly string[]): Promise<HelperCall> {
  const { values, positionals } = parseOrRefuse(args);
  if (positionals.length !== 2) throw new UsageError('a cluster directory and a mount point are needed');
  if (values.namespace !== undefined) throw new UsageError('another mount namespace cannot be mounted in: nsenter it');
  const [source, mountpoint] = positionals;
  const options = (values.options ?? []).flatMap((list) => list.split(','));
  const own = (name: string) => options.findLast((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const client = own('client');
  const passphraseFile = own('passphrase-file');
  if (passphraseFile !== undefined) process.env[PASSPHRASE_FILE_VARIABLE] = resolve(passphraseFile);
  const request = {
    directory: canonicalDirectory(source.startsWith(SOURCE_PREFIX) ? source.slice(SOURCE_PREFIX.length) : source),
    mountpoint: await canonicalMountpoint(mountpoint),
    client: client === undefined ? DEFAULT_MOUNT_CLIENT : clientName(client),
    options: options.filter((option) => !OWN_OPTIONS.test(option)),
    sloppy: values.sloppy ?? false,
  };
  return { request, fake: values.fake ?? false };
}

/** Which registered client to be, and what opens its key: a line of fstab has no other place for it. */
const OWN_OPTIONS = /^(client|passphrase-file)=/;

function parseOrRefuse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        options: { type: 'string', short: 'o', multiple: true },
        sloppy: { type: 'boolean', short: 's' },
        fake: { type: 'boolean', short: 'f' },
        // There is no /etc/mtab to write, and nothing to be told beside errors.
        'no-mtab': { type: 'boolean', short: 'n' },
        verbose: { type: 'boolean', short: 'v' },
        namespace: { type: 'string', short: 'N' },
        type: { type: 'string', short: 't' },
      },
    });
  } catch (error) {
    throw new UsageError(oneLine(error));
  }
}

/** @returns the exit status; of a failure one line is on stderr */
export async function mountHelper(args: readonly string[]): Promise<number> {
  try {
    const { request, fake } = await parsed(args);
    if (fake) await checkOptions(request);
    else await mountDetached(request);
    return ExitStatus.MOUNTED;
  } catch (error) {
    const usage = error instanceof UsageError || (error as { code?: string }).code === 'commander.invalidArgument';
    process.stderr.write(`${NAME}: ${oneLine(error)}${usage ? `: ${USAGE}` : ''}\n`);
    return usage ? ExitStatus.USAGE : ExitStatus.FAILED;
  }
}

/** mount(8) reaches it through a symbolic link. */
const isProgram = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);

if (isProgram) process.exit(await mountHelper(process.argv.slice(2)));
