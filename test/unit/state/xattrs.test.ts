import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { XattrFlag } from '../../../src/fileservice/operations.js';
import { type Credentials, FileLimits, FileType, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { endSession } from './changes.js';
import { inside } from './damage.js';
import { ALICE, BOB, bytes, Driver, ROOT, SESSION } from './support.js';
import { execute } from './transfers.js';

const { CREATE, REPLACE } = XattrFlag;
const KIB = 1024;
/** What an attribute takes beside its name and value. */
const OVERHEAD = 64;

const set = (fs: Driver, node: Handle, name: string, value: string | Buffer = 'v', who = ROOT, flags = 0): string =>
  fs.outcome('setxattr', { node, name: bytes(name), value: Buffer.from(value as string), flags }, who);
const remove = (fs: Driver, node: Handle, name: string, who = ROOT): string =>
  fs.outcome('removexattr', { node, name: bytes(name) }, who);
/** The value, or why there is none. */
function get(fs: Driver, node: Handle, name: string, who = ROOT): string {
  const outcome = fs.outcome('getxattr', { node, name: bytes(name) }, who);
  return outcome === 'ok'
    ? Buffer.from(fs.run('getxattr', { node, name: bytes(name) }, who).value).toString('latin1')
    : outcome;
}
const list = (fs: Driver, node: Handle, who = ROOT): string[] =>
  fs.run('listxattr', { node }, who).names.map((name) => Buffer.from(name).toString('latin1'));

const rows = (fs: Driver): unknown => {
  fs.state.commit();
  return inside(fs.state).db.prepare('SELECT count(*) FROM xattr').pluck().get();
};

describe('an attribute', () => {
  it('is read, listed, replaced and removed', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    expect([get(fs, node, 'user.a'), list(fs, node), remove(fs, node, 'user.a')]).toEqual(['ENODATA', [], 'ENODATA']);
    expect(set(fs, node, 'user.b', 'one')).toBe('ok');
    expect(set(fs, node, 'user.a', '')).toBe('ok');
    expect(set(fs, node, 'user.b', Buffer.of(0, 255, 0))).toBe('ok');
    expect([get(fs, node, 'user.b'), get(fs, node, 'user.a')]).toEqual(['\0\xff\0', '']);
    expect(list(fs, node)).toEqual(['user.a', 'user.b']);
    expect(remove(fs, node, 'user.a')).toBe('ok');
    expect([list(fs, node), fs.stat(node).hasXattrs]).toEqual([['user.b'], true]);
    remove(fs, node, 'user.b');
    expect(fs.stat(node).hasXattrs).toBe(false);
  });

  it('has a name of bytes', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    const name = 'user.\xff/\xfe é';
    expect([set(fs, node, name, 'x'), get(fs, node, name), list(fs, node)]).toEqual(['ok', 'x', [name]]);
    expect(rows(fs)).toBe(1);
    expect(list(fs, node)).toEqual([name]);
  });

  it('XATTR_CREATE and XATTR_REPLACE', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    expect(set(fs, node, 'user.a', 'x', ROOT, REPLACE)).toBe('ENODATA');
    expect(set(fs, node, 'user.a', 'x', ROOT, CREATE | REPLACE)).toBe('ENODATA');
    expect(set(fs, node, 'user.a', 'x', ROOT, CREATE)).toBe('ok');
    expect(set(fs, node, 'user.a', 'y', ROOT, CREATE)).toBe('EEXIST');
    expect(set(fs, node, 'user.a', 'y', ROOT, CREATE | REPLACE)).toBe('EEXIST');
    expect(get(fs, node, 'user.a')).toBe('x');
    expect(set(fs, node, 'user.a', 'z', ROOT, REPLACE)).toBe('ok');
    expect(set(fs, node, 'user.a', 'z', ROOT, 4)).toBe('EINVAL');
    expect(get(fs, node, 'user.a')).toBe('z');
  });

  it('moves ctime and the change counter, not mtime', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    for (const change of [() => set(fs, node, 'user.a'), () => remove(fs, node, 'user.a')]) {
      const before = fs.stat(node);
      const ctime = fs.nextTime;
      expect(change()).toBe('ok');
      expect(fs.stat(node)).toMatchObject({ ctime, change: before.change + 1, mtime: before.mtime });
    }
  });

  const names: [name: string, outcome: string][] = [
    ['user.x', 'ok'],
    [`user.${'x'.repeat(250)}`, 'ok'],
    [`user.${'x'.repeat(251)}`, 'ERANGE'],
    ['', 'ERANGE'],
    ['user.', 'EINVAL'],
    ['user.\0', 'EINVAL'],
    ['user', 'EOPNOTSUPP'],
    ['User.x', 'EOPNOTSUPP'],
    ['system.x', 'EOPNOTSUPP'],
    ['system.posix_acl_accesses', 'EOPNOTSUPP'],
    ['.x', 'EOPNOTSUPP'],
  ];
  it.each(names)('%j: %s', (name, outcome) => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    expect(set(fs, node, name)).toBe(outcome);
    expect(get(fs, node, name)).toBe(outcome === 'ok' ? 'v' : outcome);
    expect(remove(fs, node, name)).toBe(outcome);
  });
});

