import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AclEntry, AclTag, encodeAcl, isValidAcl, parseAcl } from '../../../replica/state/acl.js';
import { type Credentials, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ACCESS_ACL, DEFAULT_ACL } from '../../../src/fileservice/xattr-names.js';
import { bytes, Driver, ROOT } from './support.js';

const { USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER } = AclTag;
const NO_ID = 0xffff_ffff;

/** A list as POSIX 1003.1e draft 17 speaks of it: an independent form, from which the entries are made. */
interface Acl {
  owner: number;
  users: [uid: number, permissions: number][];
  group: number;
  groups: [gid: number, permissions: number][];
  mask: number | undefined;
  others: number;
}

const entriesOf = ({ owner, users, group, groups, mask, others }: Acl): AclEntry[] => [
  { tag: USER_OBJ, permissions: owner, id: NO_ID },
  ...users.map(([id, permissions]) => ({ tag: USER, permissions, id })),
  { tag: GROUP_OBJ, permissions: group, id: NO_ID },
  ...groups.map(([id, permissions]) => ({ tag: GROUP, permissions, id })),
  ...(mask === undefined ? [] : [{ tag: MASK, permissions: mask, id: NO_ID }]),
  { tag: OTHER, permissions: others, id: NO_ID },
];

const aclBytes = (acl: Acl): Buffer => encodeAcl(entriesOf(acl));

const permission = fc.nat(7);
const id = fc.integer({ min: 1000, max: 1003 });
const named = fc.uniqueArray(fc.tuple(id, permission), { maxLength: 3, selector: ([id]) => id });
const acl: fc.Arbitrary<Acl> = fc
  .record({
    owner: permission,
    users: named,
    group: permission,
    groups: named,
    mask: fc.option(permission, { nil: undefined }),
    others: permission,
  })
  .map((each) => (each.users.length + each.groups.length > 0 ? { ...each, mask: each.mask ?? 7 } : each));

const person = fc.record({ uid: id, gid: id, groups: fc.uniqueArray(id, { maxLength: 2 }) });

/**
 * The access check of draft 17, §23.1.5: the first of owner, named user, groups, others that fits decides. Linux does not
 * look at a list whose group class has no permission at all (acl_permission_check): there the mode's bits decide.
 */
function isGranted(list: Acl, file: { uid: number; gid: number }, who: Credentials, access: number): boolean {
  const has = (permissions: number): boolean => (permissions & access) === access;
  if (who.uid === file.uid) return has(list.owner);
  const member = (gid: number): boolean => [who.gid, ...who.groups].includes(gid);
  const mask = list.mask ?? 7;
  if ((list.mask ?? list.group) === 0) return has(member(file.gid) ? 0 : list.others);
  for (const [uid, permissions] of list.users) if (uid === who.uid) return has(permissions & mask);
  const matching = list.groups.filter(([gid]) => member(gid)).map(([, permissions]) => permissions);
  if (member(file.gid)) matching.push(list.group);
  if (matching.length === 0) return has(list.others);
  return matching.some((permissions) => has(permissions & mask));
}

const setAcl = (fs: Driver, node: Handle, name: string, acl: Acl, who = ROOT): string =>
  fs.outcome('setxattr', { node, name: bytes(name), value: aclBytes(acl), flags: 0 }, who);

/** The list, or undefined if there is none. */
function aclAt(fs: Driver, node: Handle, name: string): AclEntry[] | undefined {
  const result = fs.query('getxattr', { node, name: bytes(name) });
  return 'value' in result ? parseAcl(result.value) : undefined;
}

const modeOf = (fs: Driver, node: Handle): number => fs.stat(node).mode & 0o7777;
const shown = ({ owner, group, mask, others }: Acl): number => (owner << 6) | ((mask ?? group) << 3) | others;
const isMinimal = ({ mask }: Acl): boolean => mask === undefined;

const PLAIN: Acl = { owner: 6, users: [[1001, 7]], group: 4, groups: [], mask: 5, others: 0 };

