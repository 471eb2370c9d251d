import { hash } from 'node:crypto';

export const DIGEST_BYTES = 32;

/**
 * SHA-256 in one call, as a string of 32 characters, one a byte. Measured: 0.25 µs for 96 bytes, against 0.85 µs for
 * node's own 'buffer' encoding, which allocates a backing store for each.
 */
export const sha256Text = (bytes: Uint8Array): string => hash('sha256', bytes, 'binary');

/** SHA-256 in one call. */
export const sha256 = (bytes: Uint8Array): Buffer => Buffer.from(sha256Text(bytes), 'latin1');
