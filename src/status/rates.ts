/** What replicas do in a second, from two looks at what they have done since they were started. */
import { quantile, since } from '../histogram.js';
import type { WorkStatus } from './report.js';
import { type ClusterStatus, vouchedFor } from './verdicts.js';

export interface Rates {
  /** Calls in a second, read-only ones included; null where they are not known. */
  callsPerSecond: number | null;
  /** Seconds. */
  p50: number | null;
  p99: number | null;
}

const UNKNOWN: Rates = { callsPerSecond: null, p50: null, p99: null };

function ratesBetween(earlier: WorkStatus | null, later: WorkStatus | null, seconds: number): Rates {
  if (earlier === null || later === null || seconds <= 0) return UNKNOWN;
  const done = later.calls - earlier.calls + (later.reads - earlier.reads);
  // It was started anew meanwhile.
  if (later.calls < earlier.calls || later.reads < earlier.reads) return UNKNOWN;
  const latency = since(later.latency, earlier.latency);
  return { callsPerSecond: done / seconds, p50: quantile(latency, 0.5), p99: quantile(latency, 0.99) };
}

/** One look after the other. */
export class RateMeter {
  private before: { atMs: number; status: ClusterStatus } | undefined;

  /**
   * @param atMs on a clock that never goes back
   * @returns for each replica what it says; and what f+1 say, or more
   */
  look(atMs: number, status: ClusterStatus): { replicas: Rates[]; vouched: Rates } {
    const { before } = this;
    this.before = { atMs, status };
    const replicas = status.replicas.map(({ id, work }) =>
      before === undefined
        ? UNKNOWN
        : ratesBetween(before.status.replicas[id]?.work ?? null, work, (atMs - before.atMs) / 1000),
    );
    const shared = (name: keyof Rates) =>
      vouchedFor(
        replicas.map((rates) => rates[name]),
        status.f,
      );
    return { replicas, vouched: { callsPerSecond: shared('callsPerSecond'), p50: shared('p50'), p99: shared('p99') } };
  }
}
