import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MalformedBytes } from '../../src/bytes.js';
import type { Change } from '../../src/fileservice/clients.js';
import { LOCK_OWNER_BYTES } from '../../src/fileservice/locks.js';
import {
  decodeOperation,
  encodeOperation,
  isReadOnly,
  type Operation,
  type OperationName,
} from '../../src/fileservice/operations.js';
import { decodeResult } from '../../src/fileservice/results.js';
import { ALL_RIGHTS } from '../../src/fileservice/rights.js';
import { FileType, type Handle, ROOT_HANDLE } from '../../src/fileservice/types.js';
import { ACCESS_ACL, DEFAULT_ACL } from '../../src/fileservice/xattr-names.js';
import { inside } from '../unit/state/damage.js';
import { ADMIN_SESSION, Driver, SESSION } from '../unit/state/support.js';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.oneof(fc.nat(9), fc.integer({ min: 0, max: 0xffff_ffff }));
const u64 = fc.oneof(fc.nat(300), fc.maxSafeNat());
const data = fc.oneof(
  { weight: 30, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.constantFrom(4096, 4097, 65_536).map((length) => Buffer.alloc(length, length)) },
);
const short = data.filter((bytes) => bytes.length <= 4096);
/** Mostly what is there, or can be. */
const node: fc.Arbitrary<Handle> = fc.oneof(
  { weight: 5, arbitrary: fc.nat(60).map((index) => ({ ino: index + 1, generation: 1 })) },
  { weight: 1, arbitrary: fc.record({ ino: u64, generation: u32 }) },
);
const directory = fc.oneof(fc.constant(ROOT_HANDLE), node);
const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '.', '..').map((text) => Buffer.from(text)),
  short,
);
const xattrName = fc.oneof(
  fc
    .constantFrom('user.a', 'trusted.b', 'security.capability', ACCESS_ACL, DEFAULT_ACL)
    .map((text) => Buffer.from(text)),
  short,
);
const aclEntry = fc.record({ tag: fc.constantFrom(1, 2, 4, 8, 16, 32), permissions: fc.nat(8), id: fc.nat(3) });
/** Bytes of an access control list, seldom one that is valid. */
const acl = fc.array(aclEntry, { maxLength: 7 }).map((entries) => {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  entries.sort((a, b) => a.tag - b.tag);
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(permissions, 6 + 8 * i);
    bytes.writeUInt32LE(id, 8 + 8 * i);
  }
  return bytes;
});
const mode = fc.oneof(fc.nat(0o7777), u32, fc.constantFrom(FileType.FIFO | 0o644, FileType.REGULAR | 0o600));
const umask = fc.option(
  u16.filter((bits) => bits !== 0),
  { nil: undefined },
);
const time = fc.oneof(
  fc.constant('now' as const),
  fc.record({ seconds: fc.maxSafeInteger(), nanoseconds: fc.nat(999_999_999) }),
);
const range = fc.tuple(u64, u64).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
const lock = fc
  .record({
    kind: fc.constantFrom('posix' as const, 'flock' as const),
    type: fc.constantFrom('read' as const, 'write' as const, 'unlock' as const),
    owner: fc.nat(2).map((owner) => String(owner).padEnd(LOCK_OWNER_BYTES)),
    pid: u32,
  })
  .chain((asked) => range.map((bytes) => ({ ...asked, ...bytes })));
const inos = fc.array(u64, { maxLength: 4 });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const clientName = fc.constantFrom('other', 'c3', 'c4', 'x-1.y_2');
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('revoke' as const), name: clientName }),
  fc.record({
    ...{ kind: fc.constant('register' as const), name: clientName, publicKey: key },
    rights: fc.record({
      ...{
        uids: fc.constantFrom([], [{ low: 0, high: 0 }], ALL_RIGHTS.uids),
        gids: fc.constant([{ low: 5, high: 9 }]),
      },
      squash: fc.constantFrom(undefined, { whom: 'root' as const, uid: 7, gid: 8 }),
      readOnly: fc.boolean(),
      subtree: fc.option(
        node.map((handle) => ({ ...handle, path: '/a' })),
        { nil: undefined },
      ),
      quota: fc.constantFrom(undefined, { bytes: 5, inodes: 6 }),
      rate: fc.constantFrom(undefined, 1, 1_000_000),
    }),
  }),
);
const approvals = fc
  .uniqueArray(fc.nat(9), { maxLength: 4 })
  .map((owners) => owners.sort((a, b) => a - b).map((replica) => ({ replica, signature: Buffer.alloc(64, replica) })));
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Every operation there is: one that is new has to be added here to compile. */
const fields: Record<OperationName, fc.Arbitrary<object>> = {
  null: fc.record({ padding: data, resultBytes: u32 }),
  lookup: fc.record({ parent: directory, name }),
  getattr: fc.record({ node }),
  setattr: fc.record({
    ...{ node, mode: optional(mode), uid: optional(u32), gid: optional(u32), size: optional(u64) },
    ...{ atime: optional(time), mtime: optional(time), killPrivileges: optional(fc.constant(true)) },
  }),
  readdir: fc.record({ directory: node, cookie: u64, maxBytes: u32 }),
  create: fc.record({
    ...{ parent: directory, name, mode, exclusive: fc.boolean(), truncate: fc.boolean(), access: fc.nat(255), umask },
  }),
  mkdir: fc.record({ parent: directory, name, mode, umask }),
  mknod: fc.record({ parent: directory, name, mode, rdev: u32, umask }),
  symlink: fc.record({ parent: directory, name, target: short }),
  readlink: fc.record({ node }),
  link: fc.record({ node, parent: directory, name }),
  unlink: fc.record({ parent: directory, name, retain: u64 }),
  rmdir: fc.record({ parent: directory, name }),
  rename: fc.record({
    parent: directory,
    name,
    newParent: directory,
    newName: name,
    flags: fc.oneof(fc.nat(3), u32),
    retain: u64,
  }),
  open: fc.oneof(
    fc.record({ node, access: fc.nat(255) }),
    fc.record({ node, access: fc.nat(7), parent: directory, name }),
  ),
  release: fc.record({ node }),
  read: fc.record({ node, offset: u64, length: u32 }),
  write: fc.record({ node, offset: u64, append: fc.boolean(), killPrivileges: fc.boolean(), data }),
  fsync: fc.record({ node }),
  statfs: fc.record({}),
  getxattr: fc.record({ node, name: xattrName }),
  listxattr: fc.record({ node }),
  setxattr: fc.record({ node, name: xattrName, value: fc.oneof(data, acl), flags: fc.oneof(fc.nat(3), u32) }),
  removexattr: fc.record({ node, name: xattrName }),
  allocate: fc.record({
    ...{ node, mode: fc.oneof(fc.nat(64), u32), offset: u64, length: u64, killPrivileges: fc.boolean() },
  }),
  seek: fc.record({ node, offset: u64, what: fc.constantFrom('data' as const, 'hole' as const) }),
  copy: fc.record({
    ...{ source: node, sourceOffset: u64, node, offset: u64, length: u64, killPrivileges: fc.boolean() },
  }),
  lock: fc.record({ node, lock }),
  testlock: fc.record({ node, lock }),
  renew: fc.record({ claimed: inos, released: inos }),
  clients: fc.record({ from: u32 }),
  administer: fc.record({ version: fc.oneof(fc.nat(4), u64), change, approvals }),
};

