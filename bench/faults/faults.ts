/** Throughput and latency while replicas are killed, lie, come back and recover: no operation may fail, or be wrong. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceClient } from '../../src/client/types.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { layoutOf } from '../../src/cluster/layout.js';
import { ADMIN } from '../../src/cluster/registry.js';
import type { Cluster, Identity } from '../../src/cluster/types.js';
import { type BenchCluster, startCluster } from '../cluster.js';
import { BenchmarkError } from '../errors.js';
import { type BenchReport, machine, type Timeline } from '../report.js';
import { startLoad } from './load.js';
import { recoveriesIn } from './recoveries.js';
import { type Inspect, Replicas, type ReplicaView } from './replicas.js';
import { FAULTS, type Fault, playFaults } from './script.js';
import { type Happening, timelineOf } from './timeline.js';
import { nullOperations, smallFiles, type Workload } from './workloads.js';

/** A client that can also ask a replica how it is. */
export interface InspectingClient extends ServiceClient {
  inspect(replica: number, timeoutMs: number): Promise<unknown>;
}

export type Scene = Fault | 'recovery';

export const SCENES: readonly Scene[] = [...FAULTS, 'recovery'];

export interface FaultsOptions {
  command: readonly string[];
  connect(cluster: Cluster, identity: Identity): Promise<InspectingClient>;
  /** Of `SCENES`. */
  scenes: readonly Scene[];
  workloads: readonly ('micro' | 'mount')[];
  outstanding: number;
  /** Between two events. */
  pauseSeconds: number;
  /** In which each replica recovers once: that long the last scene takes. */
  recoverySeconds: number;
  signal: AbortSignal;
  progress: { start(total: number): void; step(what: string): void };
}

const REPLICAS = 4;
const BIN_MS = 100;
const INSPECT_MS = 1000;
const ON_A_MOUNT = 4;
/** Before the clock starts: code that has just been started is not compiled yet. */
const WARM_UP_MS = 3000;

interface Setting extends BenchCluster {
  client: InspectingClient;
  replicas: Replicas;
}

export async function runFaults(options: FaultsOptions): Promise<BenchReport> {
  const { workloads, scenes, outstanding, pauseSeconds, recoverySeconds, progress } = options;
  const faults = FAULTS.filter((fault) => scenes.includes(fault));
  const recovers = scenes.includes('recovery');
  progress.start(workloads.length * (2 * faults.length + (recovers ? 1 : 0)));
  const timelines: Timeline[] = [];
  for (const kind of workloads) {
    if (faults.length > 0)
      timelines.push(await onCluster(options, kind, [], (setting, each) => faultsOn(options, setting, each, faults)));
    if (recovers) {
      const init = ['--recovery-period', String(recoverySeconds)];
      timelines.push(await onCluster(options, kind, init, (setting, each) => recoveryOn(options, setting, each)));
    }
  }
  return {
    bench: 'faults',
    parameters: {
      ...{ scenes, workloads, outstanding, outstandingOnMount: ON_A_MOUNT, pauseSeconds, recoverySeconds },
      warmUp: `${WARM_UP_MS / 1000} s of the same, not counted`,
      replicas: REPLICAS,
      ...{ durability: 'buffered', requestAuthentication: 'signature', cacheProfile: 'session', fsync: false },
      longestGap: 'the longest time without any answer between an event and the next: the service resumed within it',
      verified: 'no operation failed; results, and every byte read back',
    },
    machine: machine(),
    targets: [],
    ratios: {},
    timelines,
  };
}

async function onCluster(
  { command, connect, outstanding, signal }: FaultsOptions,
  kind: 'micro' | 'mount',
  init: readonly string[],
  run: (setting: Setting, workload: Workload) => Promise<Timeline>,
): Promise<Timeline> {
  signal.throwIfAborted();
  const cluster = await startCluster({ command, replicas: REPLICAS, init, mount: kind === 'mount' });
  let client: InspectingClient | undefined;
  let replicas: Replicas | undefined;
  try {
    const description = loadCluster(cluster.directory);
    client = await connect(description, loadClientIdentity(cluster.directory, description, ADMIN));
    replicas = new Replicas(cluster.directory, REPLICAS, command, inspectBy(client));
    const workload =
      kind === 'micro' ? nullOperations(client, outstanding) : await smallFiles(cluster.mountpoint!, ON_A_MOUNT);
    const warmUp = startLoad(workload.once, workload.outstanding);
    await Promise.race([delay(WARM_UP_MS, undefined, { signal }), warmUp.failed]).finally(() => warmUp.stop());
    return await run({ ...cluster, client, replicas }, workload);
  } finally {
    await client?.close().catch(() => undefined);
    // The replicas that were started here serve the mount until it is gone.
    await cluster.stop().finally(() => replicas?.end());
  }
}

const inspectBy =
  (client: InspectingClient): Inspect =>
  async (id) => {
    const told = (await client.inspect(id, INSPECT_MS)) as Partial<ReplicaView> | null | undefined;
    if (typeof told?.view !== 'number' || typeof told.state !== 'string') return null;
    return { view: told.view, state: told.state };
  };

const named = ({ name, operation, outstanding }: Workload, suffix: string) => ({
  ...{ name: `${name}${suffix}`, operation, outstanding, binMs: BIN_MS },
});

async function faultsOn(
  { pauseSeconds, signal, progress }: FaultsOptions,
  { replicas }: Setting,
  workload: Workload,
  faults: readonly Fault[],
): Promise<Timeline> {
  const load = startLoad(workload.once, workload.outstanding);
  const over = new AbortController();
  signal.addEventListener('abort', () => over.abort(signal.reason), { once: true });
  load.failed.catch((error) => over.abort(error));
  const stage = { replicas, now: load.now, pauseMs: pauseSeconds * 1000, signal: over.signal, step: progress.step };
  // Not raced with a failure: nothing must be started any more when the cluster is taken down.
  const happened = await playFaults(faults, stage).catch(async (error) => {
    await load.stop().catch(() => undefined);
    throw over.signal.aborted ? over.signal.reason : error;
  });
  const durationMs = load.now();
  await load.stop();
  return timelineOf(named(workload, ''), load.answers, happened, durationMs);
}

async function recoveryOn(
  { recoverySeconds, signal, progress }: FaultsOptions,
  { directory, replicas }: Setting,
  workload: Workload,
): Promise<Timeline> {
  await replicas.allNormal(signal);
  const beginMs = Date.now();
  const load = startLoad(workload.once, workload.outstanding);
  await Promise.race([delay(recoverySeconds * 1000, undefined, { signal }), load.failed]);
  const durationMs = load.now();
  await load.stop();
  const logOf = (id: number) => readFileSync(layoutOf(directory).replicaLog(id), 'utf8');
  const happened: Happening[] = Array.from({ length: replicas.n }, (_, id) =>
    recoveriesIn(id, logOf(id), beginMs, durationMs),
  ).flat();
  if (!happened.some(({ name }) => name.endsWith('has recovered'))) {
    throw new BenchmarkError(`no replica recovered within ${recoverySeconds} s`);
  }
  progress.step('recoveries');
  happened.sort((a, b) => a.atMs - b.atMs);
  return timelineOf(named(workload, ', proactive recovery'), load.answers, happened, durationMs);
}
