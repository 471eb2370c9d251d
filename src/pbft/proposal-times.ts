import { Limits } from '../limits.js';
import type { Timestamp } from './messages.js';
import { laterTime, millisecondsAfter } from './time.js';

/**
 * Which times a backup believes of a proposal (DESIGN 3.9): those near its own clock, and after an outage those since
 * its beginning, for as many proposals as a primary can have had on record when it began. Refusing these would leave
 * sequence numbers that nothing can fill; believing more would let a primary hold the agreed clock back.
 */
export class ProposalTimes {
  private outage: { since: Timestamp; proposals: number } | undefined;

  constructor(
    /** Batches a primary proposes before the first of them is executed. */
    private readonly window: number,
    /** This backup's clock when it last accepted a proposal; until then the agreed time of the state. */
    private lastAccepted: Timestamp,
  ) {}

  accept(time: Timestamp, wallClock: Timestamp): boolean {
    const bound = Limits.clockSkewMs;
    if (millisecondsAfter(time, wallClock) > bound) return false;
    if (millisecondsAfter(wallClock, time) > bound && !this.isOfOutage(time, wallClock, bound)) return false;
    this.lastAccepted = laterTime(this.lastAccepted, wallClock);
    return true;
  }

  private isOfOutage(time: Timestamp, wallClock: Timestamp, bound: number): boolean {
    if (millisecondsAfter(wallClock, this.lastAccepted) > bound) {
      this.outage = { since: this.lastAccepted, proposals: this.window };
    }
    const { outage } = this;
    if (outage === undefined || outage.proposals === 0 || millisecondsAfter(outage.since, time) > bound) return false;
    outage.proposals--;
    return true;
  }
}
