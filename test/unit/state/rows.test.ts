import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as rowBytes from '../../../replica/state/row-bytes.js';
import {
  blockKey,
  clientKey,
  dentryKey,
  inodeKey,
  integerAt,
  nameDigest,
  nameDigestIn,
  tableOf,
} from '../../../replica/state/row-keys.js';
import { Table } from '../../../replica/state/rows.js';
import { MalformedBytes } from '../../../src/bytes.js';
import { canonicalRanges, type Rights } from '../../../src/fileservice/rights.js';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u64 = fc.maxSafeNat();
const time = fc.record({ seconds: fc.maxSafeInteger(), nanoseconds: fc.integer({ min: 0, max: 999_999_999 }) });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((b) => Buffer.from(b));
const session = fc.record({ client: u32, instance: u64 });

const inode = fc.record({
  ...{ ino: u64, generation: u32, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: u32, size: u64, allocated: u64 },
  ...{ atime: time, mtime: time, ctime: time, change: u64, parent: u64, entries: u64, nextCookie: u64 },
  xattrBytes: u32,
  reserved: u64,
  fork: u64,
  payer: u32,
});
const slot = fc.record({
  session,
  row: fc.record(
    { slot: u32, sequence: u64, requestDigest: bytes(32), status: u32, durableAt: u64, result: bytes(4096) },
    { requiredKeys: ['slot', 'sequence', 'requestDigest', 'status', 'durableAt'] },
  ),
});
const header = fc.record({
  ...{ lastExecuted: fc.constant(9), clock: time, nextIno: u64, usedBytes: u64, usedInodes: u64 },
  ...{ discardedBytes: u64, clientsVersion: u64 },
});
const ranges = fc
  .array(fc.record({ low: u32, high: u32 }), { maxLength: 5 })
  .map((given) => canonicalRanges(given.filter(({ low, high }) => low <= high)));
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const rights: fc.Arbitrary<Rights> = fc.record({
  ...{ uids: ranges, gids: ranges, readOnly: fc.boolean() },
  squash: optional(fc.record({ whom: fc.constantFrom('root' as const, 'all' as const), uid: u32, gid: u32 })),
  subtree: optional(fc.record({ ino: u64, generation: u32, path: bytes(300).map((path) => path.toString('latin1')) })),
  quota: optional(fc.record({ bytes: u64, inodes: u64 })),
  rate: optional(fc.integer({ min: 1, max: 1_000_000 })),
});
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b));
const client = fc.record({
  ...{ id: u32, name: fc.constantFrom('a', 'mount', 'x'.repeat(63)), publicKey: key, rights },
  ...{ since: time, revoked: optional(time), usedBytes: u64, usedInodes: u64 },
});
const lock = fc
  .record({
    ...{ kind: fc.constantFrom('posix', 'flock'), type: fc.constantFrom('read', 'write'), start: u64, end: u64 },
    ...{ session, owner: bytes(8).map((owner) => owner.toString('latin1').padEnd(8)), pid: u32 },
  })
  .map((held) => ({ ...held, start: Math.min(held.start, held.end), end: Math.max(held.start, held.end) }));
const cluster = Buffer.alloc(32, 5);

type Codec = [row: fc.Arbitrary<unknown>, encode: (row: never) => Buffer, decode: (content: Buffer) => unknown];
const { encodeHeader, decodeHeader } = rowBytes;
const codecs: Record<keyof typeof Table, Codec> = {
  Header: [header, (row) => encodeHeader(2, cluster, row), (content) => decodeHeader(content, 2, cluster, 9)],
  Inode: [inode, rowBytes.encodeInode, rowBytes.decodeInode],
  Dentry: [
    fc.record({ parent: u64, name: bytes(255), child: u64, cookie: u64 }),
    rowBytes.encodeDentry,
    rowBytes.decodeDentry,
  ],
  Block: [fc.record({ fork: u64, position: u64, data: bytes(100) }), rowBytes.encodeBlock, rowBytes.decodeBlock],
  Discarded: [fc.record({ fork: u64, bytes: u64 }), rowBytes.encodeDiscarded, rowBytes.decodeDiscarded],
  Target: [fc.record({ ino: u64, path: bytes(300) }), rowBytes.encodeTarget, rowBytes.decodeTarget],
  Orphan: [fc.record({ session, ino: u64, claimed: fc.boolean() }), rowBytes.encodeOrphan, rowBytes.decodeOrphan],
  Session: [fc.record({ session, slots: u32, opened: time }), rowBytes.encodeSession, rowBytes.decodeSession],
  Slot: [slot, rowBytes.encodeSlot, rowBytes.decodeSlot],
  EndedInstance: [
    fc.record({ client: u32, instance: u64 }),
    rowBytes.encodeEndedInstance,
    rowBytes.decodeEndedInstance,
  ],
  Xattr: [
    fc.record({ ino: u64, name: bytes(255).map((name) => name.toString('latin1')), value: bytes(300) }),
    rowBytes.encodeXattr,
    rowBytes.decodeXattr,
  ],
  Lock: [fc.record({ ino: u64, locks: fc.array(lock, { maxLength: 5 }) }), rowBytes.encodeLocks, rowBytes.decodeLocks],
  Lease: [fc.record({ session, renewed: u64, announced: fc.boolean() }), rowBytes.encodeLease, rowBytes.decodeLease],
  Client: [client, rowBytes.encodeClient, rowBytes.decodeClient],
  Record: [fc.record({ key: bytes(256), value: bytes(4096) }), rowBytes.encodeRecord, rowBytes.decodeRecord],
};

