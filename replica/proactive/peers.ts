/** How the other replicas are, as each says of itself: whoever is down or recovers is one of the f. */
import { Limits } from '../../src/limits.js';
import type { ReplicaId, SequenceNumber, Status, View } from '../../src/pbft/messages.js';

/** STATUS goes out once a second at least: one who has not been heard for so long is down. */
const SILENT_MS = 5_000;

interface Heard {
  status: Pick<Status, 'view' | 'active' | 'recovering' | 'lastExecuted'>;
  atMs: number;
}

export class Peers {
  private readonly heard = new Map<ReplicaId, Heard>();

  onStatus(from: ReplicaId, status: Heard['status'], nowMs: number): void {
    this.heard.set(from, { status, atMs: nowMs });
  }

  /** Its link is down. */
  onDown(id: ReplicaId): void {
    this.heard.delete(id);
  }

  /** How many of the n − 1 others take part in that view, and are about where this replica is. */
  fit(view: View, lastExecuted: SequenceNumber, nowMs: number): number {
    return [...this.heard.values()].filter(
      ({ status, atMs }) =>
        nowMs - atMs < SILENT_MS &&
        status.active &&
        !status.recovering &&
        status.view === view &&
        status.lastExecuted >= lastExecuted - Limits.transferLag,
    ).length;
  }
}
