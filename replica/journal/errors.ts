export type JournalErrorCode =
  /** There is no journal where one is expected: this replica may have forgotten what it said. */
  | 'missing'
  /** A journal is there already. */
  | 'exists'
  /** Damaged before its end: not the torn last record of a crash. */
  | 'corrupt'
  /** Of another cluster, another replica, or a version this program does not know. */
  | 'foreign';

/** Why a journal cannot be used. The replica must not start. */
export class JournalError extends Error {
  override name = 'JournalError';
  constructor(
    readonly code: JournalErrorCode,
    message: string,
  ) {
    super(message);
  }
}
