import { assert, Limits } from '../limits.js';
import type { ReplicaId, View } from './messages.js';

/** The optimizations of TOCS '02 §5. Each can be left out, by all alike, to see what it is worth. */
export interface Optimizations {
  /** Many requests in one batch, proposed as the window moves; else one call a request, one request a batch, no window. */
  batching: boolean;
  /** Execution once prepared (§5.1.2); else once committed. */
  tentativeExecution: boolean;
  /** One replica returns a large result, the others its digest (§5.1.1); else all return it. */
  digestReplies: boolean;
  /** COMMIT rides with the next batch's messages, where nobody waits for it (§5.1.4 piggybacks it); else it goes at once. */
  deferredCommits: boolean;
  /** Reads in one round trip (§5.1.3); else they are ordered. */
  directReads: boolean;
  /** Large requests are sent by their clients to all, and ordered by digest (§5.1.5); else the primary hands them on. */
  separateRequests: boolean;
}

export const ALL_OPTIMIZATIONS: Readonly<Optimizations> = {
  batching: true,
  tentativeExecution: true,
  digestReplies: true,
  deferredCommits: true,
  directReads: true,
  separateRequests: true,
};

/** Who takes part, and how many make which quorum (TOCS '02 §4.1); and by which optimizations. */
export class Configuration {
  readonly n: number;
  /** 2f+1: any two share a correct replica; also the most votes that can be waited for. */
  readonly quorum: number;
  /** f+1: at least one is correct. */
  readonly weakQuorum: number;

  constructor(
    readonly f: number,
    /** This replica; −1 for a client. */
    readonly id: ReplicaId,
    readonly optimizations: Readonly<Optimizations> = ALL_OPTIMIZATIONS,
  ) {
    assert(Number.isInteger(f) && f >= 0 && f <= Limits.maxFaults, `f = ${f}`);
    this.n = 3 * f + 1;
    this.quorum = 2 * f + 1;
    this.weakQuorum = f + 1;
    assert(id >= -1 && id < this.n, `replica ${id} of ${this.n}`);
  }

  primary(view: View): ReplicaId {
    return view % this.n;
  }
}
