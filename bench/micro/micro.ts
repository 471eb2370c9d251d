/** Latency and throughput of single operations, without a mount: what the protocol itself costs. */

import type { ServiceClient } from '../../src/client/types.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { ADMIN } from '../../src/cluster/registry.js';
import type { Cluster, Identity } from '../../src/cluster/types.js';
import type { NetCounters } from '../../src/net/counters.js';
import { CallWatch } from '../../src/profiling/calls.js';
import { timeClient, timeNetwork } from '../../src/profiling/sections.js';
import { Stopwatch } from '../../src/profiling/stopwatch.js';
import { startCluster } from '../cluster.js';
import { BenchmarkError } from '../errors.js';
import { Collector } from '../profile/collect.js';
import type { BenchReport } from '../report.js';
import { DEFAULT, type Group, groupsOf, type Measurement, type MicroCluster } from './clusters.js';
import { FLOOR_ARGUMENT_BYTES, runFloor } from './floor.js';
import { closedLoop, type LoadResult } from './load.js';
import { MICRO_OPERATIONS, microCall } from './operations.js';
import { type GroupResults, microReport } from './report.js';

export interface MicroOptions {
  command: readonly string[];
  /** Opens a client of a cluster, in this process. */
  connect(cluster: Cluster, identity: Identity): Promise<ServiceClient & { readonly net: NetCounters }>;
  outstanding: readonly number[];
  /** Calls measured in each run, after as many as warm up. */
  operations: number;
  warmUp: number;
  runs: number;
  /** Which of MICRO_CLUSTERS take part. */
  clusters: readonly string[];
  /** An external program to run in turn. */
  floor: string | null;
  /** The clusters, and this process as their client, measure where their time goes. */
  profile?: boolean;
  signal: AbortSignal;
  progress: { start(total: number): void; step(target: string): void };
}

/**
 * A cluster that was just started runs code that is not compiled yet, where the one it is compared with has long been
 * warm: calls with the fewest outstanding, then three times as many with the most. Never more than some runs' worth.
 */
const OPENING = { calls: 4000, runs: 20 };

/** Something that can be measured; null: it does not do such an operation. */
type Measure = (measurement: Measurement) => Promise<LoadResult> | null;

interface Opened {
  client: ServiceClient;
  collector: Collector | undefined;
  stop(): Promise<void>;
}

/** The clusters that are up: the default one all the time, another only while it is measured. */
class Clusters {
  private readonly opened = new Map<string, Opened>();
  /** Of this process. */
  private readonly stopwatch: Stopwatch | undefined;

  constructor(private readonly options: MicroOptions) {
    if (!options.profile) return;
    this.stopwatch = new Stopwatch();
    timeNetwork(this.stopwatch);
    timeClient(this.stopwatch);
  }

