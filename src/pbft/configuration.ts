import { assert, Limits } from '../limits.js';
import type { ReplicaId, View } from './messages.js';

/** Who takes part, and how many make which quorum (TOCS '02 §4.1). */
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
