/** What a benchmark found: the shape that `--json` writes. */
import { cpus, release, totalmem } from 'node:os';
import type { Profile } from './profile/profile.js';
import { median, type Quantiles, round } from './statistics.js';

export interface PhaseReport {
  name: string;
  /** Median of `runs`. */
  seconds: number;
  /** In one run. */
  operations: number;
  /** Seconds of each run, in order. */
  runs: number[];
  /** Medians over the runs, where single operations were timed. */
  p50Us?: number;
  p99Us?: number;
  opsPerSecond?: number;
  /** The latency distribution: of each share the median over the runs. */
  quantilesUs?: Quantiles;
  /** Moved in one run, where that is what counts. */
  bytes?: number;
}

/** What a figure depends on besides the machine. */
export interface Settings {
  /** How many processes hold the data. */
  replicas?: number;
  /** Of votes (README). */
  durability?: 'buffered' | 'synced';
  requestAuthentication?: 'signature' | 'mac';
  /** Of the mount (README). */
  cacheProfile?: 'session' | 'strict';
  /** What has happened to data when close and when fsync return. */
  fsync: string;
  /** Of a directory that was given: type and options of the file system. */
  fileSystem?: string;
}

export interface TargetReport {
  name: string;
  settings?: Settings;
  phases: PhaseReport[];
  /** Median over the runs of the sum of all phases. */
  totalSeconds: number;
  /** With `--profile`, of clusters that the benchmark started: where the time goes. */
  profile?: Profile;
}

export interface BenchReport {
  bench: string;
  parameters: Record<string, unknown>;
  machine: Record<string, unknown>;
  targets: TargetReport[];
  /** `byzfs/local`: by phase, the median over the runs of the quotient within one run. */
  ratios: Record<string, Record<string, number>>;
  /** Of `faults`. */
  timelines?: Timeline[];
  /** Of `scale`. */
  curves?: Curve[];
}

/** Throughput and latency over time, while things happen. */
export interface Timeline {
  name: string;
  /** One operation of the workload, in words. */
  operation: string;
  outstanding: number;
  binMs: number;
  bins: TimelineBin[];
  events: TimelineEvent[];
}

/** Operations that were answered within it; latencies in milliseconds, null where there were none. */
export interface TimelineBin {
  operations: number;
  p50Ms: number | null;
  maxMs: number | null;
}

export interface TimelineEvent {
  /** From the begin of the timeline. */
  atMs: number;
  name: string;
  /** The longest time without any answer from then until the next event: the service resumed within it. */
  longestGapMs: number;
}

/** One axis, all else being equal: single runs. */
export interface Curve {
  axis: string;
  /** Of x, with its unit. */
  xLabel: string;
  yLabel: string;
  series: { name: string; points: (readonly [x: number, y: number])[] }[];
  /** Why there is nothing, or less than was asked for. */
  skipped?: string;
}

export function machine(): Record<string, unknown> {
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    platform: process.platform,
    kernel: release(),
    node: process.versions.node,
  };
}

/** One run of one target: a figure a phase. */
export type Run = ReadonlyMap<string, number>;

const total = (run: Run): number => [...run.values()].reduce((sum, value) => sum + value, 0);

export const totalSeconds = (runs: readonly Run[]): number => round(median(runs.map(total)), 4);

/** Quotients of all pairs of targets, the earlier over the later one, phases they share. */
export function ratiosOf(
  targets: readonly { name: string; runs: readonly Run[] }[],
  withTotal: boolean,
): BenchReport['ratios'] {
  const ratios: BenchReport['ratios'] = {};
  for (const [i, a] of targets.entries()) {
    for (const b of targets.slice(i + 1)) {
      const shared = [...a.runs[0].keys()].filter((phase) => b.runs[0].has(phase));
      const quotients: Record<string, number> = {};
      const paired = (figure: (run: Run) => number) =>
        round(median(a.runs.map((run, r) => figure(run) / figure(b.runs[r]))), 3);
      for (const phase of shared) quotients[phase] = paired((run) => run.get(phase)!);
      if (withTotal) quotients.total = paired(total);
      if (shared.length > 0) ratios[`${a.name}/${b.name}`] = quotients;
    }
  }
  return ratios;
}
