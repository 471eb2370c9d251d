/** A client of the replicated service, as mounts, benchmarks and administration see it. */

/** Why a call has no result. `operation` may have been executed nonetheless, except where said otherwise. */
export type CallErrorCode =
  /** No quorum before the deadline. */
  | 'deadline'
  /** The session was ended by the service, or the group rolled back; what the call has come to is unknown. */
  | 'session-lost'
  /** The client was revoked: no call is executed any more. */
  | 'revoked'
  /** The client is closed. */
  | 'closed';

const AT_ONCE: Promise<void> = Promise.resolve();

export class CallError extends Error {
  override name = 'CallError';
  /**
   * @param settled resolves when the call's outcome is final: answered late, or its session is lost. Until then the
   *   call is in doubt: it is transmitted again and again, and may be executed after calls made later (DESIGN 3.6).
   *   Never rejects; has resolved already where nothing can be executed any more.
   */
  constructor(
    readonly code: CallErrorCode,
    message: string,
    readonly settled: Promise<void> = AT_ONCE,
  ) {
    super(message);
  }
}

export interface CallOptions {
  /** Executed against the current state in one round trip, and ordered only if the replicas' answers differ. */
  readOnly?: boolean;
  /** Milliseconds until the call fails with `deadline`; Infinity waits for ever. Default: the client's own. */
  deadlineMs?: number;
}

export interface ServiceClient {
  /** Result bytes that 2f+1 replicas agree on. Calls run concurrently and in any order: await what must precede. */
  call(operation: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /**
   * Calls `listener` each time the session is lost, before the rejections of its calls are seen: what was executed in
   * it and not made durable may have been undone. No result from before is delivered after that.
   */
  onSessionLost?(listener: () => void): void;
  /** Ends the session and closes the links. */
  close(): Promise<void>;
}
