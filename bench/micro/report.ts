/** What the micro-benchmark found, in the shape of every benchmark. */
import { type ClusterFigures, sumOf } from '../profile/collect.js';
import { profileByLabel } from '../profile/profile.js';
import { type BenchReport, machine, type PhaseReport, ratiosOf, type TargetReport, totalSeconds } from '../report.js';
import { median, medianQuantiles, round } from '../statistics.js';
import type { LoadResult } from './load.js';

export interface GroupResults {
  variant: string | undefined;
  /** By target: of each run, the results by label. */
  targets: Map<string, Map<string, LoadResult>[]>;
}

export interface MicroParameters {
  operations: number;
  warmUp: number;
  runs: number;
  outstanding: readonly number[];
  floor: string | null;
}

function phaseReport(name: string, results: readonly LoadResult[]): PhaseReport {
  const middle = (figure: (result: LoadResult) => number, digits: number) => round(median(results.map(figure)), digits);
  const distributions = results.flatMap(({ quantilesUs }) => (quantilesUs === undefined ? [] : [quantilesUs]));
  return {
    name,
    seconds: middle((result) => result.seconds, 4),
    operations: results[0].operations,
    runs: results.map((result) => round(result.seconds, 4)),
    p50Us: middle((result) => result.p50Us, 0),
    p99Us: middle((result) => result.p99Us, 0),
    opsPerSecond: middle((result) => result.opsPerSecond, 0),
    ...(distributions.length === 0 ? {} : { quantilesUs: medianQuantiles(distributions) }),
  };
}

const secondsOf = (runs: readonly Map<string, LoadResult>[]) =>
  runs.map((run) => new Map([...run].map(([label, result]) => [label, result.seconds])));

function targetReport(name: string, runs: readonly Map<string, LoadResult>[]): TargetReport {
  const phases = [...runs[0].keys()].map((label) =>
    phaseReport(
      label,
      runs.map((run) => run.get(label)!),
    ),
  );
  return { name, phases, totalSeconds: totalSeconds(secondsOf(runs)), ...profiled(name, runs) };
}

/** Every operation is the same to replicas: what is measured one after the other is told apart by its label. */
function profiled(target: string, runs: readonly Map<string, LoadResult>[]): Pick<TargetReport, 'profile'> {
  const byLabel = [...runs[0].keys()].flatMap((label): [string, ClusterFigures][] => {
    const figures = runs.flatMap((run) => run.get(label)!.figures ?? []);
    return figures.length === 0 ? [] : [[label, figures.reduce(sumOf)]];
  });
  return byLabel.length === 0 ? {} : { profile: profileByLabel(byLabel, target === 'synced') };
}

/**
 * Of the clusters that are compared over everything all ratios; of a variant only that to the default cluster as it was
 * measured beside it, moments before or after: `no-batching/byzfs` is what it takes longer without.
 */
export function microReport(options: MicroParameters, groups: readonly GroupResults[]): BenchReport {
  const targets: TargetReport[] = [];
  const ratios: BenchReport['ratios'] = {};
  for (const group of groups) {
    for (const [name, runs] of group.targets) {
      if (group.variant === undefined || name === group.variant) targets.push(targetReport(name, runs));
    }
    const figures = [...group.targets].map(([name, runs]) => ({ name, runs: secondsOf(runs) }));
    Object.assign(ratios, ratiosOf(figures, false));
  }
  const { operations, warmUp, runs, outstanding, floor } = options;
  return {
    bench: 'micro',
    parameters: {
      ...{ operations, warmUp, runs, outstanding },
      sizes: 'argument/result in KiB',
      client: 'one, in the process of the benchmark',
      durability: 'buffered, but for synced',
      figures: 'medians over the runs, targets interleaved; ratios are of seconds for the same number of operations',
      variants: 'each beside the default cluster, whose figures of that moment are in the ratio only',
      ...(floor === null ? {} : { floor, floorTentative: false }),
    },
    machine: machine(),
    targets,
    ratios,
  };
}
