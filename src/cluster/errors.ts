/** What can be wrong with a cluster's files: a code and one line that names the file and the field. */

export type ClusterErrorCode =
  /** The file is not there. */
  | 'missing'
  /** It is there and cannot be read, or its permissions let others read a private key. */
  | 'unreadable'
  /** Its content is not what it must be. */
  | 'invalid'
  /** A key that is encrypted, and its passphrase is not known. */
  | 'locked'
  /** No replica or client of that name or number is in the cluster file. */
  | 'unknown-member';

export class ClusterError extends Error {
  override name = 'ClusterError';
  constructor(
    readonly code: ClusterErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** `ENOENT`, `EACCES`, … of a failed system call; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
