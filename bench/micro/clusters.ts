/** The clusters that the micro-benchmark compares, and what each is measured with. */
import type { Optimizations } from '../../src/pbft/configuration.js';
import { MICRO_OPERATIONS, type MicroOperation } from './operations.js';

export interface MicroCluster {
  name: string;
  replicas: number;
  /** Options of `byzfs init`. */
  init: readonly string[];
}

export const DEFAULT: MicroCluster = { name: 'byzfs', replicas: 4, init: [] };
/** One replica, which tolerates nothing: what replication costs (NO-REP of OSDI '99 §7). */
export const UNREPLICATED: MicroCluster = { name: 'byzfs-f0', replicas: 1, init: [] };

/** A cluster that differs from the default one in one thing, and the operations on which that tells. */
export interface Variant extends MicroCluster {
  operations: readonly string[];
  outstanding: readonly number[];
}

const without = (
  name: string,
  optimization: keyof Optimizations,
  operations: readonly string[],
  outstanding: readonly number[] = [1, 64],
): Variant => ({ name, replicas: 4, init: ['--without', optimization], operations, outstanding });

export const VARIANTS: readonly Variant[] = [
  without('no-batching', 'batching', ['0/0']),
  without('no-tentative-execution', 'tentativeExecution', ['0/0']),
  without('no-digest-replies', 'digestReplies', ['0/4']),
  without('no-deferred-commits', 'deferredCommits', ['0/0']),
  without('no-direct-reads', 'directReads', ['0/0 read-only']),
  without('no-separate-requests', 'separateRequests', ['4/0', '128/0'], [1, 16, 64]),
  {
    ...{ name: 'mac', replicas: 4, init: ['--request-authentication', 'mac'] },
    ...{ operations: ['0/0'], outstanding: [1, 64] },
  },
  {
    ...{ name: 'encrypted', replicas: 4, init: ['--encryption', 'on'] },
    ...{ operations: ['0/0', '4/0', '0/4', '128/0'], outstanding: [1, 64] },
  },
  { name: 'synced', replicas: 4, init: ['--durability', 'synced'], operations: ['0/0'], outstanding: [1, 64] },
];

export const MICRO_CLUSTERS: readonly string[] = [DEFAULT, UNREPLICATED, ...VARIANTS].map(({ name }) => name);

export interface Measurement {
  operation: MicroOperation;
  outstanding: number;
  label: string;
}

const measurements = (operations: readonly MicroOperation[], outstanding: readonly number[]): Measurement[] =>
  operations.flatMap((operation) =>
    outstanding.map((calls) => ({
      operation,
      outstanding: calls,
      label: `${operation.name}, ${calls} outstanding`,
    })),
  );

/** Clusters measured in turn, one measurement after the other: what is compared is moments apart. */
export interface Group {
  clusters: readonly MicroCluster[];
  measurements: readonly Measurement[];
  /** A variant, that is to be reported beside the default cluster; otherwise all are reported. */
  variant: string | undefined;
}

/** @param only names of MICRO_CLUSTERS. @param outstanding which of the numbers of calls at a time are to be measured */
export function groupsOf(only: readonly string[], outstanding: readonly number[]): Group[] {
  const main = [DEFAULT, UNREPLICATED].filter(({ name }) => only.includes(name));
  const groups: Group[] = [];
  if (main.length > 0) {
    groups.push({ clusters: main, measurements: measurements(MICRO_OPERATIONS, outstanding), variant: undefined });
  }
  for (const variant of VARIANTS) {
    if (!only.includes(variant.name)) continue;
    const operations = MICRO_OPERATIONS.filter(({ name }) => variant.operations.includes(name));
    const calls = outstanding.filter((each) => variant.outstanding.includes(each));
    if (calls.length === 0) continue;
    groups.push({
      clusters: [variant, DEFAULT],
      measurements: measurements(operations, calls),
      variant: variant.name,
    });
  }
  return groups;
}
