/** Latency and throughput of single operations, without a mount: what the protocol itself costs. */

import type { ServiceClient } from '../../src/client/types.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { ADMIN } from '../../src/cluster/registry.js';
import type { Cluster, Identity } from '../../src/cluster/types.js';
import { type BenchCluster, startCluster } from '../cluster.js';
import { type BenchReport, machine, type PhaseReport, ratiosOf, totalSeconds } from '../report.js';
import { median, round } from '../statistics.js';
import { runFloor } from './floor.js';
import { closedLoop, type LoadResult } from './load.js';
import { MICRO_OPERATIONS, type MicroOperation, microCall } from './operations.js';

export interface MicroOptions {
  command: readonly string[];
  /** Opens a client of a cluster, in this process. */
  connect(cluster: Cluster, identity: Identity): Promise<ServiceClient>;
  outstanding: readonly number[];
  /** Calls measured in each run, after as many as warm up. */
  operations: number;
  warmUp: number;
  runs: number;
  /** Which of MICRO_CLUSTERS take part. */
  clusters: readonly string[];
  /** An external program to run in turn. */
  floor: string | null;
  signal: AbortSignal;
  progress: { start(total: number): void; step(target: string): void };
}

export const MICRO_CLUSTERS = ['byzfs', 'byzfs-f0'] as const;

const REPLICAS: Record<string, number> = { byzfs: 4, 'byzfs-f0': 1 };

interface Measurement {
  operation: MicroOperation;
  outstanding: number;
  label: string;
}

interface Target {
  name: string;
  /** Null: this target does not do such an operation. */
  measure(measurement: Measurement): Promise<LoadResult> | null;
  results: Map<string, LoadResult>[];
}

export async function runMicro(options: MicroOptions): Promise<BenchReport> {
  const { runs, signal, progress } = options;
  const clusters: BenchCluster[] = [];
  const clients: ServiceClient[] = [];
  try {
    const targets = await openTargets(options, clusters, clients);
    const measurements = MICRO_OPERATIONS.flatMap((operation) =>
      options.outstanding.map((outstanding) => ({
        operation,
        outstanding,
        label: `${operation.name}, ${outstanding} outstanding`,
      })),
    );
    progress.start(runs * measurements.length * targets.length);
    for (let run = 0; run < runs; run++) {
      for (const target of targets) target.results.push(new Map());
      for (const measurement of measurements) {
        for (let i = 0; i < targets.length; i++) {
          signal.throwIfAborted();
          const target = targets[(i + run) % targets.length];
          const result = await target.measure(measurement);
          if (result !== null) target.results[run].set(measurement.label, result);
          progress.step(target.name);
        }
      }
    }
    return report(options, targets);
  } finally {
    await Promise.allSettled(clients.map((client) => client.close()));
    const stops = await Promise.allSettled(clusters.map((cluster) => cluster.stop()));
    const failed = stops.find((result) => result.status === 'rejected');
    if (failed !== undefined) process.stderr.write(`byzfs: bench: ${(failed.reason as Error).message}\n`);
  }
}

async function openTargets(
  options: MicroOptions,
  clusters: BenchCluster[],
  clients: ServiceClient[],
): Promise<Target[]> {
  const targets: Target[] = [];
  for (const name of options.clusters) {
    const started = await startCluster({ command: options.command, replicas: REPLICAS[name], mount: false });
    clusters.push(started);
    const cluster = loadCluster(started.directory);
    const client = await options.connect(cluster, loadClientIdentity(started.directory, cluster, ADMIN));
    clients.push(client);
    const measure = async ({ operation, outstanding }: Measurement) => {
      const call = microCall(client, operation);
      await closedLoop(call, outstanding, options.warmUp);
      return closedLoop(call, outstanding, options.operations);
    };
    targets.push({ name, measure, results: [] });
  }
  const { floor, operations, signal } = options;
  if (floor !== null) {
    const measure = ({ operation, outstanding }: Measurement) => {
      if (operation.readOnly || operation.resultBytes > 0) return null;
      return runFloor(floor, outstanding, operations, operation.argumentBytes, signal);
    };
    targets.push({ name: 'floor', measure, results: [] });
  }
  return targets;
}

function phaseReport(name: string, results: readonly LoadResult[]): PhaseReport {
  const middle = (figure: (result: LoadResult) => number, digits: number) => round(median(results.map(figure)), digits);
  return {
    name,
    seconds: middle((result) => result.seconds, 4),
    operations: results[0].operations,
    runs: results.map((result) => round(result.seconds, 4)),
    p50Us: middle((result) => result.p50Us, 0),
    p99Us: middle((result) => result.p99Us, 0),
    opsPerSecond: middle((result) => result.opsPerSecond, 0),
  };
}

function report(options: MicroOptions, targets: readonly Target[]): BenchReport {
  const figures = targets.map(({ name, results }) => ({
    name,
    runs: results.map((run) => new Map([...run].map(([label, result]) => [label, result.seconds]))),
  }));
  return {
    bench: 'micro',
    parameters: {
      operations: options.operations,
      warmUp: options.warmUp,
      runs: options.runs,
      outstanding: options.outstanding,
      sizes: 'argument/result in KiB',
      client: 'one, in the process of the benchmark',
      durability: 'buffered',
      figures: 'medians over the runs, targets interleaved; ratios are of seconds for the same number of operations',
      ...(options.floor === null ? {} : { floor: options.floor, floorTentative: false }),
    },
    machine: machine(),
    targets: targets.map(({ name, results }, t) => ({
      name,
      phases: [...results[0].keys()].map((label) =>
        phaseReport(
          label,
          results.map((run) => run.get(label)!),
        ),
      ),
      totalSeconds: totalSeconds(figures[t].runs),
    })),
    ratios: ratiosOf(figures, false),
  };
}
