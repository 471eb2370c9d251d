import { describe, expect, it } from 'vitest';
import { CONFINED_LINKS } from '../../../replica/state/confinement.js';
import { LOCK_TO_END } from '../../../src/fileservice/locks.js';
import type { Operation } from '../../../src/fileservice/operations.js';
import { type Attributes, type Handle, ROOT_HANDLE, ROOT_INO } from '../../../src/fileservice/types.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { below, registered } from './clients.js';
import { bytes, Driver, ROOT, SESSION } from './support.js';

const lock = { kind: 'flock', type: 'read', start: 0, end: LOCK_TO_END, owner: 'process1', pid: 1 } as const;
const data = { offset: 0, append: false, killPrivileges: false, data: bytes('x') };

/** `/out` with a file `secret`; `/s`, to which a client is confined, with a directory `in` and a file `f`. */
function scene() {
  const fs = Driver.fresh();
  const out = fs.mkdir('out');
  const secret = fs.create('secret', 0o666, ROOT, out);
  fs.write(secret, 0, bytes('secret'));
  const s = fs.mkdir('s');
  const within = fs.mkdir('in', 0o755, ROOT, s);
  const f = fs.create('f', 0o666, ROOT, s);
  const session = registered(fs, 'confined', { subtree: below(s) });
  const lookup = (parent: Handle, name: string): Attributes =>
    fs.run('lookup', { parent, name: bytes(name) }, ROOT, session).attributes;
  return { fs, out, secret, s, within, f, session, lookup };
}

