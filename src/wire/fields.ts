/** What the fields of decoded messages are held to. */
import { DIGEST_BYTES } from '../crypto/digests.js';
import { WireError } from './errors.js';
import type { Reader } from './protobuf.js';

/** A peer can put four million empty elements into one frame: they are counted before objects are made of them. */
export function refuseMoreFields(r: Reader, most: number): void {
  const start = r.pos;
  for (let fields = 1; r.pos < r.len; fields++) {
    if (fields > most) throw new WireError('too-many', `more than ${most} fields`);
    const tag = r.uint32();
    r.skipType(tag & 7);
  }
  r.pos = start;
}

export function integer(value: number): number {
  if (!Number.isSafeInteger(value)) throw new WireError('out-of-range', 'an integer of 2^53 or more');
  return value;
}

export const digest = (bytes: Uint8Array): Uint8Array => field(bytes, DIGEST_BYTES);

export function field(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new WireError('wrong-length', `${bytes.length} bytes instead of ${length}`);
  return detached(bytes);
}

export function bounded(bytes: Uint8Array, most: number): Uint8Array {
  if (bytes.length > most) throw new WireError('oversized', `${bytes.length} bytes where at most ${most} may be`);
  return detached(bytes);
}

/** The bytes, in a buffer of their own unless they are most of the one they lie in (trap 19). */
export function detached(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 >= bytes.buffer.byteLength ? bytes : Buffer.from(bytes);
}
