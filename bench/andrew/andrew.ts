/** The Andrew-like benchmark over several targets, interleaved: on a machine that wanders only figures of one round compare. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchCluster, startCluster } from '../cluster.js';
import { BenchmarkError } from '../errors.js';
import { type BenchReport, machine, type Run, ratiosOf, totalSeconds } from '../report.js';
import { median, round } from '../statistics.js';
import { PHASES, type PhaseTime, runPhases, writeSource } from './phases.js';
import { DEFAULT_SEED, generateTree, type SourceTree } from './tree.js';

export interface AndrewOptions {
  /** Command line of `byzfs`, for the targets that are started here. */
  command: readonly string[];
  copies: number;
  runs: number;
  /** Which of `BUILT_IN_TARGETS` take part. */
  builtIn: readonly string[];
  /** Directories to measure besides, by name. */
  paths: readonly { name: string; path: string }[];
  /** Default: the tree of `DEFAULT_SEED`. */
  tree?: SourceTree;
  signal: AbortSignal;
  /** Told how many parts there are, then each part done. */
  progress: { start(total: number): void; step(target: string): void };
}

export const BUILT_IN_TARGETS = ['byzfs', 'byzfs-f0', 'local'] as const;

const REPLICAS: Record<string, number> = { byzfs: 4, 'byzfs-f0': 1 };

interface Target {
  name: string;
  path: string;
  runs: PhaseTime[][];
}

/** @throws BenchmarkError, above all if anything read back is not what was written */
export async function runAndrew(options: AndrewOptions): Promise<BenchReport> {
  const { copies, runs, signal, progress, tree = generateTree() } = options;
  const scratch = mkdtempSync(join(tmpdir(), 'byzfs-andrew-'));
  const clusters: BenchCluster[] = [];
  try {
    const source = join(scratch, 'source');
    writeSource(tree, source);
    const targets = await openTargets(options, scratch, clusters);
    progress.start(targets.length * runs * PHASES.length * copies);
    for (let run = 0; run < runs; run++) {
      for (let i = 0; i < targets.length; i++) {
        const target = targets[(i + run) % targets.length];
        const work = join(target.path, `andrew-${process.pid}-${run}`);
        const step = () => progress.step(target.name);
        target.runs.push(await runPhases({ tree, source, work, copies, signal, progress: step }));
      }
    }
    return report(options, tree, targets);
  } finally {
    const stops = await Promise.allSettled(clusters.map((cluster) => cluster.stop()));
    rmSync(scratch, { recursive: true, force: true });
    const failed = stops.find((result) => result.status === 'rejected');
    if (failed !== undefined) process.stderr.write(`byzfs: bench: ${(failed.reason as Error).message}\n`);
  }
}

/** @param clusters gets what was started, so that it can be stopped also if this fails half way */
async function openTargets(options: AndrewOptions, scratch: string, clusters: BenchCluster[]): Promise<Target[]> {
  const targets: Target[] = [];
  for (const name of options.builtIn) {
    options.signal.throwIfAborted();
    let path = scratch;
    if (name !== 'local') {
      const cluster = await startCluster({ command: options.command, replicas: REPLICAS[name], mount: true });
      clusters.push(cluster);
      path = cluster.mountpoint!;
    }
    targets.push({ name, path, runs: [] });
  }
  for (const { name, path } of options.paths) {
    if (!existsSync(path) || !statSync(path).isDirectory())
      throw new BenchmarkError(`target ${name}: ${path} is no directory`);
    targets.push({ name, path, runs: [] });
  }
  return targets;
}

function report(options: AndrewOptions, tree: SourceTree, targets: readonly Target[]): BenchReport {
  const figures = targets.map(({ name, runs }) => ({
    name,
    runs: runs.map((times): Run => new Map(times.map(({ name: phase, seconds }) => [phase, seconds]))),
  }));
  return {
    bench: 'andrew',
    parameters: {
      copies: options.copies,
      runs: options.runs,
      seed: DEFAULT_SEED,
      filesPerCopy: tree.files.length,
      bytesPerCopy: tree.bytes,
      unitsPerCopy: tree.units,
      figures: 'medians over the runs, targets interleaved; ratios are medians of the quotients within one run',
      source: 'local disk, in the page cache',
      caches:
        'as each target keeps them by default (byzfs: profile session, which also writes behind until close): nothing is remounted or dropped between phases, so stat and read are largely answered from caches filled by copy',
      fsync: false,
      verified: 'sizes, every byte read back, output of the compiled program',
    },
    machine: machine(),
    targets: targets.map(({ name, runs }, t) => ({
      name,
      phases: PHASES.map((phase, p) => {
        const seconds = runs.map((times) => times[p].seconds);
        return {
          name: phase,
          seconds: round(median(seconds), 4),
          operations: runs[0][p].operations,
          runs: seconds.map((value) => round(value, 4)),
        };
      }),
      totalSeconds: totalSeconds(figures[t].runs),
    })),
    ratios: ratiosOf(figures, true),
  };
}
