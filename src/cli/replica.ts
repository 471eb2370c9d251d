/** `byzfs replica`: one replica, in the foreground. */
import { type Command, Option } from 'commander';
import type { ReplicaServer } from '../../replica/server.js';
import { systemCode } from '../cluster/errors.js';
import { loadCluster } from '../cluster/file.js';
import { loadReplicaIdentity } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import { formatHttpAddress, type HttpAddress } from '../http/address.js';
import { Limits } from '../limits.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine } from './errors.js';
import { httpArguments, httpOption, httpPeers, httpPeersOption } from './http.js';
import { endWithKeeper, type Kept, keep, RECOVERS } from './keeper.js';
import { notifyManager, startWatchdog } from './notify.js';
import { integerIn } from './options.js';
import { describeTakenPort } from './proc.js';
import { announce, removePid, runningReplica, writePid } from './processes.js';
import { openLog, profileReplica, replicaRoom, servePages } from './rooms.js';
import { stopRequested } from './signals.js';

/** A damaged state is replaced within this process, but not more often than this. */
const REPLACED_MS = 60_000;
interface Given {
  cluster: string;
  id: number;
  rejoin?: boolean;
  http?: HttpAddress;
  httpPeers?: HttpAddress[];
  /** By a keeper. */
  kept?: Kept;
}

const EXAMPLES = `
Examples:
  byzfs replica --cluster DIR --id 2              until SIGTERM; systemd units are in docs/systemd
  byzfs replica --cluster DIR --id 2 --rejoin     after its disk was lost, or an old backup put back
`;

export function register(program: Command): void {
  program
    .command('replica')
    .description('run one replica in the foreground, until SIGTERM or SIGINT; logs JSON lines on stderr')
    .requiredOption('--cluster <dir>', 'cluster directory')
    .requiredOption('--id <n>', 'which replica', integerIn(0, 3 * Limits.maxFaults))
    .option('--rejoin', 'its disk was lost: begin anew, and say nothing until the others have brought it up to date')
    .addOption(httpOption('serve status page and metrics there'))
    .addOption(httpPeersOption())
    .addOption(new Option('--kept <how>').choices(['first', 'recovering']).hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async ({ cluster, id, rejoin = false, ...more }: Given) => {
      await run(canonicalDirectory(cluster), id, { rejoin, ...more });
    });
}

async function run(directory: string, id: number, given: Omit<Given, 'cluster' | 'id'>): Promise<void> {
  const { kept, http, httpPeers: peers, rejoin } = given;
  const cluster = loadCluster(directory);
  const identity = loadReplicaIdentity(directory, cluster, id);
  const layout = layoutOf(directory);
  if (kept === undefined) {
    const other = runningReplica(directory, id);
    if (other !== null) throw new CommandError(`replica-${id} runs already (pid ${other}): two would share one state`);
    if (cluster.recoveryPeriodSeconds > 0) return keep(directory, id, { rejoin, more: httpArguments(http, peers) });
  } else {
    endWithKeeper();
  }
  const addresses = http && httpPeers(cluster, { id, http, peers });
  const { startReplica, replaceReplica } = await replicaRoom();
  const log = await openLog(`replica-${id}`);
  const requested = stopRequested();
  const { host, port } = cluster.replicas[id];
  const refused = (error: unknown): never => {
    throw refusal(id, host, port, error);
  };
  const options = { cluster, identity, directory: layout.replica(id), log };
  const offerProfile = await profileReplica(id);
  // Its pages are there before it is.
  let shown: ReplicaServer | undefined;
  if (http !== undefined && addresses !== undefined) {
    const server = () => shown;
    await servePages({ cluster, identity, addresses, server, log }, http).catch((error) => {
      const what = `replica-${id} cannot serve its status page at ${formatHttpAddress(http)}`;
      throw new CommandError(`${what}: ${oneLine(error)}`);
    });
  }
  let replica = await startReplica({ ...options, rejoin, kept }).catch(refused);
  shown = replica;
  offerProfile?.(() => replica);
  if (kept === undefined) writePid(layout.replicaPid(id));
  await announce({ ready: true });
  startWatchdog();
  log.info({ host, port, pid: process.pid }, 'listening');
  try {
    const ended = () => Promise.race([requested, replica.failed, replica.recovers]);
    let end = await ended();
    for (let replacedAt = -REPLACED_MS; end instanceof Error; end = await ended()) {
      shown = undefined;
      // A disk that spoils one state after the other is for whoever looks after this machine.
      const soon = performance.now() - replacedAt < REPLACED_MS;
      const next = soon ? undefined : await replaceReplica(replica, end).catch(refused);
      if (next === undefined) throw new CommandError(`replica-${id} stopped itself: ${oneLine(end)}`);
      replacedAt = performance.now();
      replica = next;
      shown = next;
    }
    log.info({ signal: end }, 'stopping');
    if (kept === undefined) notifyManager('STOPPING=1');
    await replica.stop();
    if (end === 'recovers') process.exit(RECOVERS);
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
