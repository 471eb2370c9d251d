import { createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AeadKey } from '../../../src/crypto/aead.js';
import { MacKey } from '../../../src/crypto/macs.js';
import type { FrameKey } from '../../../src/crypto/session-keys.js';
import { Limits } from '../../../src/limits.js';
import { FRAME_ITEMS, FrameKind, FrameOpener, FrameSealer, LARGE_BYTES } from '../../../src/wire/framing.js';

const keyBytes = Buffer.alloc(32, 3);
const bytes = (length: number, fill = 0x5a): Buffer => Buffer.alloc(length, fill);

function receiver(key: FrameKey = new MacKey(keyBytes)) {
  const frames: { kind: number; items: string[] }[] = [];
  const opener = new FrameOpener(key, (kind, items) =>
    frames.push({ kind, items: items.map((item) => item.toString('hex')) }),
  );
  return { frames, opener };
}

const sealed = (sealer: FrameSealer, items: Buffer[], kind: number = FrameKind.Messages): Buffer =>
  Buffer.concat(sealer.seal(kind, items));

const SETS: Buffer[][] = [
  [],
  [bytes(0)],
  [bytes(1), bytes(0), bytes(40)],
  [bytes(LARGE_BYTES)],
  [bytes(LARGE_BYTES + 1)],
  [bytes(1), bytes(5000), bytes(6000), bytes(2), bytes(100_000, 7), bytes(3)],
];

describe('frames', () => {
  it('are these bytes', () => {
    const sealer = new FrameSealer(new MacKey(keyBytes));
    const large = bytes(3000);
    sealer.seal(FrameKind.Heartbeat, []);
    const frame = sealed(sealer, [Buffer.from('ab'), large]);
    const body = Buffer.concat([Buffer.from('00000000026162' + '00000bb8', 'hex'), large]);
    const digest = createHash('sha256').update(large).digest();
    const covered = Buffer.concat([Buffer.from('0000000000000001', 'hex'), body.subarray(0, 11), digest]);
    const mac = createHmac('sha256', keyBytes).update(covered).digest().subarray(0, 16);
    expect(frame.readUInt32BE(0)).toBe(body.length);
    expect(frame.subarray(4, 20)).toEqual(mac);
    expect(frame.subarray(20)).toEqual(body);
  });

  it.each([1, 3, 20, 1000, 1_000_000])('come out as they went in, in chunks of %i', (chunkBytes) => {
    const sealer = new FrameSealer(new MacKey(keyBytes));
    const sets = chunkBytes === 1 ? SETS.slice(0, 4) : SETS;
    const stream = Buffer.concat(sets.map((items) => sealed(sealer, items)));
    const { frames, opener } = receiver();
    for (let at = 0; at < stream.length; at += chunkBytes) {
      expect(opener.feed(stream.subarray(at, at + chunkBytes))).toBeUndefined();
    }
    expect(frames.map(({ items }) => items)).toEqual(sets.map((items) => items.map((item) => item.toString('hex'))));
  });

  it('do not copy what is large', () => {
    const large = bytes(LARGE_BYTES + 1);
    expect(new FrameSealer(new MacKey(keyBytes)).seal(FrameKind.Messages, [bytes(1), large])).toContain(large);
  });

  it('fail when any byte of them is changed', () => {
    for (const items of [SETS[2], [bytes(3), bytes(LARGE_BYTES + 1), bytes(1)]]) {
      const frame = sealed(new FrameSealer(new MacKey(keyBytes)), items);
      for (let at = 0; at < frame.length; at++) {
        const changed = Buffer.from(frame);
        changed[at] ^= 0x10;
        const { frames, opener } = receiver();
        const fault = opener.feed(changed);
        expect(frames).toEqual([]);
        // A changed length may make the opener wait for more instead.
        if (at >= 4) expect(fault, `byte ${at}`).toMatch(/bad-mac|malformed-frame/);
      }
    }
  });

  it('fail when they are repeated, left out or reordered', () => {
    const sealer = new FrameSealer(new MacKey(keyBytes));
    const [a, b, c] = [1, 2, 3].map((fill) => sealed(sealer, [bytes(10, fill)]));
    for (const [order, delivered] of [
      [[a, a], 1],
      [[b], 0],
      [[a, c], 1],
      [[b, a], 0],
    ] as const) {
      const { frames, opener } = receiver();
      expect(opener.feed(Buffer.concat(order))).toBe('bad-mac');
      expect(frames.length).toBe(delivered);
      expect(opener.feed(c)).toBeUndefined();
      expect(frames.length).toBe(delivered);
    }
  });

  it('fail under another key, and are counted from 0 under a new one', () => {
    const sealer = new FrameSealer(new MacKey(keyBytes));
    expect(receiver(new MacKey(Buffer.alloc(32, 4))).opener.feed(sealed(sealer, []))).toBe('bad-mac');
    const { frames, opener } = receiver();
    const next = new MacKey(Buffer.alloc(32, 9));
    const rekeying = new FrameSealer(new MacKey(keyBytes));
    expect(opener.feed(sealed(rekeying, [bytes(1)]))).toBeUndefined();
    rekeying.rekey(next);
    opener.rekey(next);
    expect(opener.feed(sealed(rekeying, [bytes(2)]))).toBeUndefined();
    expect(frames.length).toBe(2);
  });

  it('above the limit are refused by their length alone', () => {
    const header = Buffer.alloc(20);
    header.writeUInt32BE(Limits.frameBytes + 1, 0);
    expect(receiver().opener.feed(header)).toBe('oversized-frame');
    header.writeUInt32BE(Limits.frameBytes, 0);
    expect(receiver().opener.feed(header)).toBeUndefined();
    expect(receiver().opener.feed(Buffer.alloc(20))).toBe('malformed-frame');
  });

  it('with too many items are refused before all of them are objects', () => {
    const frame = Buffer.alloc(20 + 1 + 4 * (FRAME_ITEMS + 1));
    frame.writeUInt32BE(frame.length - 20, 0);
    expect(receiver().opener.feed(frame)).toBe('malformed-frame');
  });

  it('that follow a stop in the same chunk are not yielded', () => {
    const sealer = new FrameSealer(new MacKey(keyBytes));
    let yielded = 0;
    const opener: FrameOpener = new FrameOpener(new MacKey(keyBytes), () => {
      yielded++;
      opener.stop();
    });
    expect(opener.feed(Buffer.concat([sealed(sealer, []), sealed(sealer, [])]))).toBeUndefined();
    expect(yielded).toBe(1);
  });
});

