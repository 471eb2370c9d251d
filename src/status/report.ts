/**
 * What a replica reports of itself, checked: any one of them may be lying, or talking nonsense. This and verdicts.ts run in
 * the command and in the browser (src/page).
 */
import type { HistogramFigures } from '../histogram.js';
import { amount, count, flag, list, Misshapen, matching, object, oneOf, optional } from './shape.js';

export interface TransferStatus {
  sequence: number;
  rows: number;
  rowsMissing: number;
  nodes: number;
  nodesMissing: number;
  bytes: number;
}

/** Of the passes in which a replica looks for what its disk has altered: counts of this life of its process. */
export interface ScrubStatus {
  /** Looked at in the last complete pass. */
  rows: number;
  damaged: number;
  repaired: number;
  /** When the last pass was completed, milliseconds since 1970. */
  lastPass: number | null;
  passes: number;
  /** Rows looked at in the pass under way. */
  current: number | null;
  /** A pass was asked for and is not complete. */
  asked: boolean;
}

/** Of recoveries that no fault asked for (replica/proactive). */
export interface RecoveryStatus {
  phase: 'resting' | 'leaving' | 'checking';
  completed: number;
  /** Milliseconds since 1970. */
  last: number | null;
  /** Turns that passed because too few of the others were fit. */
  missed: number;
}

export type ReplicaState = 'normal' | 'view-change' | 'recovering' | 'transferring';

/** What a replica has done since it was started. */
export interface WorkStatus {
  batches: number;
  /** Of ordered requests executed, and of those read-only. */
  calls: number;
  reads: number;
  viewChanges: number;
  /** Seconds from a request's arrival here to the answer of this replica, of one at a time. */
  latency: HistogramFigures;
}

export interface Report {
  incarnation: number;
  view: number;
  lastExecuted: number;
  stableCheckpoint: number;
  /** Hex; empty before the first checkpoint. */
  stateRoot: string;
  state: ReplicaState;
  transfer: TransferStatus | null;
  transferred: { transfers: number; rows: number; nodes: number; bytes: number } | null;
  /** Whom this replica thinks to be faulty. */
  suspicions: { replica: number; why: string }[];
  scrub: ScrubStatus | null;
  recovery: RecoveryStatus | null;
  work: WorkStatus | null;
}

/** Nothing that moves a cursor, or the direction of writing: it is shown on terminals too. */
const words = matching(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{0,500}$/u);

const scrub = object<ScrubStatus>({
  ...{ rows: count, damaged: count, repaired: count, lastPass: optional(count, null), passes: count },
  ...{ current: optional(count, null), asked: flag },
});

const histogram = object<HistogramFigures>({ bounds: list(amount, 64), counts: list(count, 65), sum: amount });

const report = object<Report>({
  incarnation: optional(count, 0),
  ...{ view: count, lastExecuted: count, stableCheckpoint: count },
  stateRoot: matching(/^([0-9a-f]{64})?$/),
  state: oneOf('normal', 'view-change', 'recovering', 'transferring'),
  transfer: optional(
    object<TransferStatus>({
      ...{ sequence: count, rows: count, rowsMissing: count, nodes: count, nodesMissing: count, bytes: count },
    }),
    null,
  ),
  transferred: optional(object({ transfers: count, rows: count, nodes: count, bytes: count }), null),
  suspicions: (value, at) => optional(list(object({ replica: count, why: words }), 100), [])(value, at),
  scrub: optional(scrub, null),
  recovery: optional(
    object<RecoveryStatus>({
      phase: oneOf('resting', 'leaving', 'checking'),
      ...{ completed: count, last: optional(count, null), missed: count },
    }),
    null,
  ),
  work: optional(
    object<WorkStatus>({ batches: count, calls: count, reads: count, viewChanges: count, latency: histogram }),
    null,
  ),
});

/** @throws Misshapen, with the first field that makes no sense */
export const readReport = (value: unknown): Report => report(value, '');

/** @returns what a replica's report says of its passes; null if there is none, or it makes no sense */
export function readScrubStatus(value: unknown): ScrubStatus | null {
  try {
    return object({ scrub })(value, '').scrub;
  } catch (error) {
    if (error instanceof Misshapen) return null;
    throw error;
  }
}
