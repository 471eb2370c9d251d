/** How a mount's calls of the service went. */

import type { OperationName } from '../src/fileservice/operations.js';
import { Histogram, LATENCY_BOUNDS } from '../src/histogram.js';

export class CallFigures {
  /** Seconds until a call was answered, by operation. */
  readonly answered = new Map<OperationName, Histogram>();
  /** Calls without an answer, by why that is: `deadline`, `session-lost` … */
  readonly failed = new Map<string, number>();
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

  failedFor(reason: string): void {
    this.failed.set(reason, (this.failed.get(reason) ?? 0) + 1);
  }
}
