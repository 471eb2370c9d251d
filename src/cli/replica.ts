/** `byzfs replica`: one replica, in the foreground. */
import type { Command } from 'commander';
import { systemCode } from '../cluster/errors.js';
import { loadCluster } from '../cluster/file.js';
import { loadReplicaIdentity } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import { Limits } from '../limits.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine, UsageError } from './errors.js';
import { integerIn } from './options.js';
import { describeTakenPort } from './proc.js';
import { announce, removePid, runningReplica, writePid } from './processes.js';
import { openLog, replicaRoom } from './rooms.js';
import { stopRequested } from './signals.js';

/** A damaged state is replaced within this process, but not more often than this. */
const REPLACED_MS = 60_000;
interface Given {
  cluster: string;
  id: number;
  rejoin?: boolean;
  resume?: boolean;
}

export function register(program: Command): void {
  program
    .command('replica')
    .description('run one replica in the foreground, until SIGTERM or SIGINT; logs JSON lines on stderr')
    .requiredOption('--cluster <dir>', 'cluster directory')
    .requiredOption('--id <n>', 'which replica', integerIn(0, 3 * Limits.maxFaults))
    .option('--rejoin', 'its disk was lost: begin anew, and say nothing until the others have brought it up to date')
    .option('--resume', 'more than f replicas lost power together: go on from what is on their disks')
    .action(async ({ cluster, id, rejoin = false, resume = false }: Given) => {
      if (rejoin && resume) throw new UsageError('--rejoin and --resume: what is on its disk is of use, or it is not');
      await run(canonicalDirectory(cluster), id, { rejoin, resume });
    });
}

async function run(directory: string, id: number, after: Omit<Given, 'cluster' | 'id'>): Promise<void> {
  const cluster = loadCluster(directory);
  const identity = loadReplicaIdentity(directory, cluster, id);
  const layout = layoutOf(directory);
  const other = runningReplica(directory, id);
  if (other !== null) throw new CommandError(`replica-${id} runs already (pid ${other}): two would share one state`);
  const { startReplica, replaceReplica } = await replicaRoom();
  const log = await openLog(`replica-${id}`);
  const requested = stopRequested();
  const { host, port } = cluster.replicas[id];
  const refused = (error: unknown): never => {
    throw refusal(id, host, port, error);
  };
  const options = { cluster, identity, directory: layout.replica(id), log };
  let replica = await startReplica({ ...options, ...after }).catch(refused);
  writePid(layout.replicaPid(id));
  await announce({ ready: true });
  log.info({ host, port, pid: process.pid }, 'listening');
  try {
    let end = await Promise.race([requested, replica.failed]);
    for (let replacedAt = -REPLACED_MS; end instanceof Error; end = await Promise.race([requested, replica.failed])) {
      // A disk that spoils one state after the other is for whoever looks after this machine.
      const soon = performance.now() - replacedAt < REPLACED_MS;
      const next = soon ? undefined : await replaceReplica(replica).catch(refused);
      if (next === undefined) throw new CommandError(`replica-${id} stopped itself: ${oneLine(end)}`);
      replacedAt = performance.now();
      replica = next;
    }
    log.info({ signal: end }, 'stopping');
    await replica.stop();
  } finally {
    removePid(layout.replicaPid(id));
  }
}

function refusal(id: number, host: string, port: number, error: unknown): CommandError {
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new CommandError(
        `replica-${id} cannot listen: ${describeTakenPort(port)}: stop it, or change replicas[${id}].port everywhere`,
      );
    case 'EADDRNOTAVAIL':
      return new CommandError(`replica-${id} cannot listen: ${host} is no address of this machine`);
    case 'EACCES':
      return new CommandError(`replica-${id} cannot listen: ${host}:${port} is not allowed: ${oneLine(error)}`);
    case 'missing':
      return new CommandError(`${oneLine(error)}: if its disk was lost, start replica-${id} with --rejoin`);
    default:
      return new CommandError(oneLine(error));
  }
}
