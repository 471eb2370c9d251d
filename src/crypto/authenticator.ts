/** Authenticators (TOCS '02 §3.2.1): one MAC for each replica, in order of their ids, over one request digest. */
import type { Digest, ReplicaId } from '../pbft/messages.js';
import { MAC_BYTES, type MacKey } from './macs.js';

/** @param keysByReplica the key shared with each replica; undefined (its entry is zero) where there is none */
export function buildAuthenticator(digest: Digest, keysByReplica: readonly (MacKey | undefined)[]): Buffer {
  const authenticator = Buffer.alloc(keysByReplica.length * MAC_BYTES);
  for (let replica = 0; replica < keysByReplica.length; replica++) {
    const key = keysByReplica[replica];
    if (key !== undefined) authenticator.set(key.mac(digest), replica * MAC_BYTES);
  }
  return authenticator;
}

/** Whether `replica`'s entry is right under one of the keys it shares with the sender. */
export function verifyAuthenticator(
  digest: Digest,
  authenticator: Uint8Array,
  replica: ReplicaId,
  keys: readonly MacKey[],
): boolean {
  for (const key of keys) if (key.verify(digest, authenticator, replica * MAC_BYTES)) return true;
  return false;
}
