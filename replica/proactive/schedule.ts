/** Whose turn it is to recover: by the wall clock, so that nobody has to be asked, and one after the other. */
import type { ReplicaId } from '../../src/pbft/messages.js';

export interface Turn {
  replica: ReplicaId;
  /** Rises by one with each period. */
  round: number;
  /** Whether it may still begin: what begins in the first half of a turn is over before the next one's, as a rule. */
  open: boolean;
  /** Its begin, milliseconds since 1970. */
  from: number;
}

/**
 * A period is divided into n turns, from the last replica's to the first one's: the next primary, which takes over from
 * one that recovers, then is one that just has. Replicas whose clocks differ by less than half a turn do not begin at the
 * same time; clocks may be wrong, so nobody relies on that alone (peers.ts).
 * @param nowMs milliseconds since 1970
 */
export function turnAt(n: number, periodMs: number, nowMs: number): Turn {
  const round = Math.floor(nowMs / periodMs);
  const turns = ((nowMs - round * periodMs) / periodMs) * n;
  const turn = Math.min(n - 1, Math.floor(turns));
  return { replica: n - 1 - turn, round, open: turns - turn < 0.5, from: Math.round((round + turn / n) * periodMs) };
}

/**
 * Whether a recovery that was over at `recoveredAt` went on beyond the turn of the same replica one round before `turn`:
 * the next one may have missed its own for that, and would again each time.
 */
export function overran(turn: Turn, n: number, periodMs: number, recoveredAt: number): boolean {
  return recoveredAt >= turn.from - periodMs + periodMs / n && recoveredAt < turn.from;
}
