import { describe, expect, it } from 'vitest';
import { FileType, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALICE, BOB, bytes, Driver, ROOT } from './support.js';

const inRoot = (name: string) => ({ parent: ROOT_HANDLE, name: bytes(name) });
const newFile = { mode: 0o644, exclusive: false, truncate: false, access: 6 };
const LONG = 'n'.repeat(256);

describe('names', () => {
  const wrongNames: [name: string, errnos: Partial<Record<string, string>>][] = [
    ['', { lookup: 'EINVAL', create: 'EINVAL', mkdir: 'EINVAL', unlink: 'EINVAL', rmdir: 'EINVAL', rename: 'EINVAL' }],
    ['a/b', { lookup: 'EINVAL', create: 'EINVAL', mkdir: 'EINVAL', unlink: 'EINVAL', rmdir: 'EINVAL' }],
    ['a\0b', { lookup: 'EINVAL', create: 'EINVAL', symlink: 'EINVAL', link: 'EINVAL' }],
    ['.', { lookup: 'ok', create: 'EISDIR', mkdir: 'EEXIST', mknod: 'EEXIST', unlink: 'EISDIR', rmdir: 'EINVAL' }],
    ['.', { symlink: 'EEXIST', link: 'EEXIST', rename: 'EBUSY', renameTo: 'EBUSY' }],
    ['..', { lookup: 'ok', create: 'EISDIR', mkdir: 'EEXIST', unlink: 'EISDIR', rmdir: 'ENOTEMPTY', rename: 'EBUSY' }],
    [LONG, { lookup: 'ENAMETOOLONG', create: 'ENAMETOOLONG', mkdir: 'ENAMETOOLONG', mknod: 'ENAMETOOLONG' }],
    [LONG, { unlink: 'ENAMETOOLONG', rmdir: 'ENAMETOOLONG', rename: 'ENAMETOOLONG', renameTo: 'ENAMETOOLONG' }],
    [LONG, { symlink: 'ENAMETOOLONG', link: 'ENAMETOOLONG' }],
    [LONG.slice(1), { lookup: 'ENOENT', unlink: 'ENOENT', rmdir: 'ENOENT', rename: 'ENOENT', create: 'ok' }],
  ];

  for (const [name, errnos] of wrongNames) {
    it(`${JSON.stringify(name.slice(0, 5))} (${name.length} bytes): ${JSON.stringify(errnos)}`, () => {
      const fs = Driver.fresh();
      const file = fs.create('file');
      const target = { newParent: ROOT_HANDLE, flags: 0, retain: 0 };
      const operations: Record<string, () => string> = {
        lookup: () => fs.outcome('lookup', inRoot(name)),
        create: () => fs.outcome('create', { ...inRoot(name), ...newFile }),
        mkdir: () => fs.outcome('mkdir', { ...inRoot(name), mode: 0o755 }),
        mknod: () => fs.outcome('mknod', { ...inRoot(name), mode: FileType.FIFO | 0o644, rdev: 0 }),
        symlink: () => fs.outcome('symlink', { ...inRoot(name), target: bytes('t') }),
        link: () => fs.outcome('link', { ...inRoot(name), node: file }),
        unlink: () => fs.outcome('unlink', { ...inRoot(name), retain: 0 }),
        rmdir: () => fs.outcome('rmdir', inRoot(name)),
        rename: () => fs.outcome('rename', { ...inRoot(name), ...target, newName: bytes('new') }),
        renameTo: () => fs.outcome('rename', { ...inRoot('file'), ...target, newName: bytes(name) }),
      };
      for (const [operation, errno] of Object.entries(errnos)) {
        expect(`${operation} ${operations[operation]()}`).toBe(`${operation} ${errno}`);
      }
    });
  }

  it('of any other bytes are kept as they are', () => {
    const fs = Driver.fresh();
    const name = Buffer.from(Array.from({ length: 255 }, (_, i) => (i + 1 === 0x2f ? 1 : i + 1)));
    const made = fs.run('create', { parent: ROOT_HANDLE, name, ...newFile });
    expect(fs.run('lookup', { parent: ROOT_HANDLE, name }).attributes.ino).toBe(made.attributes.ino);
    expect(fs.run('readdir', { directory: ROOT_HANDLE, cookie: 2, maxBytes: 9999 }).entries[0].name).toEqual(name);
  });

  it('leads up with `..`, and from the root nowhere', () => {
    const fs = Driver.fresh();
    const a = fs.mkdir('a');
    const b = fs.mkdir('b', 0o755, ROOT, a);
    const up = (parent: Handle) => fs.run('lookup', { parent, name: bytes('..') }).attributes.ino;
    expect([up(b), up(a), up(ROOT_HANDLE)]).toEqual([a.ino, 1, 1]);
    fs.run('rename', { parent: a, name: bytes('b'), newParent: ROOT_HANDLE, newName: bytes('c'), flags: 0, retain: 0 });
    expect(up(b)).toBe(1);
  });
});