describe('a client confined to a directory', () => {
  it('sees it as the root, with nothing above', () => {
    const { fs, s, within, f, session, lookup } = scene();
    expect(fs.run('getattr', { node: ROOT_HANDLE }, ROOT, session).attributes).toMatchObject({
      ...ROOT_HANDLE,
      nlink: 3,
    });
    expect(lookup(ROOT_HANDLE, 'f').ino).toBe(f.ino);
    for (const name of ['.', '..']) expect(lookup(ROOT_HANDLE, name).ino).toBe(ROOT_INO);
    // By its own number too.
    expect(lookup(s, '..').ino).toBe(ROOT_INO);
    expect(lookup(within, '..').ino).toBe(ROOT_INO);
    for (const [directory, expected] of [
      [ROOT_HANDLE, [ROOT_INO, ROOT_INO]],
      [within, [within.ino, ROOT_INO]],
    ] as const) {
      const { entries } = fs.run('readdir', { directory, cookie: 0, maxBytes: 4096 }, ROOT, session);
      expect(entries.slice(0, 2).map(({ attributes }) => attributes.ino)).toEqual(expected);
    }
    const made = fs.run('mkdir', { parent: ROOT_HANDLE, name: bytes('d'), mode: 0o755 }, ROOT, session);
    expect(made.parent).toMatchObject({ ...ROOT_HANDLE, nlink: 4 });
    expect(fs.names(s)).toContain('d');
  });

  it('reaches nothing outside by any operation on handles that it guessed', () => {
    const { fs, out, secret, s, f, session } = scene();
    const name = bytes('n');
    const operations: Operation[] = [
      { op: 'lookup', parent: out, name: bytes('secret') },
      { op: 'getattr', node: secret },
      { op: 'getattr', node: out },
      { op: 'setattr', node: secret, mode: 0o777 },
      { op: 'readdir', directory: out, cookie: 0, maxBytes: 4096 },
      { op: 'create', parent: out, name, mode: 0o644, exclusive: false, truncate: false, access: 4 },
      { op: 'mkdir', parent: out, name, mode: 0o755 },
      { op: 'mknod', parent: out, name, mode: 0o644, rdev: 0 },
      { op: 'symlink', parent: out, name, target: name },
      { op: 'readlink', node: secret },
      { op: 'link', node: secret, parent: s, name },
      { op: 'link', node: f, parent: out, name },
      { op: 'unlink', parent: out, name: bytes('secret'), retain: secret.ino },
      { op: 'rmdir', parent: out, name },
      { op: 'rename', parent: out, name: bytes('secret'), newParent: s, newName: name, flags: 0, retain: 0 },
      { op: 'rename', parent: s, name: bytes('f'), newParent: out, newName: name, flags: 0, retain: 0 },
      { op: 'rename', parent: s, name: bytes('f'), newParent: out, newName: bytes('secret'), flags: 2, retain: 0 },
      { op: 'open', node: secret, access: 4 },
      { op: 'open', node: f, access: 4, parent: out, name: bytes('secret') },
      { op: 'release', node: secret },
      { op: 'read', node: secret, offset: 0, length: 10 },
      { op: 'write', node: secret, ...data },
      { op: 'fsync', node: secret },
      { op: 'getxattr', node: secret, name: bytes('user.a') },
      { op: 'listxattr', node: secret },
      { op: 'setxattr', node: secret, name: bytes('user.a'), value: name, flags: 0 },
      { op: 'removexattr', node: secret, name: bytes('user.a') },
      { op: 'allocate', node: secret, mode: 0, offset: 0, length: 1, killPrivileges: false },
      { op: 'seek', node: secret, offset: 0, what: 'data' },
      { op: 'copy', source: secret, sourceOffset: 0, node: f, offset: 0, length: 6, killPrivileges: false },
      { op: 'copy', source: f, sourceOffset: 0, node: secret, offset: 0, length: 6, killPrivileges: false },
      { op: 'lock', node: secret, lock },
      { op: 'testlock', node: secret, lock },
    ];
    const before = fs.stat(secret);
    for (const { op, ...operands } of operations) {
      expect([op, fs.outcome(op, operands as never, ROOT, session)]).toEqual([op, 'ESTALE']);
    }
    // What does not exist is answered in the same way.
    for (const node of [
      { ino: 999, generation: 1 },
      { ino: 1, generation: 2 },
      { ...f, generation: 2 },
    ]) {
      expect(fs.outcome('getattr', { node }, ROOT, session)).toBe('ESTALE');
    }
    expect([fs.stat(secret), fs.names(fs.stat(out))]).toEqual([before, ['secret']]);
  });

  it('follows the directory where it is moved, and has nothing once it is gone', () => {
    const { fs, out, s, within, f, session } = scene();
    const move = (from: Handle, name: string, to: Handle, newName = name) =>
      fs.run('rename', {
        ...{ parent: from, name: bytes(name), newParent: to, newName: bytes(newName), flags: 0, retain: 0 },
      });
    move(ROOT_HANDLE, 's', out);
    expect(fs.outcome('getattr', { node: within }, ROOT, session)).toBe('ok');
    // What is moved out of it is lost to the client, what is moved in is not.
    move(s, 'in', ROOT_HANDLE);
    move(out, 'secret', s);
    expect(fs.outcome('getattr', { node: within }, ROOT, session)).toBe('ESTALE');
    expect(fs.outcome('lookup', { parent: ROOT_HANDLE, name: bytes('secret') }, ROOT, session)).toBe('ok');
    for (const name of ['secret', 'f']) fs.run('unlink', { parent: s, name: bytes(name), retain: 0 });
    fs.run('rmdir', { parent: out, name: bytes('s') });
    for (const node of [ROOT_HANDLE, s, f]) expect(fs.outcome('getattr', { node }, ROOT, session)).toBe('ESTALE');
    expect(fs.outcome('mkdir', { parent: ROOT_HANDLE, name: bytes('x'), mode: 0o755 }, ROOT, session)).toBe('ESTALE');
  });

  it('has a file by one of its names, as long as there is one inside', () => {
    const { fs, secret, s, within, session } = scene();
    const reaches = () => fs.outcome('read', { node: secret, offset: 0, length: 1 }, ROOT, session);
    const link = (parent: Handle, name: string) => fs.run('link', { node: secret, parent, name: bytes(name) });
    const unlink = (parent: Handle, name: string) => fs.run('unlink', { parent, name: bytes(name), retain: 0 });
    for (const settled of [false, true]) {
      link(s, 'a');
      link(within, 'b');
      if (settled) fs.state.checkpoint();
      expect(reaches()).toBe('ok');
      unlink(s, 'a');
      expect(reaches()).toBe('ok');
      unlink(within, 'b');
      expect(reaches()).toBe('ESTALE');
    }
  });

  it('makes no more names of a file than are looked at', () => {
    const { fs, f, s, session } = scene();
    const link = (i: number, as: SessionId) =>
      fs.outcome('link', { node: f, parent: s, name: bytes(`l${i}`) }, ROOT, as);
    for (let i = 1; i < CONFINED_LINKS; i++) expect(link(i, SESSION)).toBe('ok');
    expect(link(CONFINED_LINKS, session)).toBe('EMLINK');
    expect(fs.outcome('getattr', { node: f }, ROOT, session)).toBe('ok');
    expect(link(CONFINED_LINKS, SESSION)).toBe('ok');
    expect(fs.outcome('getattr', { node: f }, ROOT, session)).toBe('ESTALE');
  });

  it('keeps a file that it has open and that loses its name inside, and gets none that lost it outside', () => {
    const { fs, out, secret, s, f, session } = scene();
    fs.run('renew', { claimed: [], released: [] }, ROOT, session);
    fs.run('unlink', { parent: s, name: bytes('f'), retain: 0 });
    fs.run('unlink', { parent: out, name: bytes('secret'), retain: secret.ino });
    expect(fs.run('renew', { claimed: [f.ino], released: [] }, ROOT, session)).toMatchObject({ unclaimed: [] });
    expect(fs.outcome('read', { node: f, offset: 0, length: 1 }, ROOT, session)).toBe('ok');
    expect(fs.outcome('read', { node: secret, offset: 0, length: 1 }, ROOT, SESSION)).toBe('ok');
    expect(fs.outcome('read', { node: secret, offset: 0, length: 1 }, ROOT, session)).toBe('ESTALE');
    // Nor does it help to claim it.
    fs.run('renew', { claimed: [secret.ino], released: [] }, ROOT, session);
    expect(fs.outcome('read', { node: secret, offset: 0, length: 1 }, ROOT, session)).toBe('ESTALE');
    // Another session of the same client has not had it open.
    const other = { ...session, instance: 2 };
    expect(fs.outcome('read', { node: f, offset: 0, length: 1 }, ROOT, other)).toBe('ESTALE');
    expect(fs.outcome('release', { node: f }, ROOT, session)).toBe('ok');
    expect(fs.outcome('getattr', { node: f }, ROOT, session)).toBe('ESTALE');
  });

  it('is answered by queries as by what is ordered', () => {
    const { fs, secret, f, session } = scene();
    const query = (node: Handle) => fs.query('getattr', { node }, ROOT, session);
    expect(query(secret)).toEqual({ errno: 116 });
    expect(query(f)).toMatchObject({ errno: 0 });
    expect(query(ROOT_HANDLE)).toMatchObject({ attributes: ROOT_HANDLE });
  });

  it('does not go deeper than is looked at', () => {
    const { fs, s, session } = scene();
    let deep: Handle = s;
    for (let i = 0; i < 2047; i++) deep = fs.mkdir('d', 0o755, ROOT, deep);
    expect(fs.outcome('getattr', { node: deep }, ROOT, session)).toBe('ok');
    deep = fs.mkdir('d', 0o755, ROOT, deep);
    expect(fs.outcome('getattr', { node: deep }, ROOT, session)).toBe('ESTALE');
  });
});
