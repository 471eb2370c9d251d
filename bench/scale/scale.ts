/** Single runs along one axis at a time: how cost grows with what. */
import { type BenchReport, type Curve, machine } from '../report.js';
import type { Axis, AxisContext } from './axis.js';
import { filesAxis } from './files.js';
import { clientsAxis, faultsAxis } from './protocol.js';
import { roundTripAxis } from './round-trip.js';
import { sizeAxis } from './size.js';

const ALL: readonly Axis[] = [filesAxis, sizeAxis, faultsAxis, clientsAxis, roundTripAxis];

export const AXES: readonly string[] = ALL.map(({ name }) => name);

/** An hour at most in all; a point that has begun is finished. */
const AXIS_MS = 12 * 60_000;

export interface ScaleOptions extends Omit<AxisContext, 'deadline' | 'step'> {
  /** Of `AXES`. */
  axes: readonly string[];
  /** Points above are left out, by name of the axis. */
  upTo: ReadonlyMap<string, number>;
  progress: { start(total: number): void; step(what: string): void };
}

export async function runScale(options: ScaleOptions): Promise<BenchReport> {
  const { axes, upTo, progress, operations } = options;
  const chosen = ALL.filter(({ name }) => axes.includes(name)).map((axis) => {
    const highest = upTo.get(axis.name) ?? Number.POSITIVE_INFINITY;
    return { axis, points: axis.points.filter((point, i) => i === 0 || point <= highest) };
  });
  progress.start(chosen.reduce((sum, { points }) => sum + points.length, 0));
  const curves: Curve[] = [];
  for (const { axis, points } of chosen) {
    const deadline = performance.now() + AXIS_MS;
    curves.push(...(await axis.measure(points, { ...options, deadline, step: progress.step })));
  }
  return {
    bench: 'scale',
    parameters: {
      axes,
      operations,
      runs: 1,
      warmUp: 'a tenth of the calls of each kind; for files and size, the first point once before it counts',
      client: 'without a mount, in the process of the benchmark; one call outstanding unless said otherwise',
      ...{ replicas: '4 (f = 1) but for faults', durability: 'buffered', requestAuthentication: 'signature' },
      ...{ cacheProfile: 'none: no mount', fsync: false },
      limit: `${AXIS_MS / 60_000} minutes an axis`,
    },
    machine: machine(),
    targets: [],
    ratios: {},
    curves,
  };
}
