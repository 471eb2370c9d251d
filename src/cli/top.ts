/** `byzfs top`: what the replicas say, and do in a second, again and again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ReplicaClient } from '../client/connect.js';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity } from '../cluster/identity.js';
import { ADMIN } from '../cluster/registry.js';
import type { Cluster } from '../cluster/types.js';
import { duration, figure } from '../drawing/scales.js';
import { headline } from '../status/headline.js';
import type { Rates } from '../status/rates.js';
import { type Look, Watch } from '../status/watch.js';
import { canonicalDirectory } from './directory.js';
import { askAll } from './inspection.js';
import { seconds } from './options.js';
import { connect, openQuietLog } from './rooms.js';
import { Screen } from './screen.js';
import { stopRequested } from './signals.js';
import { remarksOf, shown, stateOf } from './status.js';
import { table } from './table.js';

interface Given {
  once?: boolean;
  json?: boolean;
  interval: number;
}

const EXAMPLES = `
Examples:
  byzfs top DIR                  until q is pressed
  byzfs top DIR --interval 10    a look every ten seconds
  byzfs top DIR --once --json    one line, of one interval, for scripts
`;

export function register(program: Command): void {
  program
    .command('top')
    .description(
      'watch the replicas: view, progress, calls a second and their latency, transfers, suspicion; q ends it',
    )
    .argument('<dir>', 'cluster directory')
    .option('--once', 'look once, over one interval')
    .option('--json', 'a line for each look, for machines')
    .option('--interval <seconds>', 'from one look to the next', seconds(0.2, 3600), 2)
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, given: Given) => {
      const directory = canonicalDirectory(dir);
      await watch(directory, loadCluster(directory), given);
    });
}

async function watch(
  directory: string,
  cluster: Cluster,
  { once = false, json = false, interval }: Given,
): Promise<void> {
  const identity = loadClientIdentity(directory, cluster, ADMIN);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  void stopRequested().then(end);
  const intervalMs = interval * 1000;
  const client = await connect({ cluster, identity, log: await openQuietLog('top'), deadlineMs: intervalMs });
  const isWatched = process.stdout.isTTY && !once && !json;
  const keys = process.stdin.isTTY ? process.stdin : undefined;
  const screen = isWatched ? new Screen(keys, process.stdout, end) : undefined;
  try {
    for await (const look of looks(client, cluster, intervalMs, ended.signal)) {
      const text = json ? `${JSON.stringify(forMachines(look))}\n` : inWords(cluster, look);
      if (screen === undefined) process.stdout.write(text);
      else screen.show(text);
      if (once) break;
    }
  } finally {
    screen?.leave();
    await client.close();
  }
}

/** The first is taken when there is something to compare it with. */
async function* looks(
  client: Pick<ReplicaClient, 'inspect'>,
  cluster: Cluster,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<Look> {
  const watching = new Watch({ cluster: cluster.id.toString('hex'), f: cluster.f });
  const take = async (): Promise<Look> => {
    const answers = await askAll(cluster, (id, timeoutMs) => client.inspect(id, timeoutMs), intervalMs);
    return watching.look(performance.now(), answers);
  };
  const begun = performance.now();
  await take();
  for (let number = 1; !signal.aborted; number++) {
    const next = Math.max(begun + number * intervalMs, performance.now());
    await delay(next - performance.now(), undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) yield await take();
  }
}

function forMachines({ status, agreement, rates, vouched }: Look): object {
  const named = ({ callsPerSecond, p50, p99 }: Rates) => ({ callsPerSecond, p50Seconds: p50, p99Seconds: p99 });
  const replicas = status.replicas.map(({ work: _, ...replica }) => ({ ...replica, ...named(rates[replica.id]) }));
  return { time: new Date().toISOString(), ...status, ...named(vouched), agreement, replicas };
}

/** A look for people. */
export function inWords(cluster: Cluster, { status, rates, vouched }: Look): string {
  const rate = ({ callsPerSecond }: Rates) => (callsPerSecond === null ? '-' : figure(callsPerSecond));
  const time = (value: number | null) => (value === null ? '-' : duration(value));
  const rows = status.replicas.map((replica) => {
    const { id, view, lastExecuted, stableCheckpoint, stateRoot, suspected } = replica;
    const { host, port } = cluster.replicas[id];
    return [
      `${id}${id === status.primary ? ' primary' : ''}`,
      `${host}:${port}`,
      replica.up ? stateOf(replica) : 'down',
      ...[view, lastExecuted, stableCheckpoint].map(shown),
      stateRoot ? stateRoot.slice(0, 16) : '-',
      ...[rate(rates[id]), time(rates[id].p50), time(rates[id].p99)],
      suspected ?? '',
    ];
  });
  const header = ['replica', 'address', 'state', 'view', 'executed', 'checkpoint', 'root', 'calls/s', 'p50', 'p99'];
  return (
    `cluster ${status.cluster.slice(0, 16)}  f = ${status.f}  ${new Date().toTimeString().slice(0, 8)}\n` +
    `${headline(status).text}\n` +
    `${rate(vouched)} calls a second, median ${time(vouched.p50)}, 99 % within ${time(vouched.p99)}\n\n` +
    table([...header, 'suspected'], rows) +
    remarksOf(status)
  );
}
