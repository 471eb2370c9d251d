import type { Request } from './messages.js';
import type { ReplyVotes } from './reply-votes.js';

/** A turn's calls are spread over requests of about this many bytes, so that large writes are pipelined. */
const REQUEST_BYTES_GOAL = 256 * 1024;

/** A call of a client that has not been answered. */
export interface PendingCall {
  readonly id: number;
  readonly operation: Uint8Array;
  readonly deadline: number;
  readonly kind: number;
  /** Changes nothing, however often it is executed. */
  readonly query: boolean;
  /** Sent as a read-only request. */
  readonly readOnly: boolean;
  slot: number;
  sequence: number;
  request: Request | undefined;
  votes: ReplyVotes;
  sentAt: number;
  retransmitAt: number;
  retransmitAfter: number;
  /** When a quorum agreed on a digest whose result is still to come. */
  agreedAt: number | undefined;
  /** Failed at its deadline and reported; its slot stays busy until it is answered (DESIGN 3.6). */
  abandoned: boolean;
}

export const pendingKey = (slot: number, sequence: number): string => `${slot}/${sequence}`;

/** Splits a turn's calls so that no request is over its limits, nor over so many, and large ones can be pipelined. */
export function* intoRequests(calls: PendingCall[], most: number): Generator<PendingCall[]> {
  let request: PendingCall[] = [];
  let bytes = 0;
  for (const call of calls) {
    const full = request.length >= most || bytes + call.operation.length > REQUEST_BYTES_GOAL;
    if (full && request.length > 0) {
      yield request;
      request = [];
      bytes = 0;
    }
    request.push(call);
    bytes += call.operation.length;
  }
  if (request.length > 0) yield request;
}