describe('who may', () => {
  /** Of a file or directory of Alice's: set, read and remove as each, with that mode. */
  const cases: [what: 'create' | 'mkdir', mode: number, name: string, who: Credentials, outcomes: string[]][] = [
    ['create', 0o600, 'user.a', ALICE, ['ok', 'v', 'ok']],
    ['create', 0o600, 'user.a', BOB, ['EACCES', 'EACCES', 'EACCES']],
    ['create', 0o604, 'user.a', BOB, ['EACCES', 'ENODATA', 'EACCES']],
    ['create', 0o602, 'user.a', BOB, ['ok', 'EACCES', 'ok']],
    ['create', 0o400, 'user.a', ALICE, ['EACCES', 'ENODATA', 'EACCES']],
    ['create', 0o000, 'user.a', ROOT, ['ok', 'v', 'ok']],
    ['create', 0o777, 'trusted.a', ALICE, ['EPERM', 'ENODATA', 'EPERM']],
    ['create', 0o777, 'trusted.a', ROOT, ['ok', 'v', 'ok']],
    ['create', 0o777, 'security.a', ALICE, ['EPERM', 'ENODATA', 'EPERM']],
    ['create', 0o000, 'security.a', ROOT, ['ok', 'v', 'ok']],
    ['mkdir', 0o777, 'user.a', BOB, ['ok', 'v', 'ok']],
    ['mkdir', 0o1777, 'user.a', BOB, ['EPERM', 'ENODATA', 'EPERM']],
    ['mkdir', 0o1777, 'user.a', ALICE, ['ok', 'v', 'ok']],
  ];
  for (const [what, mode, name, who, outcomes] of cases) {
    it(`${who.uid} with ${name} of a ${what} ${mode.toString(8)}`, () => {
      const fs = Driver.fresh();
      const node = what === 'create' ? fs.create('n') : fs.mkdir('n');
      fs.run('setattr', { node, uid: ALICE.uid, gid: ALICE.gid, mode });
      expect([set(fs, node, name, 'v', who), get(fs, node, name, who), remove(fs, node, name, who)]).toEqual(outcomes);
    });
  }

  it('user.* is for files and directories alone', () => {
    const fs = Driver.fresh();
    const made = (type: number) =>
      fs.run('mknod', { parent: ROOT_HANDLE, name: bytes(`n${type}`), mode: type | 0o666, rdev: 0 }).attributes;
    const link = fs.run('symlink', { parent: ROOT_HANDLE, name: bytes('l'), target: bytes('f') }).attributes;
    for (const node of [link, ...[FileType.FIFO, FileType.SOCKET, FileType.CHARACTER, FileType.BLOCK].map(made)]) {
      expect([set(fs, node, 'user.a'), get(fs, node, 'user.a'), remove(fs, node, 'user.a')]).toEqual([
        'EPERM',
        'ENODATA',
        'EPERM',
      ]);
      expect([set(fs, node, 'trusted.a'), set(fs, node, 'security.a')]).toEqual(['ok', 'ok']);
    }
  });

  it('trusted.* is not for others to see', () => {
    const fs = Driver.fresh();
    const node = fs.create('f', 0o666);
    for (const name of ['trusted.a', 'user.a', 'security.a']) set(fs, node, name);
    expect(list(fs, node)).toEqual(['security.a', 'trusted.a', 'user.a']);
    expect(list(fs, node, BOB)).toEqual(['security.a', 'user.a']);
    expect([get(fs, node, 'security.a', BOB), get(fs, node, 'trusted.a', BOB)]).toEqual(['v', 'ENODATA']);
  });
});

