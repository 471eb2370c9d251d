import { describe, expect, it } from 'vitest';
import type { TimeUpdate } from '../../../src/fileservice/operations.js';
import { type Attributes, type Credentials, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALICE, BOB, bytes, Driver, ROOT } from './support.js';

const permissions = (a: Attributes): number => a.mode & 0o7777;
/** A member of group 50 that owns nothing. */
const MEMBER: Credentials = { uid: 1002, gid: 1002, groups: [50] };

describe('access', () => {
  const cases: [mode: number, who: Credentials, access: number, outcome: string][] = [
    [0o400, ALICE, 4, 'ok'],
    [0o077, ALICE, 4, 'EACCES'],
    [0o040, MEMBER, 4, 'ok'],
    [0o707, MEMBER, 4, 'EACCES'],
    [0o004, BOB, 4, 'ok'],
    [0o770, BOB, 1, 'EACCES'],
    [0o000, ROOT, 6, 'ok'],
    [0o666, ROOT, 1, 'EACCES'],
    [0o010, ROOT, 1, 'ok'],
  ];
  for (const [mode, who, access, outcome] of cases) {
    it(`mode ${mode.toString(8)}, uid ${who.uid}, access ${access}: ${outcome}`, () => {
      const fs = Driver.fresh();
      const file = fs.create('f');
      fs.run('setattr', { node: file, uid: ALICE.uid, gid: 50, mode });
      expect(fs.outcome('open', { node: file, access }, who)).toBe(outcome);
    });
  }

  it('to names takes search permission, to change them write permission too; EEXIST comes first', () => {
    const fs = Driver.fresh();
    const d = fs.mkdir('d', 0o755);
    fs.create('f', 0o644, ROOT, d);
    const mkdir = (name: string) => fs.outcome('mkdir', { parent: d, name: bytes(name), mode: 0o755 }, ALICE);
    const unlink = () => fs.outcome('unlink', { parent: d, name: bytes('f'), retain: 0 }, ALICE);
    expect([mkdir('f'), mkdir('x'), unlink()]).toEqual(['EEXIST', 'EACCES', 'EACCES']);
    fs.chmod(d, 0o766);
    expect([mkdir('f'), mkdir('x'), unlink()]).toEqual(['EACCES', 'EACCES', 'EACCES']);
    expect(fs.outcome('lookup', { parent: d, name: bytes('f') }, ALICE)).toBe('EACCES');
    expect(fs.outcome('readdir', { directory: d, cookie: 0, maxBytes: 999 }, ALICE)).toBe('ok');
    fs.chmod(d, 0o773);
    expect(fs.outcome('readdir', { directory: d, cookie: 0, maxBytes: 999 }, ALICE)).toBe('EACCES');
    expect([mkdir('x'), unlink()]).toEqual(['ok', 'ok']);
  });

  it('in a sticky directory only its owner, the file’s and root remove', () => {
    const fs = Driver.fresh();
    const d = fs.mkdir('d', 0o1777);
    for (const name of ['1', '2']) fs.create(name, 0o666, ALICE, d);
    const unlink = (name: string, who: Credentials) =>
      fs.outcome('unlink', { parent: d, name: bytes(name), retain: 0 }, who);
    expect(unlink('1', BOB)).toBe('EPERM');
    expect(unlink('1', ALICE)).toBe('ok');
    fs.run('setattr', { node: d, uid: BOB.uid });
    expect(unlink('2', BOB)).toBe('ok');
  });

  it('of an open file stays with its owner, and whoever may execute may read', () => {
    const fs = Driver.fresh();
    fs.chmod(ROOT_HANDLE, 0o777);
    const file = fs.create('f', 0o000, ALICE);
    fs.write(file, 0, bytes('x'), ALICE);
    expect(fs.outcome('open', { node: file, access: 4 }, ALICE)).toBe('EACCES');
    expect(fs.outcome('read', { node: file, offset: 0, length: 1 }, ALICE)).toBe('ok');
    expect(fs.outcome('read', { node: file, offset: 0, length: 1 }, BOB)).toBe('EACCES');
    fs.chmod(file, 0o001);
    expect(fs.outcome('read', { node: file, offset: 0, length: 1 }, BOB)).toBe('ok');
    const data = { offset: 0, append: false, killPrivileges: false, data: bytes('y') };
    expect(fs.outcome('write', { node: file, ...data }, BOB)).toBe('EACCES');
  });
});

describe('open', () => {
  it('finds out that a name no longer leads to the node', () => {
    const fs = Driver.fresh();
    const f = fs.create('f');
    const o = { node: f, access: 4, parent: ROOT_HANDLE, name: bytes('f') };
    expect(fs.run('open', o).parent?.ino).toBe(1);
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: f.ino });
    expect(fs.outcome('open', o)).toBe('ESTALE');
    fs.create('f');
    expect(fs.outcome('open', o)).toBe('ESTALE');
    expect(fs.outcome('open', { node: f, access: 4 })).toBe('ok');
  });

  it('refuses to write directories and to follow symbolic links', () => {
    const fs = Driver.fresh();
    const s = fs.run('symlink', { parent: ROOT_HANDLE, name: bytes('s'), target: bytes('t') }).attributes;
    expect(fs.outcome('open', { node: ROOT_HANDLE, access: 2 })).toBe('EISDIR');
    expect(fs.outcome('open', { node: ROOT_HANDLE, access: 4 })).toBe('ok');
    expect(fs.outcome('open', { node: s, access: 4 })).toBe('ELOOP');
  });
});

