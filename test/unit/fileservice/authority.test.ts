import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, MalformedBytes } from '../../../src/bytes.js';
import { asserted, isChange, withHandles } from '../../../src/fileservice/authority.js';
import type { LockRequest } from '../../../src/fileservice/locks.js';
import { isReadOnly, type Operation } from '../../../src/fileservice/operations.js';
import { ALL_RIGHTS, canonicalRanges, type Rights, readRights, writeRights } from '../../../src/fileservice/rights.js';
import { type Credentials, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';

const rights = (changed: Partial<Rights>): Rights => ({ ...ALL_RIGHTS, ...changed });
const who = (uid: number, gid: number, ...groups: number[]): Credentials => ({ uid, gid, groups });
const only = (low: number, high = low) => [{ low, high }];
const statement: Operation = { op: 'mkdir', parent: ROOT_HANDLE, name: Buffer.from('d'), mode: 0o755 };

const USERS = rights({ uids: only(1000, 1999), gids: [...only(100), ...only(1000, 1999)] });
const NOBODY = { uid: 65_534, gid: 65_534 };

describe('as whom a call is executed', () => {
  const cases: [what: string, Rights, stated: Credentials, as: Credentials | undefined][] = [
    ['anybody, who may be anybody', ALL_RIGHTS, who(0, 0, 7), who(0, 0, 7)],
    ['one of the users', USERS, who(1500, 100, 1000), who(1500, 100, 1000)],
    ['the first of them', USERS, who(1000, 1000), who(1000, 1000)],
    ['the last of them', USERS, who(1999, 1999), who(1999, 1999)],
    ['one below', USERS, who(999, 1000), undefined],
    ['one above', USERS, who(2000, 1000), undefined],
    ['root', USERS, who(0, 0), undefined],
    ['a user in a foreign group', USERS, who(1500, 0), undefined],
    ['a user with foreign groups beside', USERS, who(1500, 100, 0, 27, 1999), who(1500, 100, 1999)],
    ['all as one', rights({ squash: { whom: 'all', uid: 5, gid: 6 } }), who(0, 0, 7), who(5, 6)],
    [
      'all as one, whom it could not state',
      { ...USERS, squash: { whom: 'all', uid: 5, gid: 6 } },
      who(77, 1),
      who(5, 6),
    ],
    ['root as nobody', rights({ squash: { whom: 'root', ...NOBODY } }), who(0, 0, 0, 7), who(65_534, 65_534)],
    ['root as nobody of some users', { ...USERS, squash: { whom: 'root', ...NOBODY } }, who(0, 5), who(65_534, 65_534)],
    ["a user in root's group", rights({ squash: { whom: 'root', ...NOBODY } }), who(7, 0, 0, 8), who(7, 65_534, 8)],
    ['a foreign user, root being nobody', { ...USERS, squash: { whom: 'root', ...NOBODY } }, who(999, 1000), undefined],
    [
      "one of the users in root's group",
      { ...USERS, squash: { whom: 'root', ...NOBODY } },
      who(1500, 0, 0),
      who(1500, 65_534),
    ],
    [
      'a user in the group that roots are put in',
      { ...USERS, squash: { whom: 'root', ...NOBODY } },
      who(1500, 65_534),
      undefined,
    ],
    ['nobody, who may be nobody', rights({ uids: [] }), who(0, 0), undefined],
  ];
  for (const [what, granted, stated, as] of cases) {
    it(`${what}: ${as === undefined ? 'refused' : `${as.uid}:${as.gid} ${as.groups.join()}`}`, () => {
      expect(asserted(granted, stated, statement)).toEqual(as);
    });
  }

  it('matters not where nothing depends on it', () => {
    const node = ROOT_HANDLE;
    for (const o of [{ op: 'getattr', node }, { op: 'renew', claimed: [], released: [] }, { op: 'statfs' }] as const) {
      expect(asserted(USERS, who(0, 0), o)).toEqual(who(0, 0));
    }
  });
});

const node: Handle = { ino: 9, generation: 1 };
const parent: Handle = { ino: 8, generation: 1 };
const name = Buffer.from('n');
const lock = (type: LockRequest['type']): LockRequest => ({
  ...{ kind: 'flock', type, start: 0, end: 5, owner: '12345678', pid: 1 },
});
const written = { offset: 0, append: false, killPrivileges: false, data: name };

/** Every operation, and whether a client that may only read is refused it. */
const OPERATIONS: [Operation, isChange: boolean][] = [
  [{ op: 'null', padding: name, resultBytes: 0 }, false],
  [{ op: 'lookup', parent, name }, false],
  [{ op: 'getattr', node }, false],
  [{ op: 'setattr', node, mode: 0 }, true],
  [{ op: 'setattr', node, atime: 'now', mtime: 'now' }, true],
  [{ op: 'readdir', directory: node, cookie: 0, maxBytes: 1 }, false],
  [{ op: 'create', parent, name, mode: 0, exclusive: false, truncate: false, access: 4 }, true],
  [{ op: 'mkdir', parent, name, mode: 0 }, true],
  [{ op: 'mknod', parent, name, mode: 0, rdev: 0 }, true],
  [{ op: 'symlink', parent, name, target: name }, true],
  [{ op: 'readlink', node }, false],
  [{ op: 'link', node, parent, name }, true],
  [{ op: 'unlink', parent, name, retain: 0 }, true],
  [{ op: 'rmdir', parent, name }, true],
  [{ op: 'rename', parent, name, newParent: parent, newName: name, flags: 0, retain: 0 }, true],
  [{ op: 'open', node, access: 4 }, false],
  [{ op: 'open', node, access: 5, parent, name }, false],
  [{ op: 'open', node, access: 2 }, true],
  [{ op: 'open', node, access: 6 }, true],
  [{ op: 'release', node }, false],
  [{ op: 'read', node, offset: 0, length: 1 }, false],
  [{ op: 'write', node, ...written }, true],
  [{ op: 'fsync', node }, false],
  [{ op: 'statfs' }, false],
  [{ op: 'getxattr', node, name }, false],
  [{ op: 'listxattr', node }, false],
  [{ op: 'setxattr', node, name, value: name, flags: 0 }, true],
  [{ op: 'removexattr', node, name }, true],
  [{ op: 'allocate', node, mode: 0, offset: 0, length: 1, killPrivileges: false }, true],
  [{ op: 'seek', node, offset: 0, what: 'data' }, false],
  [{ op: 'copy', source: parent, sourceOffset: 0, node, offset: 0, length: 1, killPrivileges: false }, true],
  [{ op: 'lock', node, lock: lock('read') }, false],
  [{ op: 'lock', node, lock: lock('unlock') }, false],
  [{ op: 'lock', node, lock: lock('write') }, true],
  [{ op: 'testlock', node, lock: lock('write') }, false],
  [{ op: 'renew', claimed: [], released: [] }, false],
  [{ op: 'clients', from: 0 }, false],
  [{ op: 'administer', version: 0, change: { kind: 'revoke', name: 'x' }, approvals: [] }, true],
];

describe('operations', () => {
  it.each(OPERATIONS.map(([o, change]) => [JSON.stringify(o).slice(0, 60), change, o] as const))(
    '%s changes something: %s',
    (_, change, o) => {
      expect(isChange(o)).toBe(change);
      // Nothing that a query could not do is let through as reading but what keeps open files alive.
      const kept = ['release', 'fsync', 'renew', 'lock'];
      if (!change) expect(isReadOnly(o) || kept.includes(o.op)).toBe(true);
    },
  );

  it('have every inode that they name looked at', () => {
    for (const [o] of OPERATIONS) {
      const named: number[] = [];
      const renamed = withHandles(o, (handle) => {
        named.push(handle.ino);
        return { ino: handle.ino + 100, generation: 2 };
      });
      const text = JSON.stringify(o);
      expect(named.length).toBe([...text.matchAll(/"ino":/g)].length);
      expect([...JSON.stringify(renamed).matchAll(/"ino":1\d\d,"generation":2/g)].length).toBe(named.length);
      expect(JSON.stringify(o)).toBe(text);
      if (named.length > 0) expect(withHandles(o, () => undefined)).toBeUndefined();
      else expect(renamed).toBe(o);
    }
  });
});

describe('ranges', () => {
  it('that overlap or touch are one', () => {
    const given = [...only(5, 9), ...only(1), ...only(10, 12), ...only(2, 3), ...only(7), ...only(20)];
    expect(canonicalRanges(given)).toEqual([...only(1, 3), ...only(5, 12), ...only(20)]);
  });

  it('have one encoding', () => {
    const encoded = (uids: Rights['uids']): Buffer => {
      const w = new ByteWriter();
      writeRights(w, rights({ uids }));
      return w.finish();
    };
    expect(readRights(new ByteReader(encoded(only(3, 9))))).toEqual(rights({ uids: only(3, 9) }));
    for (const wrong of [
      only(9, 3),
      [...only(5), ...only(1)],
      [...only(1, 3), ...only(4)],
      [...only(1, 5), ...only(3)],
    ]) {
      expect(() => readRights(new ByteReader(encoded(wrong)))).toThrow(MalformedBytes);
    }
  });
});
