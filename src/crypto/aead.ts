/**
 * ChaCha20-Poly1305 (RFC 8439) in place, by libsodium, or by OpenSSL where that cannot be had: the bytes are the same.
 * Measured, for 200 bytes and for 32 KiB: 1.5 and 23 µs; OpenSSL's AES-256-GCM through node:crypto takes 12 and 33,
 * and what the MAC of a frame costs is 1.5 and 24.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { assert } from '../limits.js';
import { loadSodium } from './sodium.js';

export const AEAD_KEY_BYTES = 32;
export const AEAD_TAG_BYTES = 16;
const NONCE_BYTES = 12;
const TWO_TO_32 = 0x1_0000_0000;

/** What it is computed with. Each changes `bytes` in place. */
export interface AeadEngine {
  name: string;
  seal(bytes: Buffer, tag: Buffer, nonce: Buffer, key: Buffer): void;
  /** False if the tag is not that of the bytes: they are worth nothing then. */
  open(bytes: Buffer, tag: Buffer, nonce: Buffer, key: Buffer): boolean;
}

/** What is used of sodium-native. Input and output may be the same buffer. */
interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt_detached(
    ...args: [out: Buffer, tag: Buffer, message: Buffer, additional: null, secret: null, nonce: Buffer, key: Buffer]
  ): void;
  crypto_aead_chacha20poly1305_ietf_decrypt_detached(
    ...args: [out: Buffer, secret: null, message: Buffer, tag: Buffer, additional: null, nonce: Buffer, key: Buffer]
  ): void;
}

function sodiumAead(): AeadEngine | undefined {
  const sodium = loadSodium<Sodium>();
  if (sodium === undefined) return undefined;
  return {
    name: 'libsodium',
    seal: (bytes, tag, nonce, key) =>
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt_detached(bytes, tag, bytes, null, null, nonce, key),
    open: (bytes, tag, nonce, key) => {
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt_detached(bytes, null, bytes, tag, null, nonce, key);
        return true;
      } catch {
        return false;
      }
    },
  };
}

const OPTIONS = { authTagLength: AEAD_TAG_BYTES };

export const opensslAead: AeadEngine = {
  name: 'openssl',
  seal: (bytes, tag, nonce, key) => {
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, OPTIONS);
    bytes.set(cipher.update(bytes));
    cipher.final();
    tag.set(cipher.getAuthTag());
  },
  open: (bytes, tag, nonce, key) => {
    const decipher = createDecipheriv('chacha20-poly1305', key, nonce, OPTIONS).setAuthTag(tag);
    bytes.set(decipher.update(bytes));
    try {
      decipher.final();
      return true;
    } catch {
      return false;
    }
  },
};

const ENGINE = sodiumAead() ?? opensslAead;

/** The key of one direction. Its nonces are numbers that its user counts: none may be sealed under twice. */
export class AeadKey {
  private readonly key: Buffer;
  private readonly nonce = Buffer.alloc(NONCE_BYTES);

  /** @param key 32 bytes, uniformly random */
  constructor(
    key: Uint8Array,
    private readonly engine = ENGINE,
  ) {
    assert(key.length === AEAD_KEY_BYTES, 'an AEAD key is 32 bytes');
    this.key = Buffer.from(key);
  }

  /** Encrypts `bytes` in place, and writes 16 bytes into `tag`. */
  seal(bytes: Buffer, tag: Buffer, number: number): void {
    this.engine.seal(bytes, tag, this.nonceOf(number), this.key);
  }

  /** Decrypts `bytes` in place; false if not all of them, and `tag`, are as they were sealed under that number. */
  open(bytes: Buffer, tag: Buffer, number: number): boolean {
    return this.engine.open(bytes, tag, this.nonceOf(number), this.key);
  }

  private nonceOf(number: number): Buffer {
    this.nonce.writeUInt32BE(Math.floor(number / TWO_TO_32), 4);
    this.nonce.writeUInt32BE(number % TWO_TO_32, 8);
    return this.nonce;
  }
}
