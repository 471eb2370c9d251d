/** Why a file state cannot be made or opened. The message is one line that names the file and the reason. */
export type StateErrorCode =
  /** Nothing at that path: a replica never starts empty by mistake. */
  | 'missing'
  /** There is a state already (or the write-ahead log of one). */
  | 'exists'
  /** Not a database, damaged, or its rows do not have the digest it recorded. */
  | 'corrupt'
  /** The state of another cluster. */
  | 'cluster'
  /** Written by a version of the software that this one does not know. */
  | 'version'
  /** Another process has it open. */
  | 'locked'
  /** The operating system refuses: permissions, I/O. */
  | 'unreadable';

export class StateError extends Error {
  override name = 'StateError';
  constructor(
    readonly code: StateErrorCode,
    path: string,
    reason: string,
  ) {
    super(`${path}: ${reason}`);
  }
}

/**
 * The database contradicts itself: a row is there by one way and not by another, or keys are not in their order. What is
 * in it cannot be told by asking it.
 */
export class DatabaseContradiction extends Error {
  override name = 'DatabaseContradiction';
}

/** What a transfer had gathered is not as it was written, and is gone: all of it can be had again. The state is as it was. */
export class StagingError extends Error {
  override name = 'StagingError';
}
