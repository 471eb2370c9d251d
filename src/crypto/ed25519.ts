/**
 * Ed25519 (RFC 8032) under one rule of which signatures are right, which every implementation that votes must share,
 * lest one replica be split from another (see "Taming the many EdDSAs", Chalkias et al. 2020, table 5):
 *
 *  - cofactorless: the encoding of [S]B − [k]A is compared with R byte for byte, so R is canonical;
 *  - S is below the group order;
 *  - R is not of small order;
 *  - A is canonical and not of small order. Keys are moreover torsion-free when registered (`checkPublicKey`), but
 *    a verdict does not rest on it.
 *
 * Signatures are computed by libsodium, or by OpenSSL where it cannot be had; `ed25519-noble.ts` is the same rule once
 * more, over noble's arithmetic. What an engine does not look at by itself is looked at here, or in its file.
 */
import { assert } from '../limits.js';
import type { Signer, Verify } from './ed25519-engine.js';
import { decodePublicKey } from './ed25519-noble.js';
import { opensslEngine } from './ed25519-openssl.js';
import { sodiumEngine } from './ed25519-sodium.js';

export const PUBLIC_KEY_BYTES = 32;
export const SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const ENGINE = sodiumEngine() ?? opensslEngine;

export class SigningKey {
  private readonly signer: Signer;

  /** @param seed the RFC 8032 private key, 32 bytes */
  constructor(seed: Uint8Array, engine = ENGINE) {
    assert(seed.length === SEED_BYTES, 'an Ed25519 seed is 32 bytes');
    this.signer = engine.signer(seed);
  }

  get publicKey(): Buffer {
    return this.signer.publicKey;
  }

  /** 64 bytes. Measured: 17 µs; OpenSSL 35. */
  sign(message: Uint8Array): Buffer {
    return this.signer.sign(message);
  }
}

export class VerifyingKey {
  /** Undefined if no signature can be right under that key. */
  private readonly isRight: Verify | undefined;

  /** @param publicKey any bytes: under those that are no key nothing verifies */
  constructor(publicKey: Uint8Array, engine = ENGINE) {
    const point = decodePublicKey(publicKey);
    if (point === undefined || point.isSmallOrder()) return;
    this.isRight = engine.verifier(publicKey);
  }

  /** Measured: 51 µs; OpenSSL 107. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (this.isRight === undefined || signature.length !== SIGNATURE_BYTES) return false;
    return this.isRight(message, signature);
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
