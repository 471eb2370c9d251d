/**
 * A private key under a passphrase: scrypt (RFC 7914) makes the key of AES-256-GCM, whose associated data is the public
 * key, so that whose key it is can be told without the passphrase, and not be altered.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { SEED_BYTES, SigningKey } from '../crypto/ed25519.js';

/** N = 2^17, r = 8, p = 1: each guess takes 128 MiB. Measured: 0.5 s. */
const LOG2_N = 17;
const R = 8;
const P = 1;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Nonce ‖ ciphertext ‖ tag. */
export const BOX_BYTES = NONCE_BYTES + SEED_BYTES + TAG_BYTES;
/** What a file may ask for: from 16 MiB to 1 GiB. */
export const LOG2_N_RANGE = { low: 14, high: 20 } as const;

export interface SealedKey {
  publicKey: Buffer;
  /** Binary logarithm of scrypt's N. */
  log2N: number;
  salt: Buffer;
  box: Buffer;
}

const derived = (passphrase: string, salt: Buffer, log2N: number): Buffer =>
  scryptSync(passphrase, salt, 32, { N: 2 ** log2N, r: R, p: P, maxmem: 2 ** log2N * 128 * R + 2 ** 20 });

export function seal(seed: Buffer, passphrase: string, log2N = LOG2_N): SealedKey {
  const { publicKey } = new SigningKey(seed);
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', derived(passphrase, salt, log2N), nonce).setAAD(publicKey);
  const box = Buffer.concat([nonce, cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return { publicKey, log2N, salt, box };
}

/** @returns the seed; undefined: that is not the passphrase, or the file was altered */
export function unseal({ publicKey, log2N, salt, box }: SealedKey, passphrase: string): Buffer | undefined {
  const key = derived(passphrase, salt, log2N);
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(publicKey).setAuthTag(box.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
