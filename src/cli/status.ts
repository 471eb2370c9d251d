/** `byzfs status`: what the replicas say, side by side. */
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity } from '../cluster/identity.js';
import { ADMIN } from '../cluster/registry.js';
import type { Cluster } from '../cluster/types.js';
import { encodeOperation } from '../fileservice/operations.js';
import type { ClusterStatus, ReplicaStatus } from '../status/verdicts.js';
import { barrier } from './barrier.js';
import { canonicalDirectory } from './directory.js';
import { type Inspect, inspectAll } from './inspection.js';
import { clientToAskAs } from './local-clients.js';
import { type ObservedStatus, Observer, remarks } from './observer.js';
import { connect, openQuietLog } from './rooms.js';
import { table } from './table.js';

const INSPECT_MS = 2000;
const CALL_MS = 10_000;

const EXAMPLES = `
Examples:
  byzfs status DIR               who is up, in which view, with what state; the cluster's digest
  byzfs status DIR --barrier     with states that can be compared, though nothing happens
  byzfs status DIR --json        { "quorum": true, "replicas": [{ "id": 0, "up": true, ... }], ... }
`;

export function register(program: Command): void {
  program
    .command('status')
    .description('what the replicas say: who is up, in which view, with what state')
    .argument('<dir>', 'cluster directory')
    .option('--json', 'for machines')
    .option('--barrier', 'order null operations up to a checkpoint first, so that the states can be compared')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, options: { json?: boolean; barrier?: boolean }) => {
      const directory = canonicalDirectory(dir);
      const cluster = loadCluster(directory);
      const status = await clusterStatusOf(directory, cluster, options.barrier ?? false);
      process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : describe(cluster, status) + remarks(status));
    });
}

export async function clusterStatusOf(
  directory: string,
  cluster: Cluster,
  toBarrier: boolean,
): Promise<ObservedStatus> {
  const identity = loadClientIdentity(directory, cluster, clientToAskAs(directory, cluster) ?? ADMIN);
  const client = await connect({ cluster, identity, log: await openQuietLog('status'), deadlineMs: CALL_MS });
  try {
    const observer = new Observer(client);
    const ask = observer.inspect;
    const first = await inspectAll(cluster, ask, INSPECT_MS);
    if (!toBarrier) return observer.observed(first);
    // A barrier asks many times: those that are down would make it wait each time.
    const answering = new Set(first.replicas.filter(({ up }) => up).map(({ id }) => id));
    const askAgain: Inspect = async (id, timeoutMs) => (answering.has(id) ? ask(id, timeoutMs) : null);
    const inspect = () => inspectAll(cluster, askAgain, INSPECT_MS);
    const nothing = encodeOperation(
      { uid: 0, gid: 0, groups: [] },
      { op: 'null', padding: Buffer.alloc(0), resultBytes: 0 },
    );
    return observer.observed(await barrier({ inspect, orderNull: async () => void (await client.call(nothing)) }));
  } finally {
    await client.close();
  }
}

export const shown = (value: number | string | null): string => (value === null ? '-' : String(value));

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export function stateOf({ state, transfer, recovery }: ReplicaStatus): string {
  if (state === null) return '?';
  if (transfer === null) return recovery === null || recovery.phase === 'resting' ? state : `${state}, recovers`;
  const { rows, rowsMissing, bytes } = transfer;
  return `${state}: ${rows} rows, ${megabytes(bytes)}; ${rowsMissing} rows or more to do`;
}

/** What a replica has mended or fetched since it was started, a line each. */
function repairsOf({ id, scrub, transferred }: ReplicaStatus): string {
  const lines: string[] = [];
  if (scrub !== null && scrub.damaged > 0) {
    lines.push(
      `replica ${id} found ${scrub.damaged} rows of its state altered on its disk: ` +
        (scrub.repaired < scrub.damaged ? 'they are being repaired from the others' : 'repaired from the others'),
    );
  }
  if (transferred !== null && transferred.transfers > 0) {
    const { transfers, rows, bytes } = transferred;
    const times = transfers === 1 ? 'a state transfer' : `${transfers} state transfers`;
    lines.push(`replica ${id} fetched ${rows} rows, ${megabytes(bytes)}, in ${times}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** What replicas say of others, their word alone, and of themselves: a line each. */
export function remarksOf({ replicas }: ClusterStatus): string {
  const accusations = replicas.flatMap(({ id, suspicions }) =>
    suspicions.map(({ replica, why }) => `replica ${id} suspects replica ${replica}: ${why}\n`),
  );
  return accusations.join('') + replicas.map(repairsOf).join('');
}

/** The status for people: a line for each replica, then what is remarkable. */
export function describe(cluster: Cluster, status: ClusterStatus): string {
  const rows = status.replicas.map((replica) => [
    `${replica.id}${replica.id === status.primary ? ' primary' : ''}`,
    `${cluster.replicas[replica.id].host}:${cluster.replicas[replica.id].port}`,
    replica.up ? stateOf(replica) : 'down',
    shown(replica.view),
    shown(replica.lastExecuted),
    shown(replica.stableCheckpoint),
    replica.stateRoot === null ? '-' : replica.stateRoot.slice(0, 16),
    replica.suspected ?? '',
  ]);
  const latest = Math.max(...status.replicas.map((replica) => replica.incarnation ?? 0));
  const incarnation = latest > 0 ? `  incarnation ${latest}` : '';
  const quorum = status.quorum ? 'quorum' : `NO QUORUM: ${2 * status.f + 1} replicas in one view are needed`;
  return (
    `cluster ${status.cluster}  f = ${status.f}${incarnation}  view ${shown(status.view)}  ${quorum}\n` +
    table(['replica', 'address', 'state', 'view', 'executed', 'checkpoint', 'root', 'suspected'], rows) +
    remarksOf(status)
  );
}
