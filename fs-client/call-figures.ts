/** How a mount's calls of the service went. */
import type { CallErrorCode } from '../src/client/types.js';
import type { OperationName } from '../src/fileservice/operations.js';
import { Histogram, LATENCY_BOUNDS } from '../src/histogram.js';

/** Why a call has no answer. */
export type CallFailure = CallErrorCode | 'not-understood';

export class CallFigures {
  /** Seconds until a call was answered, by operation. */
  readonly answered = new Map<OperationName, Histogram>();
  readonly failed = new Map<CallFailure, number>();
  /** Of these, those that may be executed yet. */
  inDoubt = 0;
  /** Times that calls began to go unanswered. */
  outages = 0;

  took(op: OperationName, ms: number): void {
    let histogram = this.answered.get(op);
    if (histogram === undefined) {
      histogram = new Histogram(LATENCY_BOUNDS);
      this.answered.set(op, histogram);
    }
    histogram.add(ms / 1000);
  }

  failedFor(reason: CallFailure): void {
    this.failed.set(reason, (this.failed.get(reason) ?? 0) + 1);
  }
}
