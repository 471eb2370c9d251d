import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AeadKey, opensslAead } from '../../../src/crypto/aead.js';

const keyBytes = createHash('sha256').update('key').digest();
const plain = (bytes: number): Buffer => Buffer.alloc(bytes, 'a line of text. ');

function sealed(key: AeadKey, bytes: number, number: number): { bytes: Buffer; tag: Buffer } {
  const result = { bytes: plain(bytes), tag: Buffer.alloc(16) };
  key.seal(result.bytes, result.tag, number);
  return result;
}

describe.each([
  ['libsodium', new AeadKey(keyBytes), new AeadKey(keyBytes, opensslAead)],
  ['OpenSSL', new AeadKey(keyBytes, opensslAead), new AeadKey(keyBytes)],
])('ChaCha20-Poly1305 by %s', (_, key, other) => {
  it.each([0, 1, 63, 64, 200, 100_000])('seals %i bytes in place, and the other engine opens them', (bytes) => {
    const { bytes: content, tag } = sealed(key, bytes, 7);
    if (bytes >= 16) expect(content.includes(plain(16))).toBe(false);
    expect(other.open(content, tag, 7)).toBe(true);
    expect(content).toEqual(plain(bytes));
  });

  it('opens nothing that was changed anywhere, or sealed under another number or key', () => {
    for (let bit = 0; bit < 8 * (40 + 16); bit += 5) {
      const { bytes, tag } = sealed(key, 40, 1);
      const [changed, at] = bit < 320 ? [bytes, bit] : [tag, bit - 320];
      changed[at >> 3] ^= 1 << (at & 7);
      expect(key.open(bytes, tag, 1)).toBe(false);
    }
    const numbers = [0, 2, 2 ** 32 + 1, 2 ** 33];
    for (const number of numbers) {
      const { bytes, tag } = sealed(key, 40, 1);
      expect(key.open(bytes, tag, number)).toBe(false);
    }
    const { bytes, tag } = sealed(key, 40, 1);
    expect(new AeadKey(Buffer.alloc(32)).open(bytes, tag, 1)).toBe(false);
  });

  it('has the number, 96 bits of it, as its nonce', () => {
    const { bytes, tag } = sealed(key, 40, 2 ** 32 + 5);
    const nonce = Buffer.from('000000000000000100000005', 'hex');
    const cipher = createCipheriv('chacha20-poly1305', keyBytes, nonce, { authTagLength: 16 });
    expect(bytes).toEqual(Buffer.concat([cipher.update(plain(40)), cipher.final()]));
    expect(tag).toEqual(cipher.getAuthTag());
  });
});
