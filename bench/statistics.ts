/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Nearest-rank percentile of values sorted upwards. @param share 0.99 for p99 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

export const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** A latency distribution: [share of the operations, µs that so many took at most], both rising. */
export type Quantiles = readonly (readonly [share: number, microseconds: number])[];

const SHARES = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];

/** Up to the share that one operation alone still stands for. @param milliseconds in any order, at least one */
export function quantiles(milliseconds: ArrayLike<number>): Quantiles {
  const sorted = Float64Array.from(milliseconds).sort();
  const told = SHARES.filter((share) => sorted.length * (1 - share) > 0.999);
  return told.map((share) => [share, Math.round(percentile(sorted, share) * 1000)] as const);
}

/** Of each share that all distributions have, the median over them. @param distributions at least one */
export function medianQuantiles(distributions: readonly Quantiles[]): Quantiles {
  return distributions[0]
    .filter(([share]) => distributions.every((each) => each.some(([other]) => other === share)))
    .map(([share]) => {
      const values = distributions.map((each) => each.find(([other]) => other === share)![1]);
      return [share, Math.round(median(values))] as const;
    });
}