describe('creating', () => {
  it('sets owner, times, change counters and links', () => {
    const fs = Driver.fresh();
    fs.chmod(ROOT_HANDLE, 0o777);
    const before = fs.stat(ROOT_HANDLE);
    const time = fs.nextTime;
    const { attributes: made, parent } = fs.run('mkdir', { ...inRoot('d'), mode: 0o4750 }, ALICE);
    expect(made).toMatchObject({
      ino: 2,
      generation: 1,
      mode: FileType.DIRECTORY | 0o750,
      nlink: 2,
      uid: 1000,
      gid: 1000,
    });
    expect(made).toMatchObject({ atime: time, mtime: time, ctime: time, size: 4096, blocks: 0 });
    expect(parent).toMatchObject({
      nlink: 3,
      mtime: time,
      ctime: time,
      atime: before.atime,
      change: before.change + 1,
    });
  });

  it('inherits the group of a setgid directory, and directories the bit', () => {
    const fs = Driver.fresh();
    const shared = fs.mkdir('shared');
    fs.run('setattr', { node: shared, gid: 50, mode: 0o2777 });
    expect(fs.mkdir('d', 0o755, ALICE, shared)).toMatchObject({ mode: FileType.DIRECTORY | 0o2755, gid: 50 });
    expect(fs.create('f', 0o644, ALICE, shared)).toMatchObject({ mode: FileType.REGULAR | 0o644, gid: 50 });
    expect(fs.create('member', 0o2755, ALICE, shared).mode & 0o7777).toBe(0o2755);
    expect(fs.create('stranger', 0o2755, BOB, shared).mode & 0o7777).toBe(0o755);
  });

  it('opens an existing regular file unless exclusive, with the access asked for', () => {
    const fs = Driver.fresh();
    const file = fs.create('f', 0o640);
    fs.write(file, 0, bytes('data'));
    fs.mkdir('d');
    fs.run('symlink', { ...inRoot('s'), target: bytes('f') });
    fs.chmod(ROOT_HANDLE, 0o777);
    const create = (name: string, changed = {}, who = ALICE) =>
      fs.outcome('create', { ...inRoot(name), ...newFile, ...changed }, who);
    expect(create('f', { exclusive: true })).toBe('EEXIST');
    expect(create('d')).toBe('EISDIR');
    expect(create('s')).toBe('ESTALE');
    expect(create('f', { access: 4 })).toBe('EACCES');
    expect(create('f', { access: 0 })).toBe('ok');
    expect(create('f', { access: 0, truncate: true })).toBe('EACCES');
    expect(fs.run('create', { ...inRoot('f'), ...newFile }).created).toBe(false);
    expect(fs.stat(file).size).toBe(4);
    const cut = fs.run('create', { ...inRoot('f'), ...newFile, truncate: true });
    expect(cut).toMatchObject({ created: false, attributes: { ino: file.ino, size: 0, blocks: 0 } });
  });

  it('of nodes: types, devices for root only, rdev for devices only', () => {
    const fs = Driver.fresh();
    fs.chmod(ROOT_HANDLE, 0o777);
    const mknod = (name: string, mode: number, who = ROOT) =>
      fs.outcome('mknod', { ...inRoot(name), mode, rdev: 259 }, who);
    expect(mknod('x', FileType.DIRECTORY)).toBe('EPERM');
    expect(mknod('x', FileType.SYMLINK)).toBe('EINVAL');
    expect(mknod('x', FileType.CHARACTER, ALICE)).toBe('EPERM');
    expect(mknod('fifo', FileType.FIFO | 0o644, ALICE)).toBe('ok');
    expect(mknod('plain', 0o644, ALICE)).toBe('ok');
    expect(mknod('device', FileType.BLOCK | 0o600)).toBe('ok');
    const of = (name: string) => fs.run('lookup', inRoot(name)).attributes;
    expect([of('fifo').rdev, of('device').rdev, of('plain').mode]).toEqual([0, 259, FileType.REGULAR | 0o644]);
  });

  it('of symbolic links: target and its limits', () => {
    const fs = Driver.fresh();
    const symlink = (name: string, target: string) => fs.outcome('symlink', { ...inRoot(name), target: bytes(target) });
    expect(symlink('a', '')).toBe('ENOENT');
    expect(symlink('a', 't'.repeat(4096))).toBe('ENAMETOOLONG');
    expect(symlink('a', 't'.repeat(4095))).toBe('ok');
    const made = fs.run('symlink', { ...inRoot('b'), target: bytes('../x') }).attributes;
    expect(made).toMatchObject({ mode: FileType.SYMLINK | 0o777, size: 4 });
    expect(fs.run('readlink', { node: made }).target).toEqual(bytes('../x'));
    expect(fs.outcome('readlink', { node: ROOT_HANDLE })).toBe('EINVAL');
  });

  it('fails with ENOSPC beyond the agreed number of inodes, and statfs counts the same', () => {
    const fs = Driver.fresh({ capacityInodes: 3 });
    fs.create('a');
    fs.create('b');
    expect(fs.outcome('mkdir', { ...inRoot('c'), mode: 0o755 })).toBe('ENOSPC');
    expect(fs.names()).toEqual(['a', 'b']);
    expect(fs.run('statfs', {}).statistics).toMatchObject({ files: 3, freeFiles: 0 });
    fs.run('unlink', { ...inRoot('a'), retain: 0 });
    expect(fs.outcome('mkdir', { ...inRoot('c'), mode: 0o755 })).toBe('ok');
  });
});