describe('chmod and chown', () => {
  function file(mode: number, gid = 50) {
    const fs = Driver.fresh();
    const node = fs.create('f');
    fs.run('setattr', { node, uid: ALICE.uid, gid, mode });
    return { fs, node };
  }

  it('chmod is for the owner; sgid for members of the group', () => {
    const { fs, node } = file(0o644);
    expect(fs.outcome('setattr', { node, mode: 0o777 }, BOB)).toBe('EPERM');
    expect(permissions(fs.run('setattr', { node, mode: 0o6755 }, ALICE).attributes)).toBe(0o6755);
    fs.run('setattr', { node, gid: 77 });
    expect(permissions(fs.run('setattr', { node, mode: 0o6755 }, ALICE).attributes)).toBe(0o4755);
    const s = fs.run('symlink', { parent: ROOT_HANDLE, name: bytes('s'), target: bytes('t') }).attributes;
    expect(fs.outcome('setattr', { node: s, mode: 0o777 })).toBe('EOPNOTSUPP');
  });

  const owners: [changed: { uid?: number; gid?: number }, who: Credentials, outcome: string][] = [
    [{ uid: 1001 }, ALICE, 'EPERM'],
    [{ uid: 1000 }, ALICE, 'ok'],
    [{ uid: 1000 }, BOB, 'EPERM'],
    [{ gid: 1000 }, ALICE, 'ok'],
    [{ gid: 50 }, ALICE, 'ok'],
    [{ gid: 99 }, ALICE, 'EPERM'],
    [{ gid: 1001 }, BOB, 'EPERM'],
    [{ uid: 1001, gid: 1 }, ROOT, 'ok'],
  ];
  for (const [changed, who, outcome] of owners) {
    it(`chown ${JSON.stringify(changed)} by ${who.uid}: ${outcome}`, () => {
      const { fs, node } = file(0o644);
      expect(fs.outcome('setattr', { node, ...changed }, who)).toBe(outcome);
    });
  }

  it('chown takes suid and executable sgid from files, not from directories', () => {
    const { fs, node } = file(0o6755);
    expect(permissions(fs.run('setattr', { node, gid: 1000 }, ALICE).attributes)).toBe(0o755);
    fs.run('setattr', { node, mode: 0o6744 });
    expect(permissions(fs.run('setattr', { node, uid: 5 }).attributes)).toBe(0o2744);
    const d = fs.mkdir('d');
    fs.chmod(d, 0o2755);
    expect(permissions(fs.run('setattr', { node: d, uid: 5 }).attributes)).toBe(0o2755);
  });

  it('writing and cutting take them too, whatever the client says, unless root does it', () => {
    const { fs, node } = file(0o6777);
    const data = { offset: 0, append: false, killPrivileges: false, data: bytes('x') };
    expect(permissions(fs.run('write', { node, ...data }).attributes)).toBe(0o6777);
    expect(permissions(fs.run('write', { node, ...data }, BOB).attributes)).toBe(0o777);
    fs.chmod(node, 0o6777);
    expect(permissions(fs.run('setattr', { node, size: 0 }, BOB).attributes)).toBe(0o777);
    fs.chmod(node, 0o6777);
    expect(permissions(fs.run('write', { node, ...data, killPrivileges: true }).attributes)).toBe(0o777);
    fs.chmod(node, 0o6775);
    expect(fs.outcome('setattr', { node, killPrivileges: true }, BOB)).toBe('EACCES');
    expect(permissions(fs.run('setattr', { node, killPrivileges: true }, ALICE).attributes)).toBe(0o775);
  });

  it('each change moves ctime and the change counter; nothing asked for moves nothing', () => {
    const { fs, node } = file(0o644);
    const before = fs.stat(node);
    const time = fs.nextTime;
    expect(fs.run('setattr', { node, mode: 0o600 }).attributes).toMatchObject({
      ctime: time,
      mtime: before.mtime,
      change: before.change + 1,
    });
    const after = fs.stat(node);
    expect(fs.run('setattr', { node }).attributes).toEqual(after);
  });
});

describe('utimes', () => {
  const then = { seconds: -5, nanoseconds: 999_999_999 };
  const cases: [times: { atime?: TimeUpdate; mtime?: TimeUpdate }, who: Credentials, mode: number, outcome: string][] =
    [
      [{ atime: then, mtime: then }, ALICE, 0o000, 'ok'],
      [{ atime: then, mtime: then }, BOB, 0o666, 'EPERM'],
      [{ atime: 'now', mtime: 'now' }, BOB, 0o666, 'ok'],
      [{ atime: 'now', mtime: 'now' }, BOB, 0o644, 'EACCES'],
      [{ mtime: 'now' }, BOB, 0o666, 'EPERM'],
      [{ atime: 'now', mtime: then }, BOB, 0o666, 'EPERM'],
      [{ mtime: 'now' }, ALICE, 0o444, 'ok'],
    ];
  for (const [times, who, mode, outcome] of cases) {
    it(`${JSON.stringify(times)} by ${who.uid} on ${mode.toString(8)}: ${outcome}`, () => {
      const fs = Driver.fresh();
      const node = fs.create('f');
      fs.run('setattr', { node, uid: ALICE.uid, mode });
      const now = fs.nextTime;
      expect(fs.outcome('setattr', { node, ...times }, who)).toBe(outcome);
      if (outcome !== 'ok') return;
      if (times.mtime !== undefined) expect(fs.stat(node).mtime).toEqual(times.mtime === 'now' ? now : then);
      expect(fs.stat(node).ctime).toEqual(now);
    });
  }

  it('reading leaves atime alone', () => {
    const fs = Driver.fresh();
    const node = fs.create('f');
    fs.write(node, 0, bytes('abc'));
    const before = fs.stat(node);
    fs.read(node);
    fs.names();
    expect(fs.stat(node)).toEqual(before);
    expect(fs.stat(ROOT_HANDLE).atime).toEqual({ seconds: 1_700_000_000, nanoseconds: 0 });
  });
});
