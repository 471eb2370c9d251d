/** `byzfs umount`: unmounts, and waits until the process that served the mount has ended. */
import type { Command } from 'commander';
import { CommandError, oneLine } from './errors.js';
import { forceUnmount } from './forced-unmount.js';
import { lossOf, mountLog, servingMount, takeMountRecord } from './mount-records.js';
import { canonicalMountpoint, directoryOf, isStillMounted, type MountEntry, mountedAt } from './mount-table.js';
import { ended, stop } from './processes.js';
import { mountCommandRoom, mountpointRoom } from './rooms.js';

/** Long enough for a mount to send what it holds and to end its session. */
const END_MS = 10_000;

const EXAMPLES = `
Examples:
  byzfs umount /mnt             waits until all is sent
  byzfs umount /mnt --force     in use or hanging; says what was lost
`;

export function register(program: Command): void {
  program
    .command('umount')
    .description('unmount')
    .argument('<mountpoint>')
    .option('-f, --force', 'take it away even if it hangs or is in use, and end its process')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, { force = false }: { force?: boolean }) => {
      const { FILE_SYSTEM_TYPE } = await mountpointRoom();
      const entry = await mountedAt(path);
      if (entry === undefined)
        throw new CommandError(`${await canonicalMountpoint(path)} is not mounted: nothing to do`);
      if (entry.type !== FILE_SYSTEM_TYPE) {
        throw new CommandError(
          `${entry.mountpoint} is no byzfs mount but ${entry.source} (${entry.type}): umount(8) it`,
        );
      }
      const done = await (force ? forceUnmount(entry) : unmount(entry));
      if (!done.lossless) throw new CommandError(done.line);
    });
}

export interface Unmounted {
  /** What was done, for people. */
  line: string;
  lossless: boolean;
}

/**
 * Unmounts one byzfs mount. One that does not answer, its cluster being gone, is taken away with its process.
 * @throws CommandError, above all while something in it is in use
 */
export async function unmount(entry: MountEntry): Promise<Unmounted> {
  const { mountpoint } = entry;
  const directory = directoryOf(entry);
  const command = await mountCommandRoom();
  const server = servingMount(directory, mountpoint);
  let done = 'unmounted';
  try {
    await command.unmount(mountpoint);
  } catch (error) {
    if (await isStillMounted(entry)) {
      const why = oneLine(error).replace(/\.$/, '');
      if (/busy/.test(why)) {
        throw new CommandError(
          `${why}: close its files and leave its directories (fuser -vm shows who), or take it away with --force`,
        );
      }
      if (server !== null) await stop(server.pid, 0);
      if (await isStillMounted(entry)) await command.unmount(mountpoint, 'lazily');
      done = 'did not answer and was taken away';
    }
  }
  const killed = server !== null && !(await ended(server.pid, END_MS)) && (await stop(server.pid, 1000)) === 'killed';
  const loss = lossOf(takeMountRecord(directory, mountpoint), killed);
  if (loss === null) return { line: `${mountpoint} ${done}`, lossless: true };
  return { line: `${mountpoint} ${done}; ${loss}: see ${mountLog(directory, mountpoint)}`, lossless: false };
}
