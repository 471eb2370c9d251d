import { Histogram } from '../histogram.js';
import { Limits } from '../limits.js';

const CALLS_BOUNDS = Array.from({ length: Math.log2(Limits.batchRequests) + 1 }, (_, i) => 2 ** i);

/** What a replica has done since its process was started: plain numbers, for whoever wants to know. */
export class Tally {
  batches = 0;
  /** Executed, of ordered requests. */
  calls = 0;
  /** Answered without being ordered. */
  reads = 0;
  /** Views that this replica left. */
  viewChanges = 0;
  /** Calls of one batch. */
  readonly batchCalls = new Histogram(CALLS_BOUNDS);
}