describe('security.capability', () => {
  const CAPABILITY = 'security.capability';
  const privileged = (changed = {}) => {
    const fs = Driver.fresh(changed);
    const node = fs.create('f', 0o666);
    fs.write(node, 0, bytes('x'));
    set(fs, node, CAPABILITY);
    set(fs, node, 'user.kept');
    return { fs, node };
  };
  const data = { offset: 0, append: false, killPrivileges: false, data: bytes('y') };

  it('goes when the file is written to, cut or given away, by whomever', () => {
    const changes: ((fs: Driver, node: Handle) => unknown)[] = [
      (fs, node) => fs.run('write', { node, ...data }),
      (fs, node) => fs.run('write', { node, ...data }, BOB),
      (fs, node) => fs.run('setattr', { node, size: 0 }),
      (fs, node) => fs.run('setattr', { node, size: 9, mode: 0o600 }),
      (fs, node) => fs.run('setattr', { node, uid: 0 }),
      (fs, node) => fs.run('setattr', { node, gid: 5, mode: 0o600 }),
      (fs, node) => fs.run('setattr', { node, killPrivileges: true }),
      (fs) =>
        fs.run('create', {
          ...{ parent: ROOT_HANDLE, name: bytes('f'), mode: 0, exclusive: false, truncate: true, access: 2 },
        }),
    ];
    for (const change of changes) {
      const { fs, node } = privileged();
      change(fs, node);
      expect(list(fs, node)).toEqual(['user.kept']);
      expect(rows(fs)).toBe(1);
      expect(fs.state.statistics.usedBytes).toBe(fs.stat(node).blocks * 512 + 'user.keptv'.length + OVERHEAD);
    }
  });

  it('stays otherwise', () => {
    const { fs, node } = privileged();
    fs.run('setattr', { node, mode: 0o755 });
    fs.run('setattr', { node, mtime: 'now' });
    fs.run('write', { node, ...data, data: bytes('') });
    fs.run('link', { node, parent: ROOT_HANDLE, name: bytes('g') });
    expect(get(fs, node, CAPABILITY)).toBe('v');
    const d = fs.mkdir('d');
    set(fs, d, CAPABILITY);
    fs.run('setattr', { node: d, uid: 5 });
    expect(get(fs, d, CAPABILITY)).toBe('v');
  });

  it('is removed by whoever could write to the file: the kernel does so for them', () => {
    const { fs, node } = privileged();
    fs.run('setattr', { node, uid: ALICE.uid, mode: 0o444 });
    for (const [who, outcome] of [
      [BOB, 'EPERM'],
      [ALICE, 'ok'],
    ] as const) {
      set(fs, node, CAPABILITY);
      expect(remove(fs, node, CAPABILITY, who)).toBe(outcome);
      expect(set(fs, node, CAPABILITY, 'v', who)).toBe('EPERM');
    }
    fs.chmod(node, 0o446);
    set(fs, node, CAPABILITY);
    expect(remove(fs, node, CAPABILITY, BOB)).toBe('ok');
  });

  it('stays when a change fails for want of room, as does all else', () => {
    const { fs, node } = privileged({ capacityBytes: 5000 });
    const before = [fs.stat(node), fs.state.statistics];
    expect(fs.outcome('setattr', { node, size: 20_000, uid: 5, mode: 0 })).toBe('ENOSPC');
    expect(fs.outcome('write', { node, ...data, offset: 20_000 })).toBe('ENOSPC');
    expect([fs.stat(node), fs.state.statistics]).toEqual(before);
    expect(get(fs, node, CAPABILITY)).toBe('v');
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });
});