describe('the bytes of a row', () => {
  for (const [table, [row, encode, decode]] of Object.entries(codecs)) {
    it(`of ${table} are read back, and no others are`, () => {
      fc.assert(
        fc.property(row, fc.nat(), (row, cut) => {
          const content = encode(row as never);
          expect(decode(content)).toEqual(row);
          const others: Buffer[] = [Buffer.of(99, ...content.subarray(1))];
          if (table !== 'Block') {
            others.push(content.subarray(0, cut % content.length), Buffer.concat([content, Buffer.of(0)]));
          }
          for (const other of others) expect(() => decode(other)).toThrow(MalformedBytes);
        }),
        { seed: 7, numRuns: 50 },
      );
    });
  }

  it('of a block are as long as its data, up to the size of blocks', () => {
    const block = (length: number): Buffer =>
      rowBytes.encodeBlock({ fork: 1, position: 2, data: Buffer.alloc(length) });
    expect(rowBytes.decodeBlock(block(rowBytes.BLOCK_BYTES)).data.length).toBe(rowBytes.BLOCK_BYTES);
    expect(() => rowBytes.decodeBlock(block(rowBytes.BLOCK_BYTES + 1))).toThrow(MalformedBytes);
    expect(() => rowBytes.decodeBlock(block(0).subarray(1))).toThrow(MalformedBytes);
  });

  it('are at most as many as are taken of a row that a peer sends', () => {
    const block = rowBytes.encodeBlock({ fork: 1, position: 2, data: Buffer.alloc(rowBytes.BLOCK_BYTES) });
    const xattr = rowBytes.encodeXattr({ ino: 1, name: 'x'.repeat(255), value: Buffer.alloc(64 * 1024) });
    expect(Math.max(block.length, xattr.length)).toBe(rowBytes.LARGEST_ROW_BYTES);
    expect(() =>
      rowBytes.decodeXattr(rowBytes.encodeXattr({ ino: 1, name: 'x'.repeat(256), value: Buffer.of() })),
    ).toThrow(MalformedBytes);
  });

  it('of a header are those of this version and cluster', () => {
    const content = encodeHeader(2, cluster, {
      lastExecuted: 0,
      clock: { seconds: 1, nanoseconds: 2 },
      nextIno: 2,
      usedBytes: 3,
      usedInodes: 4,
      discardedBytes: 5,
      clientsVersion: 6,
    });
    expect(() => decodeHeader(content, 3, cluster, 0)).toThrow('version');
    expect(() => decodeHeader(content, 2, Buffer.alloc(32, 6), 0)).toThrow('cluster');
  });

  it('have one digest, with the data of a block copied behind its key or not', () => {
    const row = { fork: 2 ** 40, position: 7, data: Buffer.from('data') };
    expect(rowBytes.blockDigest(row)).toBe(rowBytes.rowDigest(rowBytes.encodeBlock(row)));
    expect(rowBytes.blockDigest({ ...row, position: 8 })).not.toBe(rowBytes.blockDigest(row));
  });
});

describe('the key of a row', () => {
  it('has table and primary key, in order', () => {
    const ino = Number.MAX_SAFE_INTEGER;
    expect([tableOf(inodeKey(ino)), integerAt(inodeKey(ino), 1, 8)]).toEqual([Table.Inode, ino]);
    const key = blockKey(ino - 1, 2 ** 33 + 1);
    expect([integerAt(key, 1, 8), integerAt(key, 9, 8)]).toEqual([ino - 1, 2 ** 33 + 1]);
    const slot = clientKey(Table.Slot, 2 ** 32 - 1, ino, 3);
    expect([integerAt(slot, 1, 4), integerAt(slot, 5, 8), integerAt(slot, 13, 8)]).toEqual([2 ** 32 - 1, ino, 3]);
    const name = nameDigest(Buffer.from('name'));
    expect([integerAt(dentryKey(9, name), 1, 8), nameDigestIn(dentryKey(9, name))]).toEqual([9, name]);
    const keys = [
      inodeKey(1),
      inodeKey(2),
      inodeKey(256),
      inodeKey(2 ** 40),
      dentryKey(1, name),
      blockKey(1, 0),
      blockKey(1, 9),
    ];
    expect([...keys].sort()).toEqual(keys);
    for (const key of keys) expect(key.length).toBe(32);
  });
});
