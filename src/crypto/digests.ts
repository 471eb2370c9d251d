import { hash } from 'node:crypto';

export const DIGEST_BYTES = 32;

/**
 * SHA-256 in one call. The digest comes out as a string and is copied into a pooled buffer: measured 0.45 µs for 96
 * bytes, against 0.85 µs for node's own 'buffer' encoding, which allocates a backing store for each.
 */
export function sha256(bytes: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

/** The same, written into `target` at `offset`. */
export function sha256Into(bytes: Uint8Array, target: Buffer, offset: number): void {
  target.write(hash('sha256', bytes, 'binary'), offset, 'latin1');
}
