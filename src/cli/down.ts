/** `byzfs down`: unmounts what is mounted from a cluster directory and stops its processes on this machine. */
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import type { Cluster } from '../cluster/types.js';
import { canonicalDirectory, DEFAULT_DIRECTORY } from './directory.js';
import { CommandError } from './errors.js';
import { servingMounts } from './mount-records.js';
import { mountsOf } from './mount-table.js';
import { ended, runningReplica, runningSupervisor, stop } from './processes.js';
import { unmount } from './umount.js';

/** A replica writes out what it holds when it is asked to stop. */
const STOP_MS = 15_000;

const EXAMPLES = `
Examples:
  byzfs down                  what byzfs up has left running of ./.byzfs
  byzfs down --dir DIR        unmounts, and stops the replicas that run here
`;

export function register(program: Command): void {
  program
    .command('down')
    .description('unmount, and stop the replicas that run here')
    .option('--dir <dir>', 'cluster directory', DEFAULT_DIRECTORY)
    .addHelpText('after', EXAMPLES)
    .action(async (options: { dir: string }) => {
      const directory = canonicalDirectory(options.dir);
      const cluster = loadCluster(directory);
      const done: string[] = [];
      const supervisor = runningSupervisor(directory);
      if (supervisor !== null) {
        // It would start again what is stopped under its eyes; asked to end, it does the same as below.
        const how = await stop(supervisor, 2 * STOP_MS);
        done.push(`byzfs up (pid ${supervisor}) ${how}`);
      }
      done.push(...(await takeDown(directory, cluster)));
      process.stdout.write(done.length === 0 ? `nothing of ${directory} runs here\n` : `${done.join('\n')}\n`);
    });
}

/**
 * Unmounts first, while the replicas can still answer, then stops them all at once.
 * @returns what was done, a line each
 * @throws CommandError while a mount is in use: its replicas are left running
 */
export async function takeDown(directory: string, cluster: Cluster): Promise<string[]> {
  const done: string[] = [];
  for (const entry of await mountsOf(directory)) {
    done.push((await unmount(entry)).line);
  }
  for (const { pid, mountpoint } of servingMounts(directory)) {
    if (!(await ended(pid, 1000))) done.push(`the process of ${mountpoint} (pid ${pid}) ${await stop(pid, 5000)}`);
  }
  const stops = cluster.replicas.map(async ({ id }) => {
    const pid = runningReplica(directory, id);
    if (pid === null) return;
    const how = await stop(pid, STOP_MS);
    if (runningReplica(directory, id) !== null)
      throw new CommandError(`replica-${id} (pid ${pid}) does not end: kill -9 ${pid}`);
    done.push(`replica-${id} (pid ${pid}) ${how}`);
  });
  await Promise.all(stops);
  return done;
}