describe('encrypted frames', () => {
  const key = (fill = 3): AeadKey => new AeadKey(Buffer.alloc(32, fill));

  it('are the length and the tag in the clear, and nothing else', () => {
    const items = [Buffer.from('a name that nobody is to read'), bytes(5000, 0x41)];
    const frame = sealed(new FrameSealer(key()), items);
    expect(frame.readUInt32BE(0)).toBe(1 + 4 + items[0].length + 4 + 5000);
    expect(frame.length).toBe(20 + frame.readUInt32BE(0));
    expect(frame.includes('nobody')).toBe(false);
    expect(frame.includes('AAAAAA')).toBe(false);
    expect(items[1]).toEqual(bytes(5000, 0x41));
    // What is found in a frame that is not encrypted.
    const clear = sealed(new FrameSealer(new MacKey(keyBytes)), items);
    expect(clear.includes('nobody') && clear.includes('AAAAAA')).toBe(true);
  });

  it.each([1, 3, 20, 1000, 1_000_000])('come out as they went in, in chunks of %i', (chunkBytes) => {
    const sealer = new FrameSealer(key());
    const sets = chunkBytes === 1 ? SETS.slice(0, 4) : SETS;
    const stream = Buffer.concat(sets.map((items) => sealed(sealer, items)));
    const { frames, opener } = receiver(key());
    for (let at = 0; at < stream.length; at += chunkBytes) {
      expect(opener.feed(stream.subarray(at, at + chunkBytes))).toBeUndefined();
    }
    expect(frames.map(({ items }) => items)).toEqual(sets.map((items) => items.map((item) => item.toString('hex'))));
  });

  it('fail when any byte of them is changed, or they are cut short', () => {
    const frame = sealed(new FrameSealer(key()), SETS[2]);
    for (let at = 4; at < frame.length; at++) {
      const changed = Buffer.from(frame);
      changed[at] ^= 0x10;
      const { frames, opener } = receiver(key());
      expect(opener.feed(changed), `byte ${at}`).toBe('bad-mac');
      expect(frames).toEqual([]);
    }
    const short = Buffer.from(frame.subarray(0, frame.length - 1));
    short.writeUInt32BE(short.length - 20, 0);
    expect(receiver(key()).opener.feed(short)).toBe('bad-mac');
  });

  it('fail when they are repeated, left out or reordered, and under another key or kind of key', () => {
    const sealer = new FrameSealer(key());
    const [a, b, c] = [1, 2, 3].map((fill) => sealed(sealer, [bytes(10, fill)]));
    for (const [order, delivered] of [
      [[a, a], 1],
      [[b], 0],
      [[a, c], 1],
      [[b, a], 0],
    ] as const) {
      const { frames, opener } = receiver(key());
      expect(opener.feed(Buffer.concat(order))).toBe('bad-mac');
      expect(frames.length).toBe(delivered);
    }
    expect(receiver(key(4)).opener.feed(a)).toBe('bad-mac');
    expect(receiver(new MacKey(keyBytes)).opener.feed(a)).toMatch(/bad-mac|malformed-frame/);
    expect(receiver(key()).opener.feed(sealed(new FrameSealer(new MacKey(keyBytes)), SETS[2]))).toBe('bad-mac');
  });

  it('are counted from 0 under a new key', () => {
    const sealer = new FrameSealer(key());
    const { frames, opener } = receiver(key());
    expect(opener.feed(sealed(sealer, [bytes(1)]))).toBeUndefined();
    sealer.rekey(key(9));
    opener.rekey(key(9));
    expect(opener.feed(sealed(sealer, [bytes(2)]))).toBeUndefined();
    expect(frames.length).toBe(2);
  });
});
