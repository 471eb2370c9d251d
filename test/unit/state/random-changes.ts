/** Random changes of all that is in the state. */
import fc from 'fast-check';
import { type AclEntry, AclTag, encodeAcl } from '../../../replica/state/acl.js';
import type { Operation } from '../../../src/fileservice/operations.js';
import { FileType, type Handle, ROOT_INO } from '../../../src/fileservice/types.js';
import { administer, BLOCK, type Change, NODES, SESSIONS, SLOTS } from './changes.js';
import { keyOf, registration } from './clients.js';
import { operation, step } from './random-operations.js';
import { bytes } from './support.js';

const session = fc.constantFrom(...SESSIONS);
const handle = fc.nat(NODES - 1).map((index): Handle => ({ ino: ROOT_INO + index, generation: 1 }));
const name = fc.constantFrom('a', 'b', 'c', 'd');
/** Small, or with more blocks than are looked up one by one when the file is cut. */
const size = fc.constantFrom(0, 1, BLOCK, 2 * BLOCK + 9, 17 * BLOCK + 5, 25 * BLOCK);

const xattrName = fc.constantFrom('user.a', 'user.b', 'security.capability').map(bytes);
const acl = (mask: number): AclEntry[] => [
  { tag: AclTag.USER_OBJ, permissions: 7, id: 0 },
  { tag: AclTag.USER, permissions: 6, id: 1000 },
  { tag: AclTag.GROUP_OBJ, permissions: 5, id: 0 },
  { tag: AclTag.MASK, permissions: mask, id: 0 },
  { tag: AclTag.OTHER, permissions: 4, id: 0 },
];

const others: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant('symlink' as const), parent: handle, name: name.map(bytes), target: name.map(bytes) }),
  fc.record({
    op: fc.constant('mknod' as const),
    parent: handle,
    name: name.map(bytes),
    mode: fc.constant(FileType.CHARACTER | 0o600),
    rdev: fc.nat(9),
  }),
  fc.record({ op: fc.constant('setattr' as const), node: handle, size }),
  fc.record({ op: fc.constant('setattr' as const), node: handle, mode: fc.constantFrom(0o600, 0o640) }),
  fc.record({
    op: fc.constant('write' as const),
    node: handle,
    offset: size,
    append: fc.constant(false),
    killPrivileges: fc.boolean(),
    data: fc.tuple(fc.constantFrom(1, 4 * BLOCK), fc.nat(255)).map(([length, fill]) => Buffer.alloc(length, fill)),
  }),
  fc.record({
    op: fc.constant('setxattr' as const),
    node: handle,
    name: xattrName,
    value: fc
      .tuple(fc.constantFrom(0, 1, 9, 100, 5000, 64 * 1024), fc.nat(255))
      .map(([length, fill]) => Buffer.alloc(length, fill)),
    flags: fc.constant(0),
  }),
  fc.record({
    op: fc.constant('setxattr' as const),
    node: handle,
    name: fc.constantFrom('access', 'default').map((kind) => bytes(`system.posix_acl_${kind}`)),
    value: fc.nat(7).map((mask) => encodeAcl(acl(mask))),
    flags: fc.constant(0),
  }),
  fc.record({ op: fc.constant('removexattr' as const), node: handle, name: xattrName }),
  fc.record({
    op: fc.constant('allocate' as const),
    node: handle,
    mode: fc.constantFrom(0, 1, 3, 16, 17),
    offset: size,
    length: fc.constantFrom(1, 2 * BLOCK, 18 * BLOCK),
    killPrivileges: fc.boolean(),
  }),
  fc.record({
    op: fc.constant('copy' as const),
    source: handle,
    sourceOffset: size,
    node: handle,
    offset: size,
    length: fc.constantFrom(1, 3 * BLOCK),
    killPrivileges: fc.boolean(),
  }),
  fc.record({ op: fc.constant('seek' as const), node: handle, offset: size, what: fc.constantFrom('data', 'hole') }),
  fc.record({ op: fc.constant('release' as const), node: handle }),
  fc.record({ op: fc.constant('fsync' as const), node: handle }),
  fc.record({
    op: fc.constant('readdir' as const),
    directory: handle,
    cookie: fc.nat(6),
    maxBytes: fc.constantFrom(120, 330, 4096),
  }),
);

const anyOperation = fc.oneof({ weight: 3, arbitrary: step.map(operation) }, { weight: 2, arbitrary: others });

/** Of clients that do nothing here, for the table as it may be. */
const NEW = ['n1', 'n2'].map((name, i) => registration(name, { quota: { bytes: 9, inodes: 9 } }, keyOf(200 + i)));
const clientChange = fc.constantFrom(...NEW, ...['c5', 'n1'].map((name) => ({ kind: 'revoke' as const, name })));

export const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(fc.nat(4), clientChange).map(([version, change]) => administer(version, change)) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('operation' as const), session, operation: anyOperation }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unlink-open' as const), session, parent: handle, name }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('open-session' as const),
      session,
      slots: fc.integer({ min: 1, max: SLOTS }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end-session' as const), session }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('reply' as const),
      session,
      row: fc.record({
        slot: fc.nat(SLOTS - 1),
        sequence: fc.nat(100),
        requestDigest: fc.nat(255).map((byte) => Buffer.alloc(32, byte)),
        status: fc.constant(0),
        durableAt: fc.nat(100),
        result: fc.nat(255).map((byte) => Buffer.alloc(byte, byte)),
      }),
    }),
  },
);
