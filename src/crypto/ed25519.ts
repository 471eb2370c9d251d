/**
 * Ed25519 (RFC 8032) by OpenSSL, under one rule of which signatures are right, which every implementation that votes
 * must share, lest one replica be split from another (see "Taming the many EdDSAs", Chalkias et al. 2020, table 5):
 *
 *  - cofactorless: the encoding of [S]B − [k]A is compared with R byte for byte, so R is canonical;
 *  - S is below the group order;
 *  - A is canonical and not of small order. Keys are moreover torsion-free when registered (`checkPublicKey`), but
 *    a verdict does not rest on it.
 *
 * OpenSSL by itself does the first two and takes any A: so A is looked at here, once for each key.
 * `ed25519-noble.ts` is the same rule over noble's arithmetic.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { assert } from '../limits.js';
import { decodePublicKey } from './ed25519-noble.js';

export const PUBLIC_KEY_BYTES = 32;
export const SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** SubjectPublicKeyInfo and PKCS #8 of an Ed25519 key up to the key itself (RFC 8410 §4, §7). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export class SigningKey {
  readonly publicKey: Buffer;
  private readonly key: KeyObject;

  /** @param seed the RFC 8032 private key, 32 bytes */
  constructor(seed: Uint8Array) {
    assert(seed.length === SEED_BYTES, 'an Ed25519 seed is 32 bytes');
    this.key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.key).export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length);
  }

  /** 64 bytes. Measured: 49 µs. */
  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.key);
  }
}

export class VerifyingKey {
  /** Undefined if no signature can be right under that key. */
  private readonly key: KeyObject | undefined;

  /** @param publicKey any bytes: under those that are no key nothing verifies */
  constructor(publicKey: Uint8Array) {
    const point = decodePublicKey(publicKey);
    if (point === undefined || point.isSmallOrder()) return;
    this.key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  }

  /** Measured: 121 µs. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (this.key === undefined || signature.length !== SIGNATURE_BYTES) return false;
    return verify(null, message, this.key, signature);
  }
}

/** Why these bytes may not be registered as anyone's key; null if they may. */
export function checkPublicKey(publicKey: Uint8Array): string | null {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return `a public key of ${publicKey.length} bytes instead of 32`;
  const point = decodePublicKey(publicKey);
  if (point === undefined) return 'the public key is not the canonical encoding of a point';
  if (point.isSmallOrder()) return 'the public key has small order';
  if (!point.isTorsionFree()) return 'the public key is not in the prime-order subgroup';
  return null;
}