describe('an access list', () => {
  it('grants what POSIX 1003.1e says, to whoever asks', () => {
    const fs = Driver.fresh();
    let made = 0;
    fc.assert(
      fc.property(acl, id, id, fc.array(person, { minLength: 1, maxLength: 6 }), (list, uid, gid, people) => {
        const node = fs.create(`f${made++}`);
        fs.run('setattr', { node, uid, gid });
        expect(setAcl(fs, node, ACCESS_ACL, list)).toBe('ok');
        for (const who of people) {
          for (let access = 1; access <= 7; access++) {
            const expected = isGranted(list, { uid, gid }, who, access) ? 'ok' : 'EACCES';
            expect(fs.outcome('open', { node, access }, who)).toBe(expected);
          }
        }
      }),
      { seed: 11, numRuns: 300 },
    );
    fs.state.close();
  });

  it('shows in the mode, and is not kept where the mode says it all', () => {
    const fs = Driver.fresh();
    const node = fs.create('f', 0o4755);
    fc.assert(
      fc.property(acl, (list) => {
        expect(setAcl(fs, node, ACCESS_ACL, list)).toBe('ok');
        expect(modeOf(fs, node)).toBe(0o4000 | shown(list));
        expect(aclAt(fs, node, ACCESS_ACL)).toEqual(isMinimal(list) ? undefined : entriesOf(list));
        expect(fs.stat(node).hasXattrs).toBe(!isMinimal(list));
      }),
      { seed: 12, numRuns: 200 },
    );
    fs.state.close();
  });

  it('follows chmod: owner, mask and others are the mode, and nobody else is touched', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    fc.assert(
      fc.property(acl, fc.nat(0o777), (list, mode) => {
        setAcl(fs, node, ACCESS_ACL, list);
        fs.chmod(node, mode);
        expect(modeOf(fs, node)).toBe(mode);
        const changed = { ...list, owner: mode >> 6, mask: (mode >> 3) & 7, others: mode & 7 };
        expect(aclAt(fs, node, ACCESS_ACL)).toEqual(isMinimal(list) ? undefined : entriesOf(changed));
      }),
      { seed: 13, numRuns: 200 },
    );
    fs.state.close();
  });

  it('is valid in one order, with one of each class, and a mask if anyone is named', () => {
    const entry = fc.record({
      tag: fc.constantFrom(USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER, 0x40, 0),
      permissions: fc.constantFrom(0, 5, 7, 8),
      id: fc.constantFrom(0, 1000, NO_ID),
    });
    /** A valid list with one entry put in, taken out, or changed. */
    const nearly = fc.tuple(acl.map(entriesOf), fc.nat(20), fc.nat(2), entry).map(([list, at, kind, other]) => {
      const index = at % list.length;
      return list.toSpliced(index, kind === 0 ? 0 : 1, ...(kind === 1 ? [] : [other]));
    });
    const order = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] as number[];
    const isSound = (list: AclEntry[]): boolean => {
      const tags = list.map(({ tag }) => tag);
      const count = (tag: number): number => tags.filter((each) => each === tag).length;
      const isNamed = ({ tag }: AclEntry): boolean => tag === USER || tag === GROUP;
      return (
        tags.every((tag, i) => order.includes(tag) && (i === 0 || order.indexOf(tags[i - 1]) <= order.indexOf(tag))) &&
        [USER_OBJ, GROUP_OBJ, OTHER].every((tag) => count(tag) === 1) &&
        count(MASK) <= 1 &&
        (count(MASK) === 1 || !list.some(isNamed)) &&
        list.every((each) => each.permissions <= 7 && (!isNamed(each) || each.id !== NO_ID))
      );
    };
    const fs = Driver.fresh();
    const node = fs.create('f');
    let sound = 0;
    fc.assert(
      fc.property(fc.oneof(nearly, fc.array(entry, { maxLength: 6 })), (list) => {
        expect(isValidAcl(list)).toBe(isSound(list));
        if (list.length === 0) return;
        sound += isSound(list) ? 1 : 0;
        const value = encodeAcl(list);
        const outcome = fs.outcome('setxattr', { node, name: bytes(ACCESS_ACL), value, flags: 0 });
        expect(outcome).toBe(isSound(list) ? 'ok' : 'EINVAL');
      }),
      { seed: 14, numRuns: 1000 },
    );
    expect(sound).toBeGreaterThan(50);
    fs.state.close();
  });

  it('is bytes that can be read, of no more than a page', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    const set = (value: Buffer) => fs.outcome('setxattr', { node, name: bytes(ACCESS_ACL), value, flags: 0 });
    const good = aclBytes(PLAIN);
    expect(set(good.subarray(0, 3))).toBe('EINVAL');
    expect(set(good.subarray(0, good.length - 1))).toBe('EINVAL');
    expect(set(Buffer.concat([Buffer.of(1), good.subarray(1)]))).toBe('EINVAL');
    const many = (users: number): Acl => ({ ...PLAIN, users: Array.from({ length: users }, (_, i) => [i, 7]) });
    expect(set(aclBytes(many(507)))).toBe('ok');
    expect(set(aclBytes(many(508)))).toBe('E2BIG');
    // What ids there are beside those of the named does not count.
    const odd = entriesOf(PLAIN).map((each) => (each.tag === USER ? each : { ...each, id: 5 }));
    expect(set(encodeAcl(odd))).toBe('ok');
    expect(aclAt(fs, node, ACCESS_ACL)).toEqual(entriesOf(PLAIN));
  });

  it('takes setgid from a file of a group that the caller is not in', () => {
    const fs = Driver.fresh();
    const owner: Credentials = { uid: 1000, gid: 1000, groups: [50] };
    const node = fs.create('f');
    for (const [gid, left] of [
      [50, 0o2000],
      [51, 0],
    ]) {
      fs.run('setattr', { node, uid: 1000, gid });
      fs.chmod(node, 0o2644);
      expect(setAcl(fs, node, ACCESS_ACL, PLAIN, owner)).toBe('ok');
      expect(modeOf(fs, node)).toBe(left | 0o650);
      fs.chmod(node, 0o2644);
      expect(setAcl(fs, node, ACCESS_ACL, PLAIN)).toBe('ok');
      expect(modeOf(fs, node)).toBe(0o2650);
    }
  });

  it('is the owner’s to change, whoever may write, and not a symbolic link’s to have', () => {
    const fs = Driver.fresh();
    const node = fs.create('f', 0o666);
    const bob: Credentials = { uid: 1001, gid: 1001, groups: [] };
    expect(setAcl(fs, node, ACCESS_ACL, PLAIN, bob)).toBe('EPERM');
    fs.run('setattr', { node, uid: 1001 });
    expect(setAcl(fs, node, ACCESS_ACL, PLAIN, bob)).toBe('ok');
    expect(fs.outcome('removexattr', { node, name: bytes(ACCESS_ACL) }, { ...bob, uid: 1002 })).toBe('EPERM');
    const link = fs.run('symlink', { parent: ROOT_HANDLE, name: bytes('l'), target: bytes('f') }).attributes;
    expect(setAcl(fs, link, ACCESS_ACL, PLAIN)).toBe('EOPNOTSUPP');
  });

  it('leaves the mode as it is when it goes, by REMOVEXATTR or an empty one; to go twice is no failure', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    const empty = { node, name: bytes(ACCESS_ACL), value: encodeAcl([]), flags: 0 };
    for (const remove of [
      () => fs.outcome('removexattr', { node, name: bytes(ACCESS_ACL) }),
      () => fs.outcome('setxattr', empty),
    ]) {
      setAcl(fs, node, ACCESS_ACL, PLAIN);
      expect(remove()).toBe('ok');
      expect([modeOf(fs, node), aclAt(fs, node, ACCESS_ACL)]).toEqual([0o650, undefined]);
      const before = fs.stat(node);
      expect(remove()).toBe('ok');
      expect(fs.stat(node)).toEqual(before);
    }
  });

  it('counts wherever permissions do: to search, to list, to add and to remove, to read and to write', () => {
    const fs = Driver.fresh();
    const bob: Credentials = { uid: 1001, gid: 1001, groups: [] };
    const d = fs.mkdir('d', 0o700);
    const f = fs.create('f', 0o600, ROOT, d);
    const calls = (): string[] => [
      fs.outcome('lookup', { parent: d, name: bytes('f') }, bob),
      fs.outcome('readdir', { directory: d, cookie: 0, maxBytes: 4096 }, bob),
      fs.outcome('mkdir', { parent: d, name: bytes('s'), mode: 0o755 }, bob),
      fs.outcome('rmdir', { parent: d, name: bytes('s') }, bob),
      fs.outcome('read', { node: f, offset: 0, length: 1 }, bob),
      fs.outcome('write', { node: f, offset: 0, append: false, killPrivileges: false, data: bytes('x') }, bob),
    ];
    const give = (node: Handle, permissions: number): string =>
      setAcl(fs, node, ACCESS_ACL, { ...PLAIN, users: [[1001, permissions]], mask: 7 });
    expect(calls()).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES', 'EACCES', 'EACCES']);
    give(d, 1);
    give(f, 4);
    expect(calls()).toEqual(['ok', 'EACCES', 'EACCES', 'ENOENT', 'ok', 'EACCES']);
    give(d, 5);
    give(f, 2);
    expect(calls()).toEqual(['ok', 'ok', 'EACCES', 'ENOENT', 'EACCES', 'ok']);
    give(d, 7);
    expect(calls()).toEqual(['ok', 'ok', 'ok', 'ok', 'EACCES', 'ok']);
  });
});

