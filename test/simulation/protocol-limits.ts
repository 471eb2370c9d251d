import { assert, Limits } from '../../src/limits.js';

/** The limits that a short run would never meet at their real size. */
export interface SmallLimits {
  checkpointInterval?: number;
  logSize?: number;
  wholeReplyBytes?: number;
  cachedReplyBytes?: number;
  batchRequests?: number;
  transferLag?: number;
  historyBatches?: number;
  inlineRequestBytes?: number;
}

const REAL = { ...Limits };

/**
 * Lowers limits of the protocol for the world to come, in this process: water marks move, logs fill, replies are digests
 * within some hundred operations. One world lives at a time.
 */
export function setProtocolLimits(small: SmallLimits): void {
  Object.assign(Limits, REAL, small);
  assert(Limits.logSize >= 2 * Limits.checkpointInterval, 'the log holds two checkpoint intervals');
  assert(Limits.batchWindow < Limits.checkpointInterval, 'the window is smaller than a checkpoint interval');
}
