/** A closed loop: so many calls outstanding at any time, each timed from issue to result. */
import type { ClusterFigures } from '../profile/collect.js';
import { percentile, type Quantiles, quantiles } from '../statistics.js';

export interface LoadResult {
  operations: number;
  seconds: number;
  opsPerSecond: number;
  p50Us: number;
  p99Us: number;
  /** Absent where another program measured. */
  quantilesUs?: Quantiles;
  /** Of what the processes did meanwhile, where that is measured. */
  figures?: ClusterFigures;
}

/**
 * Issues `operations` calls, `outstanding` at a time.
 * @throws whatever a call fails with, when the others in flight have settled
 */
export async function closedLoop(
  call: () => Promise<unknown>,
  outstanding: number,
  operations: number,
): Promise<LoadResult> {
  const latencies = new Float64Array(operations);
  let issued = 0;
  let done = 0;
  const worker = async () => {
    while (issued < operations) {
      issued++;
      const start = performance.now();
      await call();
      latencies[done++] = performance.now() - start;
    }
  };
  const start = performance.now();
  const workers = await Promise.allSettled(Array.from({ length: Math.min(outstanding, operations) }, worker));
  const seconds = (performance.now() - start) / 1000;
  const failed = workers.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  latencies.sort();
  return {
    operations,
    seconds,
    opsPerSecond: Math.round(operations / seconds),
    p50Us: Math.round(percentile(latencies, 0.5) * 1000),
    p99Us: Math.round(percentile(latencies, 0.99) * 1000),
    quantilesUs: quantiles(latencies),
  };
}