describe('a default list', () => {
  /** Each kind of new inode. */
  const makers = ['create', 'mkdir', 'mknod'] as const;
  const make = (fs: Driver, op: (typeof makers)[number], parent: Handle, name: string, mode: number, umask: number) => {
    const made = { parent, name: bytes(name), mode, umask };
    if (op === 'create') return fs.run(op, { ...made, exclusive: true, truncate: false, access: 0 }).attributes;
    return op === 'mkdir' ? fs.run(op, made).attributes : fs.run(op, { ...made, rdev: 0 }).attributes;
  };

  it('is what a new inode has, but for what its mode does not ask for; the umask does not count', () => {
    const fs = Driver.fresh();
    let made = 0;
    fc.assert(
      fc.property(acl, fc.constantFrom(...makers), fc.nat(0o777), fc.nat(0o777), (list, op, mode, umask) => {
        const parent = fs.mkdir(`d${made++}`);
        expect(setAcl(fs, parent, DEFAULT_ACL, list)).toBe('ok');
        expect(modeOf(fs, parent)).toBe(0o755);
        const node = make(fs, op, parent, 'new', mode, umask);
        const group = (mode >> 3) & 7;
        const granted: Acl = {
          ...list,
          owner: list.owner & (mode >> 6),
          others: list.others & mode & 7,
          ...(list.mask === undefined ? { group: list.group & group } : { mask: list.mask & group }),
        };
        expect(modeOf(fs, node)).toBe(shown(granted));
        expect(aclAt(fs, node, ACCESS_ACL)).toEqual(isMinimal(list) ? undefined : entriesOf(granted));
        expect(aclAt(fs, node, DEFAULT_ACL)).toEqual(op === 'mkdir' ? entriesOf(list) : undefined);
        expect(fs.stat(node)).toEqual(node);
      }),
      { seed: 15, numRuns: 200 },
    );
    fs.state.close();
  });

  it('where there is none, the umask counts', () => {
    const fs = Driver.fresh();
    for (const op of makers) expect(modeOf(fs, make(fs, op, ROOT_HANDLE, op, 0o777, 0o027))).toBe(0o750);
  });

  it('is not what a symbolic link has', () => {
    const fs = Driver.fresh();
    const parent = fs.mkdir('d');
    setAcl(fs, parent, DEFAULT_ACL, PLAIN);
    const link = fs.run('symlink', { parent, name: bytes('l'), target: bytes('f') }).attributes;
    expect([link.mode & 0o777, link.hasXattrs]).toEqual([0o777, false]);
  });

  it('is for directories only, and grants nothing in them', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    expect(setAcl(fs, file, DEFAULT_ACL, PLAIN)).toBe('EACCES');
    expect(fs.outcome('setxattr', { node: file, name: bytes(DEFAULT_ACL), value: encodeAcl([]), flags: 0 })).toBe('ok');
    const d = fs.mkdir('d', 0o700);
    setAcl(fs, d, DEFAULT_ACL, { ...PLAIN, users: [[1001, 7]], mask: 7 });
    expect(fs.outcome('open', { node: d, access: 4 }, { uid: 1001, gid: 1, groups: [] })).toBe('EACCES');
  });

  it('for which there is no room is none: nothing is made', () => {
    const fs = Driver.fresh({ capacityBytes: 300 });
    const d = fs.mkdir('d');
    expect(setAcl(fs, d, DEFAULT_ACL, PLAIN)).toBe('ok');
    const before = fs.state.statistics;
    const made = { parent: d, name: bytes('s'), mode: 0o755 };
    expect(fs.outcome('mkdir', made)).toBe('ENOSPC');
    expect(fs.state.statistics).toEqual(before);
    expect(fs.outcome('lookup', { parent: d, name: bytes('s') })).toBe('ENOENT');
    expect(fs.stat(d).nlink).toBe(2);
  });
});
