import { describe, expect, it } from 'vitest';
import { groupsOf, MICRO_CLUSTERS, VARIANTS } from '../../../bench/micro/clusters.js';
import type { LoadResult } from '../../../bench/micro/load.js';
import { MICRO_OPERATIONS } from '../../../bench/micro/operations.js';
import { microReport } from '../../../bench/micro/report.js';
import { main } from '../../../src/cli/main.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';

const ALL = [1, 4, 16, 64];

const result = (seconds: number): LoadResult => ({
  operations: 100,
  seconds,
  opsPerSecond: Math.round(100 / seconds),
  p50Us: seconds * 10_000,
  p99Us: seconds * 20_000,
});

const runs = (...seconds: number[]): Map<string, LoadResult>[] =>
  seconds.map((each) => new Map([['0/0, 1 outstanding', result(each)]]));

describe('the micro-benchmark', () => {
  it('compares everything with and without replication, and each optimization where it tells', () => {
    const [main, ...variants] = groupsOf(MICRO_CLUSTERS, ALL);
    expect(main.clusters.map(({ replicas }) => replicas)).toEqual([4, 1]);
    expect(main.measurements).toHaveLength(MICRO_OPERATIONS.length * ALL.length);
    expect(variants.map(({ variant }) => variant)).toEqual(VARIANTS.map(({ name }) => name));
    for (const { clusters, measurements, variant } of variants) {
      expect(clusters.map(({ name }) => name)).toEqual([variant, 'byzfs']);
      expect(measurements.length).toBeGreaterThan(0);
    }
    const switched = VARIANTS.filter(({ init }) => init[0] === '--without').map(({ init }) => init[1]);
    expect(switched.sort()).toEqual(Object.keys(ALL_OPTIMIZATIONS).sort());
  });

  it('measures only what is asked for', () => {
    expect(groupsOf(['mac'], ALL).map(({ variant }) => variant)).toEqual(['mac']);
    expect(groupsOf(['mac'], [4])).toEqual([]);
    const labels = groupsOf(['byzfs', 'no-batching'], [64]).map(({ measurements }) => measurements.at(-1)!.label);
    expect(labels).toEqual(['0/4 read-only, 64 outstanding', '0/0, 64 outstanding']);
  });

  it('reports medians, all ratios of what is compared as a whole, and of a variant that to the default beside it', () => {
    const parameters = { operations: 100, warmUp: 10, runs: 3, outstanding: [1], floor: null };
    const report = microReport(parameters, [
      {
        variant: undefined,
        targets: new Map([
          ['byzfs', runs(2, 4, 3)],
          ['byzfs-f0', runs(1, 1, 1)],
        ]),
      },
      {
        variant: 'no-batching',
        targets: new Map([
          ['no-batching', runs(8, 9, 6)],
          ['byzfs', runs(2, 3, 3)],
        ]),
      },
    ]);
    expect(report.bench).toBe('micro');
    expect(report.targets.map(({ name }) => name)).toEqual(['byzfs', 'byzfs-f0', 'no-batching']);
    expect(report.targets[0].phases).toEqual([
      {
        ...{ name: '0/0, 1 outstanding', seconds: 3, operations: 100, runs: [2, 4, 3] },
        ...{ p50Us: 30_000, p99Us: 60_000, opsPerSecond: 33 },
      },
    ]);
    expect(report.ratios).toEqual({
      'byzfs/byzfs-f0': { '0/0, 1 outstanding': 3 },
      'no-batching/byzfs': { '0/0, 1 outstanding': 3 },
    });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('is offered by the command with the clusters that there are', async () => {
    let said = '';
    const failed = async (line: string): Promise<void> => {
      said = line;
    };
    expect(await main(['bench', 'micro', '--only', 'nothing'], failed)).toBe(2);
    expect(said).toContain(`"nothing" is none of ${MICRO_CLUSTERS.join(', ')}`);
  });
});
