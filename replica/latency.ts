/**
 * How long requests take at this replica, from their arrival, from a client or in a proposal, to its answer: one of them
 * at a time is timed.
 */
import { Histogram, LATENCY_BOUNDS } from '../src/histogram.js';
import { sessionKey } from '../src/pbft/digests.js';
import type { Reply, Request, RequestName, SessionId } from '../src/pbft/messages.js';

/** One that is not answered by then never is: another one is timed. */
const GIVEN_UP_MS = 30_000;

export class RequestLatency {
  /** Seconds. */
  readonly histogram = new Histogram(LATENCY_BOUNDS);
  private timed: { session: string; slot: number; sequence: number; at: number } | undefined;

  /** @param request undefined: of an empty batch */
  arrived(request: Request | RequestName | undefined): void {
    if (request === undefined || !('calls' in request)) return;
    const [call] = request.calls;
    const now = performance.now();
    const { timed } = this;
    if (timed !== undefined && now - timed.at < GIVEN_UP_MS) return;
    this.timed = { session: sessionKey(request.session), slot: call.slot, sequence: call.sequence, at: now };
  }

  answered(to: SessionId, { slot, sequence }: Reply): void {
    const { timed } = this;
    if (timed === undefined || timed.slot !== slot || timed.sequence !== sequence) return;
    if (timed.session !== sessionKey(to)) return;
    this.histogram.add((performance.now() - timed.at) / 1000);
    this.timed = undefined;
  }
}
