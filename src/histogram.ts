/** Values counted by size: cheap enough for every request, since what is shown of them is computed when somebody looks. */

export interface HistogramFigures {
  /** Upper ends, inclusive, rising. */
  bounds: readonly number[];
  /** How many values up to each bound and above the one before; one more at the end for those above all. */
  counts: readonly number[];
  sum: number;
}

/** Seconds. */
export const LATENCY_BOUNDS: readonly number[] = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];

export class Histogram implements HistogramFigures {
  readonly counts: number[];
  sum = 0;

  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && value > bounds[i]) i++;
    this.counts[i]++;
    this.sum += value;
  }

  figures(): HistogramFigures {
    return { bounds: this.bounds, counts: [...this.counts], sum: this.sum };
  }
}

export const total = ({ counts }: HistogramFigures): number => counts.reduce((sum, count) => sum + count, 0);

/** What came since `earlier`; all of it if the process was started anew meanwhile, or counts otherwise now. */
export function since(later: HistogramFigures, earlier: HistogramFigures | undefined): HistogramFigures {
  const follows =
    earlier?.counts.length === later.counts.length && later.counts.every((count, i) => count >= earlier.counts[i]);
  if (!follows) return later;
  const counts = later.counts.map((count, i) => count - earlier.counts[i]);
  return { bounds: later.bounds, counts, sum: later.sum - earlier.sum };
}

/**
 * The value that a share `q` of all are below, taken to lie evenly between two bounds (as Prometheus does); null if there
 * are none. Of values above all bounds no more is known than the last bound.
 */
export function quantile({ bounds, counts, sum }: HistogramFigures, q: number): number | null {
  const rank = q * total({ bounds, counts, sum });
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0 || below + counts[i] < rank) {
      below += counts[i];
      continue;
    }
    if (i === bounds.length) return bounds[i - 1];
    const from = i === 0 ? 0 : bounds[i - 1];
    return from + ((rank - below) / counts[i]) * (bounds[i] - from);
  }
  return null;
}
