/** `byzfs replica`: one replica, in the foreground. */
import type { Command } from 'commander';
import { systemCode } from '../cluster/errors.js';
import { loadCluster } from '../cluster/file.js';
import { loadReplicaIdentity } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import { Limits } from '../limits.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine } from './errors.js';
import { integerIn } from './options.js';
import { describeTakenPort } from './proc.js';
import { announce, removePid, runningReplica, writePid } from './processes.js';
import { openLog, replicaRoom } from './rooms.js';
import { stopRequested } from './signals.js';

/** A damaged state is replaced within this process, but not more often than this. */
const REPLACED_MS = 60_000;

export function register(program: Command): void {
  program
    .command('replica')
    .description('run one replica in the foreground, until SIGTERM or SIGINT; logs JSON lines on stderr')
    .requiredOption('--cluster <dir>', 'cluster directory')
    .requiredOption('--id <n>', 'which replica', integerIn(0, 3 * Limits.maxFaults))
    .action(async (options: { cluster: string; id: number }) => run(canonicalDirectory(options.cluster), options.id));
}

async function run(directory: string, id: number): Promise<void> {
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
  let replica = await startReplica({ cluster, identity, directory: layout.replica(id), log }).catch(refused);
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
    default:
      return new CommandError(oneLine(error));
  }
}