describe('links and removal', () => {
  it('counts links, refuses directories, and stops at the limit', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    const directory = fs.mkdir('d');
    expect(fs.run('link', { ...inRoot('g'), node: file }).attributes.nlink).toBe(2);
    expect(fs.outcome('link', { ...inRoot('g'), node: file })).toBe('EEXIST');
    expect(fs.outcome('link', { ...inRoot('h'), node: directory })).toBe('EPERM');
    expect(fs.run('unlink', { ...inRoot('f'), retain: 0 }).node).toMatchObject({ nlink: 1, ino: file.ino });
    expect(fs.stat(file).nlink).toBe(1);
    expect(fs.run('unlink', { ...inRoot('g'), retain: 0 }).node.nlink).toBe(0);
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
  });

  it('tells files from directories, and empty ones from full', () => {
    const fs = Driver.fresh();
    const d = fs.mkdir('d');
    fs.create('f', 0o644, ROOT, d);
    expect(fs.outcome('unlink', { ...inRoot('d'), retain: 0 })).toBe('EISDIR');
    expect(fs.outcome('rmdir', inRoot('d'))).toBe('ENOTEMPTY');
    expect(fs.outcome('rmdir', { parent: d, name: bytes('f') })).toBe('ENOTDIR');
    expect(
      fs.outcome('lookup', { parent: fs.run('lookup', { parent: d, name: bytes('f') }).attributes, name: bytes('x') }),
    ).toBe('ENOTDIR');
    fs.run('unlink', { parent: d, name: bytes('f'), retain: 0 });
    expect(fs.run('rmdir', inRoot('d')).parent.nlink).toBe(2);
    expect(fs.outcome('getattr', { node: d })).toBe('ESTALE');
    expect(fs.outcome('create', { parent: d, name: bytes('x'), ...newFile })).toBe('ESTALE');
  });

  it('never hands out an inode number twice, nor takes a wrong generation', () => {
    const fs = Driver.fresh();
    const first = fs.create('f');
    fs.run('unlink', { ...inRoot('f'), retain: 0 });
    expect(fs.create('f').ino).toBe(first.ino + 1);
    expect(fs.outcome('getattr', { node: { ino: 1, generation: 2 } })).toBe('ESTALE');
  });
});

