/** What replicas report of themselves, checked: any one of them may be lying, or talking nonsense. */
import { z } from 'zod';
import type { Cluster } from '../cluster/types.js';

const count = z.int().nonnegative();

const transfer = z.object({
  sequence: count,
  rows: count,
  rowsMissing: count,
  nodes: count,
  nodesMissing: count,
  bytes: count,
});

/** Of the passes in which a replica looks for what its disk has altered: counts of this life of its process. */
const scrub = z.object({
  /** Looked at in the last complete pass. */
  rows: count,
  damaged: count,
  repaired: count,
  /** When the last pass was completed, milliseconds since 1970. */
  lastPass: count.nullable(),
  passes: count,
  /** Rows looked at in the pass under way. */
  current: count.nullable(),
  /** A pass was asked for and is not complete. */
  asked: z.boolean(),
});

export type ScrubStatus = z.output<typeof scrub>;

/** @returns what a replica's report says of its passes; null if there is none, or it makes no sense */
export function readScrubStatus(report: unknown): ScrubStatus | null {
  return z.object({ scrub }).safeParse(report).data?.scrub ?? null;
}

/** Of recoveries that no fault asked for (replica/proactive). */
const recovery = z.object({
  phase: z.enum(['resting', 'leaving', 'checking']),
  completed: count,
  /** Milliseconds since 1970. */
  last: count.nullable(),
  /** Turns that passed because too few of the others were fit. */
  missed: count,
});

const inspection = z.object({
  incarnation: count.default(0),
  view: count,
  lastExecuted: count,
  stableCheckpoint: count,
  stateRoot: z.string().regex(/^([0-9a-f]{64})?$/),
  state: z.enum(['normal', 'view-change', 'recovering', 'transferring']),
  transfer: transfer.nullable().default(null),
  transferred: z.object({ transfers: count, rows: count, nodes: count, bytes: count }).nullable().default(null),
  /** Whom this replica thinks to be faulty. */
  suspicions: z
    .array(z.object({ replica: count, why: z.string().max(500) }))
    .max(100)
    .default([]),
  scrub: scrub.nullable().default(null),
  recovery: recovery.nullable().default(null),
});

export type ReplicaState = z.output<typeof inspection>['state'];

/** One replica in `byzfs status --json`. What is not known is null. */
export interface ReplicaStatus {
  id: number;
  up: boolean;
  /** How often the group has begun anew, since more than f had forgotten votes at once. */
  incarnation: number | null;
  view: number | null;
  lastExecuted: number | null;
  stableCheckpoint: number | null;
  /** Hex, at `stableCheckpoint`. */
  stateRoot: string | null;
  state: ReplicaState | null;
  /** The state transfer under way: what is here, and what is known to be missing yet. */
  transfer: z.output<typeof transfer> | null;
  /** What transfers brought since the replica was started. */
  transferred: z.output<typeof inspection>['transferred'];
  /** Why this replica is thought to be faulty. */
  suspected: string | null;
  /** Whom it thinks to be faulty, and why: its word alone. */
  suspicions: { replica: number; why: string }[];
  /** What it found of its own disk. */
  scrub: ScrubStatus | null;
  /** Its proactive recoveries. */
  recovery: z.output<typeof recovery> | null;
}

export interface ClusterStatus {
  /** Hex. */
  cluster: string;
  f: number;
  /** The latest that f+1 replicas report, one of which is correct; null if there is none. */
  view: number | null;
  primary: number | null;
  /** Whether 2f+1 replicas take part in that view. */
  quorum: boolean;
  replicas: ReplicaStatus[];
}

/** Asks one replica; null if it gave no answer in time. */
export type Inspect = (replica: number, timeoutMs: number) => Promise<unknown>;

const UNKNOWN = {
  ...{ incarnation: null, view: null, lastExecuted: null, stableCheckpoint: null, stateRoot: null, state: null },
  ...{ transfer: null, transferred: null, suspicions: [], scrub: null, recovery: null },
};

/** @param report null: it did not answer */
function readReport(id: number, report: unknown): ReplicaStatus {
  if (report === null || report === undefined) return { id, up: false, ...UNKNOWN, suspected: null };
  const parsed = inspection.safeParse(report);
  if (!parsed.success) {
    const field = parsed.error.issues[0].path.join('.');
    const suspected = `its report makes no sense${field === '' ? '' : `: ${field}`}`;
    return { id, up: true, ...UNKNOWN, suspected };
  }
  const suspicions = parsed.data.suspicions.filter(({ replica }) => replica !== id);
  return { id, up: true, ...parsed.data, suspicions, suspected: null };
}

/** The highest value that at least `votes` of the given are; null if there is none. */
export function highestShared(values: readonly (number | null)[], votes: number): number | null {
  const tally = new Map<number, number>();
  for (const value of values) if (value !== null) tally.set(value, (tally.get(value) ?? 0) + 1);
  const shared = [...tally].filter(([, n]) => n >= votes).map(([value]) => value);
  return shared.length === 0 ? null : Math.max(...shared);
}

/** Why a replica is thought to be faulty: only what f+1 say, since one of them is correct; null if nothing. */
function suspicion(status: ReplicaStatus, reports: readonly ReplicaStatus[], f: number): string | null {
  if (status.suspected !== null) return status.suspected;
  const accusations = reports.flatMap(
    ({ suspicions }) => suspicions.find(({ replica }) => replica === status.id) ?? [],
  );
  if (accusations.length >= f + 1) return accusations[0].why;
  const { stableCheckpoint, stateRoot } = status;
  if (stateRoot === null || stateRoot === '') return null;
  const others = new Map<string, number>();
  for (const other of reports) {
    if (other.stableCheckpoint !== stableCheckpoint || other.stateRoot === stateRoot || !other.stateRoot) continue;
    others.set(other.stateRoot, (others.get(other.stateRoot) ?? 0) + 1);
  }
  if (Math.max(0, ...others.values()) < f + 1) return null;
  return `its state differs from that of ${f + 1} others at checkpoint ${stableCheckpoint}`;
}

/** @param answers by replica: what each reported of itself, null if nothing */
export function clusterStatus(cluster: Cluster, answers: readonly unknown[]): ClusterStatus {
  const { f } = cluster;
  const reports = cluster.replicas.map(({ id }) => readReport(id, answers[id]));
  const replicas = reports.map((report) => ({ ...report, suspected: suspicion(report, reports, f) }));
  const view = highestShared(
    replicas.map((replica) => replica.view),
    f + 1,
  );
  const taking = replicas.filter((replica) => replica.state === 'normal' && replica.view === view);
  return {
    cluster: cluster.id.toString('hex'),
    f,
    view,
    primary: view === null ? null : view % cluster.replicas.length,
    quorum: view !== null && taking.length >= 2 * f + 1,
    replicas,
  };
}

/** Asks all replicas at once. */
export async function inspectAll(cluster: Cluster, inspect: Inspect, timeoutMs: number): Promise<ClusterStatus> {
  const reports = await Promise.all(cluster.replicas.map(({ id }) => inspect(id, timeoutMs).catch(() => null)));
  return clusterStatus(cluster, reports);
}
