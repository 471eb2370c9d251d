import type { Digest, SessionId } from './messages.js';

/** A digest as a key of maps: one character a byte. */
export function digestKey(digest: Digest): string {
  const buffer = Buffer.isBuffer(digest) ? digest : Buffer.from(digest.buffer, digest.byteOffset, digest.length);
  return buffer.toString('latin1');
}

export function sameDigest(a: Digest, b: Digest): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export const sessionKey = (session: SessionId): string => `${session.client}/${session.instance}`;
