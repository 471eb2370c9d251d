/** `byzfs umount`: unmounts, and waits until the process that served the mount has ended. */
import type { Command } from 'commander';
import { CommandError, oneLine } from './errors.js';
import { servingMount } from './mount-records.js';
import { canonicalMountpoint, directoryOf, type MountEntry, mountedAt } from './mount-table.js';
import { ended, stop } from './processes.js';
import { mountCommandRoom, mountpointRoom } from './rooms.js';

/** Long enough for a mount to send what it holds and to end its session. */
const END_MS = 10_000;

export function register(program: Command): void {
  program
    .command('umount')
    .description('unmount')
    .argument('<mountpoint>')
    .action(async (path: string) => {
      const { FILE_SYSTEM_TYPE } = await mountpointRoom();
      const entry = await mountedAt(path);
      if (entry === undefined)
        throw new CommandError(`${await canonicalMountpoint(path)} is not mounted: nothing to do`);
      if (entry.type !== FILE_SYSTEM_TYPE) {
        throw new CommandError(
          `${entry.mountpoint} is no byzfs mount but ${entry.source} (${entry.type}): umount(8) it`,
        );
      }
      const done = await unmount(entry);
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
  const clean: Unmounted = { line: `${entry.mountpoint} unmounted`, lossless: true };
  const command = await mountCommandRoom();
  const server = servingMount(directoryOf(entry), entry.mountpoint);
  try {
    await command.unmount(entry.mountpoint);
  } catch (error) {
    if (!(await isStillMounted(entry))) return clean;
    const why = oneLine(error).replace(/\.$/, '');
    if (/busy/.test(why)) {
      throw new CommandError(`${why}: close its files and leave its directories (fuser -vm shows who)`);
    }
    if (server !== null) await stop(server.pid, 0);
    if (await isStillMounted(entry)) await command.unmount(entry.mountpoint, true);
    return {
      line: `${entry.mountpoint} did not answer and was taken away: what it had not sent is lost`,
      lossless: false,
    };
  }
  if (server !== null && !(await ended(server.pid, END_MS))) await stop(server.pid, 1000);
  return clean;
}

async function isStillMounted(entry: MountEntry): Promise<boolean> {
  return (await mountedAt(entry.mountpoint))?.source === entry.source;
}