describe('open-unlinked files', () => {
  const other = { client: 3, instance: 1 };

  it('live until released by the session that retained them', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    fs.write(file, 0, bytes('still here'));
    expect(fs.run('unlink', { ...inRoot('f'), retain: file.ino }).node.nlink).toBe(0);
    expect(fs.read(file).toString()).toBe('still here');
    expect(fs.outcome('link', { ...inRoot('back'), node: file })).toBe('ENOENT');
    fs.run('release', { node: file }, ROOT, other);
    expect(fs.stat(file).nlink).toBe(0);
    fs.run('release', { node: file });
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
    expect(fs.state.statistics).toMatchObject({ usedBytes: 0, usedInodes: 1 });
  });

  it('end with the session, and only its own', () => {
    const fs = Driver.fresh();
    const mine = fs.create('mine');
    const theirs = fs.create('theirs');
    fs.run('unlink', { ...inRoot('mine'), retain: mine.ino });
    fs.run('unlink', { ...inRoot('theirs'), retain: theirs.ino }, ROOT, other);
    const time = fs.nextTime;
    fs.state.beginBatch(fs.state.lastExecuted + 1);
    fs.state.service.sessionEnded(other, { sequence: fs.state.lastExecuted + 1, time, session: other });
    fs.state.endBatch(time);
    fs.state.commitBatch();
    // Theirs is also kept for this session, which has a lease since it holds something, until it says that it need not be.
    expect(fs.run('renew', { claimed: [], released: [] }).unclaimed).toEqual([theirs.ino]);
    fs.run('renew', { claimed: [], released: [theirs.ino] });
    expect(fs.outcome('getattr', { node: theirs })).toBe('ESTALE');
    expect(fs.outcome('getattr', { node: mine })).toBe('ok');
  });

  it('are kept when a rename replaces them', () => {
    const fs = Driver.fresh();
    const old = fs.create('old');
    fs.create('new');
    const o = { ...inRoot('new'), newParent: ROOT_HANDLE, newName: bytes('old'), flags: 0 };
    expect(fs.run('rename', { ...o, retain: old.ino }).replaced).toMatchObject({ ino: old.ino, nlink: 0 });
    expect(fs.outcome('getattr', { node: old })).toBe('ok');
  });
});

describe('reading a directory', () => {
  it('shows `.`, `..` and entries in the order of their cookies, and resumes after any of them', () => {
    const fs = Driver.fresh();
    for (const name of ['b', 'a', 'c']) fs.create(name);
    const all = fs.run('readdir', { directory: ROOT_HANDLE, cookie: 0, maxBytes: 1 << 20 });
    expect(all.end).toBe(true);
    expect(all.entries.map((e) => [e.cookie, Buffer.from(e.name).toString(), e.attributes.ino])).toEqual([
      [1, '.', 1],
      [2, '..', 1],
      [3, 'b', 2],
      [4, 'a', 3],
      [5, 'c', 4],
    ]);
    fs.run('unlink', { ...inRoot('a'), retain: 0 });
    fs.create('a');
    const rest = fs.run('readdir', { directory: ROOT_HANDLE, cookie: 4, maxBytes: 1 << 20 });
    expect(rest.entries.map((e) => [e.cookie, Buffer.from(e.name).toString()])).toEqual([
      [5, 'c'],
      [6, 'a'],
    ]);
  });

  it('honours maxBytes to the byte, and refuses room for nothing', () => {
    const fs = Driver.fresh();
    fs.create('a');
    const list = (maxBytes: number) => fs.query('readdir', { directory: ROOT_HANDLE, cookie: 0, maxBytes }) as never;
    expect(list(105)).toEqual({ errno: 22 });
    expect(list(106)).toMatchObject({ end: false, entries: [{ cookie: 1 }] });
    expect(list(106 + 107)).toMatchObject({ end: false, entries: [{ cookie: 1 }, { cookie: 2 }] });
    expect(list(106 + 107 + 106)).toMatchObject({ end: true, entries: [{}, {}, { cookie: 3 }] });
  });

  it('of many entries is complete, in pieces of bounded size', () => {
    const fs = Driver.fresh();
    const made = Array.from({ length: 1500 }, (_, i) => `f${i}`);
    for (const name of made) fs.create(name);
    const seen: string[] = [];
    let pieces = 0;
    for (let cookie = 2, end = false; !end; pieces++) {
      const piece = fs.run('readdir', { directory: ROOT_HANDLE, cookie, maxBytes: 0xffffffff });
      for (const entry of piece.entries) seen.push(Buffer.from(entry.name).toString());
      cookie = piece.entries.at(-1)!.cookie;
      end = piece.end;
    }
    expect(seen).toEqual(made);
    expect(pieces).toBe(2);
  });
});
