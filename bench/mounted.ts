/**
 * A benchmark of file systems over several targets, interleaved: on a machine that wanders only figures of one round
 * compare. Each target first does a short run that is not counted: code that has just been started is not compiled yet.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchCluster } from './cluster.js';
import type { Collector } from './profile/collect.js';
import { profileOf } from './profile/profile.js';
import {
  type BenchReport,
  machine,
  type PhaseReport,
  type Run,
  ratiosOf,
  type Settings,
  type TargetReport,
  totalSeconds,
} from './report.js';
import { median, medianQuantiles, type Quantiles, quantiles, round } from './statistics.js';
import { openTargets, type Target, type TargetOptions } from './targets.js';

/** What one run of a phase came to. */
export interface PhaseTime {
  name: string;
  seconds: number;
  operations: number;
  bytes?: number;
  /** Milliseconds of each operation, where they were timed. */
  latencies?: readonly number[];
}

export interface MountedOptions extends TargetOptions {
  runs: number;
  /** Told how many parts there are, then each part done. */
  progress: { start(total: number): void; step(target: string): void };
}

export interface Turn {
  /** A directory of this turn's own, on the file system under test: made, empty, and removed with all in it, untimed. */
  work: string;
  /** Not counted: as short as may be. */
  warmUp: boolean;
  signal: AbortSignal;
  /** A part of the run is done; a signal that came meanwhile ends it. */
  step(): Promise<void>;
}

export interface MountedBenchmark {
  name: string;
  parameters: Record<string, unknown>;
  /** Calls of `step` in one run. */
  steps: number;
  /** Whether the sum of the phases means something. */
  withTotal: boolean;
  /** @throws BenchmarkError, above all if anything read back is not what was written */
  run(turn: Turn): Promise<PhaseTime[]>;
}

interface Measured {
  seconds: number;
  operations: number;
  bytes?: number;
  quantilesUs?: Quantiles;
}

/** One run of one target, by phase. */
type MeasuredRun = Map<string, Measured>;

export async function runMounted(options: MountedOptions, benchmark: MountedBenchmark): Promise<BenchReport> {
  const { runs, signal, progress } = options;
  const scratch = mkdtempSync(join(tmpdir(), `byzfs-${benchmark.name}-`));
  const clusters: BenchCluster[] = [];
  try {
    const targets = await openTargets(options, scratch, clusters);
    progress.start(targets.length * runs * benchmark.steps);
    for (const target of targets) await turnOf(benchmark, target, true, signal, () => {});
    const results = targets.map((): MeasuredRun[] => []);
    for (let run = 0; run < runs; run++) {
      // Another target takes the first turn in every run.
      for (let i = 0; i < targets.length; i++) {
        const t = (i + run) % targets.length;
        const step = () => progress.step(targets[t].name);
        results[t].push(condensed(await turnOf(benchmark, targets[t], false, signal, step)));
      }
    }
    return report(benchmark, runs, targets, results);
  } finally {
    const stops = await Promise.allSettled(clusters.map((cluster) => cluster.stop()));
    rmSync(scratch, { recursive: true, force: true });
    const failed = stops.find((result) => result.status === 'rejected');
    if (failed !== undefined) process.stderr.write(`byzfs: bench: ${(failed.reason as Error).message}\n`);
  }
}

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function turnOf(
  benchmark: MountedBenchmark,
  target: Target,
  warmUp: boolean,
  signal: AbortSignal,
  progress: () => void,
): Promise<PhaseTime[]> {
  const work = mkdtempSync(join(target.path, `.byzfs-${benchmark.name}-`));
  const step = async () => {
    progress();
    await breath();
    signal.throwIfAborted();
  };
  const remove = () => rmSync(work, { recursive: true, force: true });
  let times: PhaseTime[];
  try {
    if (!warmUp) await target.collector?.begin();
    times = await benchmark.run({ work, warmUp, signal, step });
    if (!warmUp) await target.collector?.end();
  } catch (error) {
    // On a file system that fails, each attempt to remove something may wait for its deadline.
    if ((error as NodeJS.ErrnoException).code !== 'EIO') remove();
    throw error;
  }
  remove();
  return times;
}

const condensed = (times: readonly PhaseTime[]): MeasuredRun =>
  new Map(
    times.map(({ name, latencies, ...rest }) => [
      name,
      latencies === undefined || latencies.length === 0 ? rest : { ...rest, quantilesUs: quantiles(latencies) },
    ]),
  );

function phaseReport(name: string, runs: readonly Measured[]): PhaseReport {
  const seconds = runs.map((run) => run.seconds);
  const { operations, bytes } = runs[0];
  const distributions = runs.flatMap(({ quantilesUs }) => (quantilesUs === undefined ? [] : [quantilesUs]));
  return {
    name,
    seconds: round(median(seconds), 4),
    operations,
    runs: seconds.map((value) => round(value, 4)),
    ...(bytes === undefined ? {} : { bytes }),
    ...(distributions.length === 0 ? {} : timed(medianQuantiles(distributions))),
    opsPerSecond: round(median(runs.map((run) => run.operations / run.seconds)), 1),
  };
}

function timed(quantilesUs: Quantiles): Partial<PhaseReport> {
  const at = (share: number) => quantilesUs.find(([each]) => each === share)?.[1];
  return { p50Us: at(0.5), p99Us: at(0.99), quantilesUs };
}

function report(
  { name, parameters, withTotal }: MountedBenchmark,
  runs: number,
  targets: readonly Target[],
  results: readonly MeasuredRun[][],
): BenchReport {
  const figures = targets.map((target, t) => ({
    name: target.name,
    runs: results[t].map((run): Run => new Map([...run].map(([phase, { seconds }]) => [phase, seconds]))),
  }));
  return {
    bench: name,
    parameters: {
      ...parameters,
      runs,
      warmUp: 'one short run of each target, not counted',
      figures: 'medians over the runs, targets interleaved; ratios are medians of the quotients within one run',
    },
    machine: machine(),
    targets: targets.map(({ name: target, settings, collector }, t) => ({
      name: target,
      settings,
      ...profiled(collector, settings),
      phases: [...results[t][0].keys()].map((phase) =>
        phaseReport(
          phase,
          results[t].map((run) => run.get(phase)!),
        ),
      ),
      totalSeconds: totalSeconds(figures[t].runs),
    })),
    ratios: ratiosOf(figures, withTotal),
  };
}

function profiled(collector: Collector | undefined, { durability }: Settings): Pick<TargetReport, 'profile'> {
  const figures = collector?.figures;
  return figures === undefined ? {} : { profile: profileOf(figures, durability === 'synced') };
}

/** What is stated of the caches of every target, since most of what is read was written shortly before. */
export const CACHES =
  'as each target keeps them by default (byzfs: profile session, which also writes behind until close): nothing is remounted or dropped between phases, so what was just written is largely read from caches';
