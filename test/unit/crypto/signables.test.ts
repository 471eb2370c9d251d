import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Signables } from '../../../src/crypto/signables.js';
import { BrokenInvariant, Limits } from '../../../src/limits.js';

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const clusterId = Buffer.alloc(32, 0xc1);
const signables = new Signables(clusterId);
const head = (tag: string): Buffer => Buffer.concat([Buffer.from(tag.padEnd(16, '\0'), 'latin1'), clusterId]);
const d = (byte: number): Buffer => Buffer.alloc(32, byte);
const u32 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(8, '0'), 'hex');
const u64 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex');

describe('signables', () => {
  it('are the bytes that their comments say, whatever was built before', () => {
    const large = 2 ** 53 - 1;
    for (let round = 0; round < 2; round++) {
      expect(signables.request(Buffer.from('body'))).toEqual(sha256(head('request'), sha256(Buffer.from('body'))));
      expect(signables.resultDigest(d(1))).toEqual(sha256(head('result'), sha256(d(1))));
      const time = { seconds: large, nanoseconds: 999_999_999 };
      const timeBytes = Buffer.concat([u64(large), u32(999_999_999)]);
      expect(signables.batch(time, [d(1), d(2), d(3)])).toEqual(
        sha256(head('batch'), timeBytes, u32(3), d(1), d(2), d(3)),
      );
      expect(signables.batch(time, [])).toEqual(sha256(head('batch'), timeBytes, u32(0)));
      expect(signables.checkpoint(large, d(4), 3)).toEqual(sha256(head('checkpoint'), u64(large), d(4), u32(3)));
      expect(signables.channel(d(1), d(2))).toEqual(sha256(head('channel'), sha256(d(1)), sha256(d(2))));
      expect(signables.handshake('dialer', d(5))).toEqual(sha256(head('dialer hello'), d(5)));
      expect(signables.handshake('acceptor', d(5))).toEqual(sha256(head('acceptor hello'), d(5)));
      expect(signables.rekeyOffer(d(5), 7, d(6))).toEqual(sha256(head('rekey offer'), d(5), u32(7), d(6)));
      expect(signables.rekeyAccept(d(5), 7, d(6), d(8))).toEqual(
        sha256(head('rekey accept'), d(5), u32(7), d(6), d(8)),
      );
      expect(signables.linkKeysInfo).toEqual(head('link keys'));
    }
  });

  it('of one cluster are worth nothing in another', () => {
    const other = new Signables(d(0xc2));
    expect(other.request(d(1))).not.toEqual(signables.request(d(1)));
    expect(other.checkpoint(1, d(1), 0)).not.toEqual(signables.checkpoint(1, d(1), 0));
  });

  it('take a full batch and no more', () => {
    const time = { seconds: 1, nanoseconds: 0 };
    const full = Array<Uint8Array>(Limits.batchRequests).fill(d(1));
    expect(signables.batch(time, full).length).toBe(32);
    expect(() => signables.batch(time, [...full, d(1)])).toThrow(BrokenInvariant);
  });
});