describe('the space of attributes', () => {
  it('is that of names and values, and something for each', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    const inUse = (): number => fs.state.statistics.usedBytes;
    set(fs, node, 'user.a', Buffer.alloc(100));
    expect(inUse()).toBe(6 + 100 + OVERHEAD);
    set(fs, node, 'user.a', Buffer.alloc(10));
    set(fs, node, 'user.bb', Buffer.alloc(1));
    expect(inUse()).toBe(6 + 10 + OVERHEAD + 7 + 1 + OVERHEAD);
    remove(fs, node, 'user.a');
    expect(inUse()).toBe(7 + 1 + OVERHEAD);
    expect(fs.stat(node)).toMatchObject({ blocks: 0, size: 0 });
  });

  it('is of the agreed capacity', () => {
    const fs = Driver.fresh({ capacityBytes: 1000 });
    const node = fs.create('f');
    const room = 1000 - 6 - OVERHEAD;
    expect(set(fs, node, 'user.a', Buffer.alloc(room + 1))).toBe('ENOSPC');
    expect([fs.state.statistics.usedBytes, list(fs, node)]).toEqual([0, []]);
    expect(set(fs, node, 'user.a', Buffer.alloc(room))).toBe('ok');
    expect(set(fs, node, 'user.b', '')).toBe('ENOSPC');
    expect(set(fs, node, 'user.a', Buffer.alloc(room), ROOT, REPLACE)).toBe('ok');
    expect(set(fs, node, 'user.a', 'less')).toBe('ok');
  });

  it('has room for a value of 64 KiB in one inode, and not for two', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    const value = Buffer.alloc(64 * KIB, 'v');
    expect(set(fs, node, `user.${'x'.repeat(250)}`, value)).toBe('ok');
    expect(get(fs, node, `user.${'x'.repeat(250)}`)).toBe(value.toString());
    expect(set(fs, node, 'user.b', value)).toBe('ENOSPC');
    expect(set(fs, node, 'user.c', value.subarray(0, 4 * KIB))).toBe('ok');
    // The kernel lets none come that is larger: it is no operation.
    expect(set(fs, node, 'user.d', Buffer.alloc(64 * KIB + 1))).toBe('EPROTO');
    expect(rows(fs)).toBe(2);
  });

  it('bounds their number, and the bytes of their names', () => {
    for (const length of [1, 250]) {
      const fs = Driver.fresh();
      const node = fs.create('f');
      let count = 0;
      const name = (i: number) => `user.${String.fromCharCode(1 + (i % 255), 1 + Math.floor(i / 255)).padEnd(length)}`;
      while (set(fs, node, name(count), '') === 'ok') count++;
      const names = list(fs, node);
      expect(new Set(names).size).toBe(count);
      expect(names.reduce((sum, each) => sum + each.length + 1, 0)).toBeLessThanOrEqual(FileLimits.xattrNamesBytes);
      expect(count).toBeLessThan(1200);
      expect(count).toBeGreaterThan(200);
      fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: 0 });
      expect([fs.state.statistics.usedBytes, rows(fs)]).toEqual([0, 0]);
    }
  });

  it('is free when the inode is: removed, replaced, let go of by whoever had it open, or with whom', () => {
    const ends: ((fs: Driver, node: Handle) => void)[] = [
      (fs) => void fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: 0 }),
      (fs) => {
        fs.create('g');
        const to = { newParent: ROOT_HANDLE, newName: bytes('f'), flags: 0, retain: 0 };
        fs.run('rename', { parent: ROOT_HANDLE, name: bytes('g'), ...to });
      },
      (fs, node) => {
        fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: node.ino });
        expect(get(fs, node, 'user.a')).toBe('v');
        expect(set(fs, node, 'user.b')).toBe('ok');
        fs.run('release', { node });
      },
      (fs, node) => {
        fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: node.ino });
        execute(fs, [endSession(SESSION)]);
      },
    ];
    for (const end of ends) {
      const fs = Driver.fresh();
      const node = fs.create('f');
      for (const name of ['user.a', 'trusted.b', 'security.c']) set(fs, node, name);
      const d = fs.mkdir('d');
      set(fs, d, 'user.a');
      end(fs, node);
      fs.run('rmdir', { parent: ROOT_HANDLE, name: bytes('d') });
      expect([fs.state.statistics.usedBytes, rows(fs)]).toEqual([0, 0]);
      expect(fs.outcome('getxattr', { node, name: bytes('user.a') })).toBe('ESTALE');
      expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
    }
  });
});

describe('random changes of attributes', () => {
  it('leave what a map would have, through commits and restarts', () => {
    const name = fc.constantFrom('user.a', 'user.b', 'trusted.a', 'security.capability');
    const step = fc.record({
      at: fc.nat(2),
      name,
      value: fc.option(fc.constantFrom('', 'x', 'y'.repeat(5000))),
      flags: fc.constantFrom(0, 0, CREATE, REPLACE),
      event: fc.constantFrom('none', 'none', 'commit', 'restart'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const fs = Driver.fresh();
        const nodes = [fs.create('a'), fs.create('b'), fs.mkdir('c')];
        const maps = nodes.map(() => new Map<string, string>());
        for (const { at, name, value, flags, event } of steps) {
          const [node, map] = [nodes[at], maps[at]];
          const has = map.has(name);
          if (value === null) {
            expect(remove(fs, node, name)).toBe(has ? 'ok' : 'ENODATA');
            map.delete(name);
          } else {
            const expected = flags === CREATE && has ? 'EEXIST' : flags === REPLACE && !has ? 'ENODATA' : 'ok';
            expect(set(fs, node, name, value, ROOT, flags)).toBe(expected);
            if (expected === 'ok') map.set(name, value);
          }
          if (event === 'commit') fs.state.commit();
          if (event === 'restart') {
            fs.state.commit();
            fs.restart();
          }
        }
        let charged = 0;
        for (const [i, map] of maps.entries()) {
          expect(list(fs, nodes[i])).toEqual([...map.keys()].sort());
          for (const [name, value] of map) {
            expect(get(fs, nodes[i], name)).toBe(value);
            charged += name.length + value.length + OVERHEAD;
          }
          expect(fs.stat(nodes[i]).hasXattrs).toBe(map.size > 0);
        }
        expect(fs.state.statistics.usedBytes).toBe(charged);
        expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
        fs.state.close();
      }),
      { seed: 21, numRuns: 60 },
    );
  });
});
