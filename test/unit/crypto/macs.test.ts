import { createHmac } from 'node:crypto';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import type { AeadKey } from '../../../src/crypto/aead.js';
import { buildAuthenticator, verifyAuthenticator } from '../../../src/crypto/authenticator.js';
import { sha256 } from '../../../src/crypto/digests.js';
import { MAC_HEADROOM_BYTES, MacKey } from '../../../src/crypto/macs.js';
import { deriveLinkKeys, generateEphemeralKey, RotatingKey } from '../../../src/crypto/session-keys.js';

const keyBytes = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7));
const key = new MacKey(keyBytes);
const LENGTHS = [0, 1, 31, 32, 63, 64, 65, 255, 256, 257, 1000, 100_000];
const message = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31) & 0xff));

describe('sha256', () => {
  it('agrees with noble', () => {
    for (const length of LENGTHS) expect(sha256(message(length))).toEqual(Buffer.from(nobleSha256(message(length))));
  });
});

describe('MacKey', () => {
  it.each(LENGTHS)('is HMAC-SHA-256 truncated, for %i bytes', (length) => {
    const bytes = message(length);
    const expected = createHmac('sha256', keyBytes).update(bytes).digest().subarray(0, 16);
    expect(key.mac(bytes)).toEqual(expected);
    expect(Buffer.from(hmac(nobleSha256, keyBytes, bytes)).subarray(0, 16)).toEqual(expected);
  });

  it('MACs in place, and leaves nothing of the key behind', () => {
    for (const before of [MAC_HEADROOM_BYTES, MAC_HEADROOM_BYTES + 5]) {
      const buffer = Buffer.concat([Buffer.alloc(before, 0xaa), message(300), Buffer.alloc(9, 0xbb)]);
      const tags = Buffer.alloc(20);
      key.macInPlace(buffer, before, before + 300, tags, 4);
      expect(tags.subarray(4)).toEqual(key.mac(message(300)));
      expect(key.verifyInPlace(buffer, before, before + 300, tags, 4)).toBe(true);
      expect(key.verifyInPlace(buffer, before, before + 299, tags, 4)).toBe(false);
      expect(buffer.subarray(before - MAC_HEADROOM_BYTES, before)).toEqual(Buffer.alloc(MAC_HEADROOM_BYTES));
      expect(buffer.subarray(before)).toEqual(Buffer.concat([message(300), Buffer.alloc(9, 0xbb)]));
    }
  });

  it('verifies at an offset, and nothing that is cut short or changed', () => {
    const tag = key.mac(message(40));
    const tags = Buffer.concat([Buffer.alloc(16), tag]);
    expect(key.verify(message(40), tags, 16)).toBe(true);
    expect(key.verify(message(40), tags)).toBe(false);
    expect(key.verify(message(40), tags.subarray(0, 31), 16)).toBe(false);
    expect(key.verify(message(41), tags, 16)).toBe(false);
    for (let i = 0; i < 16; i++) {
      const changed = Buffer.from(tag);
      changed[i] ^= 1;
      expect(key.verify(message(40), changed)).toBe(false);
    }
  });
});

describe('authenticators', () => {
  const other = new MacKey(Buffer.alloc(32, 9));
  const digest = sha256(message(3));

  it('have an entry for each replica, zero where no key is shared', () => {
    const authenticator = buildAuthenticator(digest, [key, undefined, other, key]);
    expect(authenticator.length).toBe(64);
    expect(authenticator.subarray(16, 32)).toEqual(Buffer.alloc(16));
    expect(verifyAuthenticator(digest, authenticator, 0, [key])).toBe(true);
    expect(verifyAuthenticator(digest, authenticator, 2, [key, other])).toBe(true);
    expect(verifyAuthenticator(digest, authenticator, 2, [key])).toBe(false);
    expect(verifyAuthenticator(digest, authenticator, 1, [key, other])).toBe(false);
    expect(verifyAuthenticator(digest, authenticator, 4, [key])).toBe(false);
    expect(verifyAuthenticator(digest, authenticator, 0, [])).toBe(false);
  });
});

describe('session keys', () => {
  const info = Buffer.from('info');

  /** What a key makes of one message. */
  const use = (key: MacKey | AeadKey): string => {
    if (key instanceof MacKey) return key.mac(message(5)).toString('hex');
    const tag = Buffer.alloc(16);
    key.seal(Buffer.from(message(5)), tag, 0);
    return tag.toString('hex');
  };

  it.each([false, true])('are the same at both ends, and different in each use and conversation', (isEncrypted) => {
    const [a, b] = [generateEphemeralKey(), generateEphemeralKey()];
    const salt = sha256(message(1));
    const mine = deriveLinkKeys(a.agree(b.publicKey)!, salt, info, isEncrypted);
    const theirs = deriveLinkKeys(b.agree(a.publicKey)!, salt, info, isEncrypted);
    const elsewhere = deriveLinkKeys(a.agree(b.publicKey)!, sha256(message(2)), info, isEncrypted);
    const macs = [mine, theirs, elsewhere].map((k) => [k.fromDialer, k.fromAcceptor, k.authenticator].map(use));
    expect(macs[0]).toEqual(macs[1]);
    expect(new Set([...macs[0], ...macs[2]]).size).toBe(6);
  });

  it('are refused where the peer’s key has small order', () => {
    const one = Buffer.alloc(32);
    one[0] = 1;
    for (const weak of [Buffer.alloc(32), one]) expect(generateEphemeralKey().agree(weak)).toBeUndefined();
  });

  it('rotate: the one before is accepted until its grace is over', () => {
    const [k0, k1, k2] = [1, 2, 3].map((byte) => new MacKey(Buffer.alloc(32, byte)));
    const rotating = new RotatingKey(k0, 100);
    expect(rotating.accepted(0)).toEqual([k0]);
    rotating.rotate(k1, 1000);
    expect(rotating.accepted(1099)).toEqual([k1, k0]);
    rotating.rotate(k2, 1050);
    expect(rotating.accepted(1149)).toEqual([k2, k1]);
    expect(rotating.accepted(1150)).toEqual([k2]);
  });
});
