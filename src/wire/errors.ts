/** What is wrong with bytes a peer sent: the reason they are counted under. */
export type WireErrorCode =
  /** A message type that no version we speak has. */
  | 'unknown-type'
  /** Not an encoding of a message at all. */
  | 'malformed'
  /** A digest, signature, key or authenticator of another length. */
  | 'wrong-length'
  /** A number outside its range, or an integer of 2^53 and more. */
  | 'out-of-range'
  /** More elements than a limit allows. */
  | 'too-many'
  /** More bytes than a limit allows. */
  | 'oversized'
  /** Elements in another order than their message has them in, or one of them twice. */
  | 'out-of-order'
  /** Two calls of one request in one slot. */
  | 'duplicate-slot';

/** Bytes of a peer that are refused. Never our own fault, so it is counted and survived. */
export class WireError extends Error {
  override name = 'WireError';
  constructor(
    readonly code: WireErrorCode,
    message: string,
  ) {
    super(message);
  }
}
