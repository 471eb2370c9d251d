/**
 * Every limit that bounds memory, messages or the log, with the relations between them asserted when the module
 * loads. Bytes, milliseconds or a plain count, as the name says.
 */
export const Limits = {
  /** Largest f we run: n = 3f+1 replicas. */
  maxFaults: 3,

  /** One frame on a link, length prefix excluded. */
  frameBytes: 8 * 1024 * 1024,
  /** One request as its client encoded it: room for a whole turn of large writes. */
  requestBytes: 4 * 1024 * 1024,
  /** One operation inside a request: FileLimits.ioBytes and its header. */
  operationBytes: 1024 * 1024 + 4096,
  callsPerRequest: 256,
  /**
   * A request of more bytes than this is sent by its client to all replicas, and ordered by its digest (OSDI '99 §4.4,
   * where it is 255). What is saved is the primary's; where all share two processors it costs more than that (DECISIONS).
   */
  inlineRequestBytes: 64 * 1024,
  /** Requests of one batch, and their bytes: a batch is closed at whichever comes first. */
  batchRequests: 256,
  batchBytes: 1024 * 1024,
  /** Batches proposed and not yet executed: the sliding window of OSDI '99 §5.1.4. */
  batchWindow: 8,

  /** K of TOCS '02 §4.3: a checkpoint every K sequence numbers … */
  checkpointInterval: 128,
  /** … and L = high − low water mark. */
  logSize: 512,
  /** A replica further behind a stable checkpoint than this takes the state, and not batch after batch. */
  transferLag: 8192,
  /** Missing entries that one STATUS names, and COMMITTED messages that answer one. */
  statusEntries: 256,
  /** Most bytes of a query for parts of a state, and of an answer. */
  stateQueryBytes: 16 * 1024,
  stateAnswerBytes: 256 * 1024,
  /** Digests that Q names for one sequence number: what the last new-view chose there, and what was proposed since. */
  prePreparedPerNumber: 2,

  /** Batches, and checkpoints, that a report names when an incarnation begins: those of two logs at least. */
  reportedBatches: 2048,
  reportedCheckpoints: 64,

  slotsPerSession: 256,
  sessionsPerClient: 64,
  /** A reply larger than this is not kept in the reply cache: only reads are that large, and they can be asked again. */
  cachedReplyBytes: 4096,
  /** Replies up to this size are sent whole by every replica; above it, by the designated replier only. */
  wholeReplyBytes: 512,
  /** Requests of one client waiting at a replica, and their bytes. */
  pendingRequestsPerClient: 512,
  pendingBytesPerClient: 64 * 1024 * 1024,

  /** Bytes queued on one link before it is considered stuck and closed. */
  linkQueueBytes: 64 * 1024 * 1024,
  /** Committed batches kept on disk for replicas that lag, beyond what the log itself needs. */
  historyBytes: 512 * 1024 * 1024,
  /** … and their number: each takes some 300 bytes of memory in the journal's index. */
  historyBatches: 200_000,
  /** How far the primary's clock may be from a backup's own. */
  clockSkewMs: 60_000,
} as const;

/** States a relation that must hold; a violated one is our own broken invariant and stops the process. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BrokenInvariant(message);
}

/** Our own mistake, never a peer's: whoever catches it must stop the process. */
export class BrokenInvariant extends Error {
  override name = 'BrokenInvariant';
}

assert(Limits.logSize >= 2 * Limits.checkpointInterval, 'the log holds two checkpoint intervals');
assert(Limits.batchWindow < Limits.checkpointInterval, 'the window is smaller than a checkpoint interval');
assert(Limits.transferLag >= Limits.logSize, 'what the log holds is not worth a state transfer');
assert(Limits.operationBytes < Limits.requestBytes, 'an operation fits in a request');
assert(
  Limits.batchBytes + Limits.requestBytes < Limits.frameBytes,
  'a batch closed by its last request fits in a frame',
);
assert(Limits.pendingBytesPerClient >= 2 * Limits.requestBytes, 'a client can have two requests waiting');
