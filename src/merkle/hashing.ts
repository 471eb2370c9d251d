/**
 * What the tree hashes. Every hash begins with what it is of, so that none can be taken for another: a leaf for a node,
 * or something else in the system that is hashed for either (the second-preimage attack that RFC 6962 §2.1 prevents).
 */
import { hash } from 'node:crypto';
import type { Octets } from './octets.js';

/** Of every key: rows under it are told apart by all of it. */
export const KEY_BYTES = 32;
export const DIGEST_BYTES = 32;

/** The encoding of a node begins with it, which spares a copy when it is hashed. */
export const NODE_TAG: Octets = 'byzfs partition tree node 1\0';
const LEAF_TAG: Octets = 'byzfs partition tree leaf 1\0';

const leaf = Buffer.from(LEAF_TAG + '\0'.repeat(KEY_BYTES + DIGEST_BYTES), 'latin1');

/** @param key of `KEY_BYTES` @param rowDigest `DIGEST_BYTES` that stand for all else in the row */
export function leafDigest(key: Octets, rowDigest: Octets): Octets {
  leaf.write(key, LEAF_TAG.length, 'latin1');
  leaf.write(rowDigest, LEAF_TAG.length + KEY_BYTES, 'latin1');
  return hash('sha256', leaf, 'binary');
}

/** @param content a node as `node.ts` encodes it */
export const nodeDigest = (content: Uint8Array): Octets => hash('sha256', content, 'binary');