  private async open({ replicas, init }: MicroCluster): Promise<Opened> {
    const { command, connect, profile } = this.options;
    const { directory, profiles, stop } = await startCluster({ command, replicas, init, mount: false, profile });
    try {
      const cluster = loadCluster(directory);
      const client = await connect(cluster, loadClientIdentity(directory, cluster, ADMIN));
      const { stopwatch } = this;
      if (stopwatch === undefined || profiles === undefined) return { client, collector: undefined, stop };
      const watch = new CallWatch();
      const collector = new Collector(profiles, replicas, async () => watch.figures(stopwatch, client.net));
      return { client: watch.watched(client), collector, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async measure(cluster: MicroCluster): Promise<Measure> {
    const { operations, warmUp, outstanding } = this.options;
    let opened = this.opened.get(cluster.name);
    if (opened === undefined) {
      opened = await this.open(cluster);
      this.opened.set(cluster.name, opened);
      const first = microCall(opened.client, MICRO_OPERATIONS[0]);
      const calls = Math.min(OPENING.calls, OPENING.runs * operations);
      await closedLoop(first, Math.min(...outstanding), calls);
      if (outstanding.length > 1) await closedLoop(first, Math.max(...outstanding), 3 * calls);
    }
    const { client, collector } = opened;
    return async ({ operation, outstanding }) => {
      const call = microCall(client, operation);
      const { share = 1 } = operation;
      await closedLoop(call, outstanding, Math.ceil(share * warmUp));
      await collector?.begin();
      const result = await closedLoop(call, outstanding, Math.ceil(share * operations));
      return { ...result, figures: await collector?.end() };
    };
  }

  /** @throws the first failure, when all others are closed */
  async closeAllBut(kept: string | undefined): Promise<void> {
    const closings = [...this.opened].map(async ([name, { client, stop }]) => {
      if (name === kept) return;
      this.opened.delete(name);
      await client.close();
      await stop();
    });
    const failed = (await Promise.allSettled(closings)).find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

export async function runMicro(options: MicroOptions): Promise<BenchReport> {
  const { runs, signal, progress } = options;
  const groups = groupsOf(options.clusters, options.outstanding);
  if (groups.length === 0) throw new BenchmarkError('nothing is measured with so many calls outstanding');
  const results = groups.map(({ variant }): GroupResults => ({ variant, targets: new Map() }));
  const clusters = new Clusters(options);
  try {
    const steps = groups.map((group) => group.measurements.length * (group.clusters.length + floors(options, group)));
    progress.start(runs * steps.reduce((sum, each) => sum + each, 0));
    for (let run = 0; run < runs; run++) {
      for (const [g, group] of groups.entries()) {
        signal.throwIfAborted();
        const targets = new Map<string, Measure>();
        for (const cluster of group.clusters) targets.set(cluster.name, await clusters.measure(cluster));
        if (floors(options, group) > 0) targets.set('floor', floorOf(options));
        await interleave(options, group, targets, run, results[g]);
        await clusters.closeAllBut(groups.length > 1 ? DEFAULT.name : undefined);
      }
    }
    return microReport(options, results);
  } finally {
    await clusters
      .closeAllBut(undefined)
      .catch((error: Error) => process.stderr.write(`byzfs: bench: ${error.message}\n`));
  }
}

/** Another target takes the first turn in every run. */
async function interleave(
  { signal, progress }: MicroOptions,
  group: Group,
  targets: ReadonlyMap<string, Measure>,
  run: number,
  results: GroupResults,
): Promise<void> {
  const order = [...targets];
  for (const [name] of order) {
    if (!results.targets.has(name)) results.targets.set(name, []);
    results.targets.get(name)!.push(new Map());
  }
  for (const measurement of group.measurements) {
    for (let i = 0; i < order.length; i++) {
      signal.throwIfAborted();
      const [name, measure] = order[(i + run) % order.length];
      const result = await measure(measurement);
      if (result !== null) results.targets.get(name)![run].set(measurement.label, result);
      progress.step(name);
    }
  }
}

/** The floor runs beside the clusters that are compared with each other, not beside the variants. */
const floors = ({ floor }: MicroOptions, { variant }: Group): number =>
  floor !== null && variant === undefined ? 1 : 0;

/** It is started anew for each run, so that its median must not be that of its first calls. */
const FEWEST_FLOOR_CALLS = 4000;

const floorOf =
  ({ floor, operations, signal }: MicroOptions): Measure =>
  ({ operation, outstanding }) => {
    const { readOnly, resultBytes, argumentBytes, share = 1 } = operation;
    if (readOnly || resultBytes > 0 || argumentBytes > FLOOR_ARGUMENT_BYTES) return null;
    const measured = Math.ceil(share * operations);
    return floorRun(floor!, outstanding, measured, argumentBytes, signal);
  };

/** More calls than are asked for, and the time that those would have taken. */
async function floorRun(
  path: string,
  outstanding: number,
  operations: number,
  argumentBytes: number,
  signal: AbortSignal,
): Promise<LoadResult> {
  const calls = Math.max(FEWEST_FLOOR_CALLS, operations);
  const result = await runFloor(path, outstanding, calls, argumentBytes, signal);
  return { ...result, operations, seconds: (result.seconds * operations) / calls };
}
