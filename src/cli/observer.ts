/**
 * What is seen of the replicas from here, beside what they say of themselves: whose clock is off, and why there is no link
 * to one that answers.
 */
import type { ReplicaClient } from '../client/connect.js';
import { Limits } from '../limits.js';
import type { ClusterStatus, ReplicaStatus } from '../status/verdicts.js';
import type { Inspect } from './inspection.js';

export interface Observation {
  /** Its clock less that of this machine, milliseconds; null if it did not say. */
  clockOffsetMs: number | null;
  /** Why there is no link, though somebody answers at its address; null if there is one, or nobody answers. */
  refusal: string | null;
}

export interface ObservedStatus extends ClusterStatus {
  replicas: (ReplicaStatus & Observation)[];
}

/** Long before replicas refuse what a wrong clock says (Limits.clockSkewMs), and more than an answer takes. */
const CLOCK_WARNING_MS = Limits.clockSkewMs / 6;

export class Observer {
  private readonly offsets = new Map<number, number>();

  constructor(private readonly client: Pick<ReplicaClient, 'inspect' | 'refusals'>) {}

  readonly inspect: Inspect = async (replica, timeoutMs) => {
    const askedAt = Date.now();
    const report = await this.client.inspect(replica, timeoutMs);
    const clock = (report as { clock?: unknown } | null)?.clock;
    // Half of what the answer took is what this can be wrong by.
    if (Number.isSafeInteger(clock)) this.offsets.set(replica, (clock as number) - (askedAt + Date.now()) / 2);
    return report;
  };

  observed(status: ClusterStatus): ObservedStatus {
    const replicas = status.replicas.map((replica) => ({
      ...replica,
      clockOffsetMs: this.offsets.has(replica.id) ? Math.round(this.offsets.get(replica.id)!) : null,
      refusal: this.client.refusals.get(replica.id) ?? null,
    }));
    return { ...status, replicas };
  }
}

/** `3600 s ahead`. */
const shown = (ms: number): string => `${Math.round(Math.abs(ms) / 1000)} s ${ms > 0 ? 'ahead' : 'behind'}`;

/**
 * Whose clock is off, each as one line. What most of the replicas have is taken to be right.
 * @returns by replica, and of this machine
 */
export function clockFaults({ replicas }: ObservedStatus): { replica: number | null; why: string }[] {
  const known = replicas.filter((replica) => replica.clockOffsetMs !== null);
  if (known.length === 0) return [];
  const sorted = known.map(({ clockOffsetMs }) => clockOffsetMs!).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  const limit = `replicas more than ${Limits.clockSkewMs / 1000} s apart refuse each other`;
  const faults = known
    .filter(({ clockOffsetMs }) => Math.abs(clockOffsetMs! - median) > CLOCK_WARNING_MS)
    .map(({ id, clockOffsetMs }) => ({
      replica: id,
      why: `the clock of replica ${id} is ${shown(clockOffsetMs! - median)}: set it (timedatectl, chrony): ${limit}`,
    }));
  if (Math.abs(median) <= CLOCK_WARNING_MS) return faults;
  return [
    ...faults,
    {
      replica: null,
      why: `beside those of most replicas the clock of this machine is ${shown(-median)}: set it: ${limit}`,
    },
  ];
}

/** For people, a line each; nothing while all is well. */
export function remarks(status: ObservedStatus): string {
  const refusals = status.replicas
    .filter(({ refusal }) => refusal !== null)
    .map(({ id, refusal }) => `replica ${id} cannot be linked to: ${refusal}\n`);
  return [...refusals, ...clockFaults(status).map(({ why }) => `${why}\n`)].join('');
}
