/** What can be believed of what the replicas say of themselves, up to f of which may be lying. */
import { type Report, readReport } from './report.js';
import { Misshapen } from './shape.js';

/** A report's fields, null while not known. */
type Known = { [K in Exclude<keyof Report, 'suspicions' | 'stateRoot'>]: Report[K] | null };

/** One replica in `byzfs status --json`. */
export interface ReplicaStatus extends Known {
  id: number;
  up: boolean;
  /** Hex, at `stableCheckpoint`. */
  stateRoot: string | null;
  /** Why this replica is thought to be faulty. */
  suspected: string | null;
  /** Whom it thinks to be faulty, and why: its word alone. */
  suspicions: { replica: number; why: string }[];
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

/** What came of asking a replica. */
export type Answer =
  | { kind: 'silence' }
  /** As it came: it may be anything. */
  | { kind: 'report'; report: unknown }
  /** Something answered, of which this is wrong before its content is looked at. */
  | { kind: 'fault'; why: string };

const UNKNOWN = {
  ...{ incarnation: null, view: null, lastExecuted: null, stableCheckpoint: null, stateRoot: null, state: null },
  ...{ transfer: null, transferred: null, suspicions: [], scrub: null, recovery: null, work: null },
};

function statusOf(id: number, answer: Answer): ReplicaStatus {
  if (answer.kind === 'silence') return { id, up: false, ...UNKNOWN, suspected: null };
  if (answer.kind === 'fault') return { id, up: true, ...UNKNOWN, suspected: answer.why };
  try {
    const report = readReport(answer.report);
    const suspicions = report.suspicions.filter(({ replica }) => replica !== id);
    return { id, up: true, ...report, suspicions, suspected: null };
  } catch (error) {
    if (!(error instanceof Misshapen)) throw error;
    const suspected = `its report makes no sense${error.at === '' ? '' : `: ${error.at}`}`;
    return { id, up: true, ...UNKNOWN, suspected };
  }
}

/** The highest value that at least `votes` of the given are; null if there is none. */
export function highestShared(values: readonly (number | null)[], votes: number): number | null {
  const tally = new Map<number, number>();
  for (const value of values) if (value !== null) tally.set(value, (tally.get(value) ?? 0) + 1);
  const shared = [...tally].filter(([, n]) => n >= votes).map(([value]) => value);
  return shared.length === 0 ? null : Math.max(...shared);
}

/** The highest value that f+1 of those given reach, one of whom is correct; null if fewer are given. */
export function vouchedFor(values: readonly (number | null)[], f: number): number | null {
  const known = values.filter((value): value is number => value !== null);
  return known.sort((a, b) => b - a)[f] ?? null;
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

/**
 * @param cluster its id, hex
 * @param answers by replica, of all 3f+1
 */
export function judge({ cluster, f }: { cluster: string; f: number }, answers: readonly Answer[]): ClusterStatus {
  const reports = answers.map((answer, id) => statusOf(id, answer));
  const replicas = reports.map((report) => ({ ...report, suspected: suspicion(report, reports, f) }));
  const view = highestShared(
    replicas.map((replica) => replica.view),
    f + 1,
  );
  const quorum = takingPart(replicas, view).length >= 2 * f + 1;
  return { cluster, f, view, primary: view === null ? null : view % replicas.length, quorum, replicas };
}

function takingPart(replicas: readonly ReplicaStatus[], view: number | null): ReplicaStatus[] {
  return view === null ? [] : replicas.filter((replica) => replica.state === 'normal' && replica.view === view);
}

/**
 * Replicas that say they take part in a later view than the one in which 2f+1 do: f+1 correct replicas would have had to leave
 * that one. Answers are not given at one instant, so it takes two looks to tell a liar from a view change.
 */
export function strays({ view, f, replicas }: ClusterStatus): number[] {
  if (takingPart(replicas, view).length < 2 * f + 1) return [];
  return replicas.filter((each) => each.state === 'normal' && each.view! > view!).map(({ id }) => id);
}

/** The latest checkpoint for which f+1 replicas report one root, and who does. */
export interface Agreement {
  checkpoint: number;
  root: string;
  replicas: number[];
}

/** Null before the first checkpoint, and where no f+1 are at one checkpoint. */
export function agreement({ f, replicas }: ClusterStatus): Agreement | null {
  const found = new Map<string, Agreement>();
  for (const { id, stableCheckpoint: checkpoint, stateRoot: root } of replicas) {
    if (checkpoint === null || !root) continue;
    const key = `${checkpoint} ${root}`;
    const before = found.get(key);
    if (before === undefined) found.set(key, { checkpoint, root, replicas: [id] });
    else before.replicas.push(id);
  }
  const shared = [...found.values()].filter((each) => each.replicas.length >= f + 1);
  return shared.sort((a, b) => b.checkpoint - a.checkpoint)[0] ?? null;
}