const NAMES = Object.keys(fields) as OperationName[];
const operation: fc.Arbitrary<Operation> = fc.oneof(
  ...NAMES.map((op) => fields[op].map((each) => ({ op, ...each }) as Operation)),
);
const credentials = fc.record({
  uid: fc.constantFrom(0, 0, 1, 2),
  gid: fc.nat(3),
  groups: fc.array(fc.nat(3), { maxLength: 3 }),
});

/** One byte changed, bytes cut off at the end, or added there. */
function damaged(bytes: Buffer, { kind, at, value }: { kind: number; at: number; value: number }): Buffer {
  const index = at % bytes.length;
  if (kind === 0) return bytes.subarray(0, index);
  if (kind === 1) return Buffer.concat([bytes, Buffer.of(value)]);
  const changed = Buffer.from(bytes);
  changed[index] ^= 1 + (value % 255);
  return changed;
}
const damage = fc.record({ kind: fc.nat(3), at: fc.nat(100_000), value: fc.nat(255) });

describe('operations', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(operation, credentials, (operation, who) => {
        const decoded = decodeOperation(encodeOperation(who, operation));
        expect(decoded.operation).toEqual(operation);
        // Whom it does not depend on, it does not name.
        expect([who, { uid: 0, gid: 0, groups: [] }]).toContainEqual(decoded.credentials);
      }),
      { seed: 31, numRuns: 3000 },
    );
  });

  it('are read from no other bytes than those they are written as', () => {
    let read = 0;
    fc.assert(
      fc.property(operation, credentials, damage, (operation, who, damage) => {
        const bytes = damaged(encodeOperation(who, operation), damage);
        let decoded: ReturnType<typeof decodeOperation>;
        try {
          decoded = decodeOperation(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
          return;
        }
        read++;
        expect(encodeOperation(decoded.credentials, decoded.operation).equals(bytes)).toBe(true);
      }),
      { seed: 32, numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(500);
  });
});

describe('the service', () => {
  const fs = Driver.fresh({ capacityBytes: 1 << 20, capacityInodes: 40 });
  afterAll(() => fs.state.close());

  it('answers whatever it is asked, in bytes that a client can read, and keeps its accounts', () => {
    const ok = new Set<OperationName>();
    fc.assert(
      fc.property(operation, credentials, fc.option(damage), (operation, who, damage) => {
        const whole = encodeOperation(who, operation);
        const bytes = damage === null || damage.at % 4 > 0 ? whole : damaged(whole, damage);
        const isAdministration = operation.op === 'clients' || operation.op === 'administer';
        const session = isAdministration ? ADMIN_SESSION : SESSION;
        const result = fs.execute(bytes, session);
        fs.state.service.query(bytes, session);
        if (bytes !== whole) return;
        if (decodeResult(operation.op, result).errno === 0) ok.add(operation.op);
        if (isReadOnly(operation)) expect(fs.state.service.query(bytes, session)).toEqual(result);
      }),
      { seed: 34, numRuns: 40_000 },
    );
    expect([...ok].sort()).toEqual([...NAMES].sort());
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
    fs.state.commit();
    const { db, store } = inside(fs.state);
    const sum = (sql: string): number => db.prepare<[], number>(`SELECT coalesce(${sql}, 0)`).pluck().get() as number;
    const attributes = sum('(SELECT sum(length(name) + length(value) + 64) FROM xattr)');
    expect(sum('(SELECT sum(xattr_bytes) FROM inode)')).toBe(attributes);
    expect(store.header.row.usedBytes).toBe(attributes + sum('(SELECT sum(allocated) FROM inode)'));
    expect(sum('(SELECT count(*) FROM xattr WHERE ino NOT IN (SELECT ino FROM inode))')).toBe(0);
  });
});
