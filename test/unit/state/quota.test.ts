import { describe, expect, it } from 'vitest';
import { type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { registered } from './clients.js';
import { ADMIN_SESSION, bytes, Driver, ROOT, SESSION } from './support.js';

const BLOCK = 32 * 1024;
const written = (offset: number, length: number) => ({
  ...{ offset, append: false, killPrivileges: false, data: Buffer.alloc(length, 1) },
});

/** A client that may make 4 inodes, and have 3 blocks. */
function scene() {
  const fs = Driver.fresh();
  const session = registered(fs, 'new', { quota: { bytes: 3 * BLOCK, inodes: 4 } });
  const used = () => {
    const { usedBytes, usedInodes } = fs.run('clients', { from: session.client }, ROOT, ADMIN_SESSION).clients[0];
    return [usedBytes, usedInodes];
  };
  const create = (name: string, as = session) => {
    const o = { parent: ROOT_HANDLE, name: bytes(name), mode: 0o666, exclusive: true, truncate: false, access: 6 };
    return fs.run('create', o, ROOT, as).attributes;
  };
  const write = (node: Handle, block: number, as = session) =>
    fs.outcome('write', { node, ...written(block * BLOCK, BLOCK) }, ROOT, as);
  return { fs, session, used, create, write };
}

describe('a quota', () => {
  it('is of what the client makes, and is given back with it', () => {
    const { fs, session, used, create, write } = scene();
    const file = create('f');
    expect([write(file, 0), write(file, 7), write(file, 7), write(file, 9)]).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(used()).toEqual([3 * BLOCK, 1]);
    expect([write(file, 8), write(file, 7)]).toEqual(['EDQUOT', 'ok']);
    expect(fs.outcome('allocate', { node: file, mode: 0, offset: BLOCK, length: 1, killPrivileges: false })).toBe(
      'EDQUOT',
    );
    fs.run('setattr', { node: file, size: BLOCK + 1 }, ROOT, session);
    expect(used()).toEqual([BLOCK, 1]);
    const copy = { source: file, sourceOffset: 0, node: file, offset: BLOCK, length: BLOCK, killPrivileges: false };
    expect(fs.outcome('copy', copy, ROOT, session)).toBe('ok');
    expect(used()).toEqual([2 * BLOCK, 1]);
    const attribute = { node: file, name: bytes('user.a'), value: Buffer.alloc(1000), flags: 0 };
    fs.run('setxattr', attribute, ROOT, session);
    expect(used()).toEqual([2 * BLOCK + 1000 + 6 + 64, 1]);
    expect(fs.outcome('setxattr', { ...attribute, value: Buffer.alloc(BLOCK) }, ROOT, session)).toBe('EDQUOT');
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('f'), retain: 0 }, ROOT, session);
    expect(used()).toEqual([0, 0]);
  });

  it('has a number of inodes, of all kinds', () => {
    const { fs, session, used, create } = scene();
    create('f');
    const named = (name: string) => ({ parent: ROOT_HANDLE, name: bytes(name) });
    fs.run('mkdir', { ...named('d'), mode: 0o755 }, ROOT, session);
    fs.run('symlink', { ...named('s'), target: bytes('t') }, ROOT, session);
    fs.run('mknod', { ...named('n'), mode: 0o644, rdev: 0 }, ROOT, session);
    expect(fs.outcome('mkdir', { ...named('e'), mode: 0o755 }, ROOT, session)).toBe('EDQUOT');
    expect(used()).toEqual([0, 4]);
    fs.run('rmdir', named('d'), ROOT, session);
    expect(fs.outcome('mkdir', { ...named('e'), mode: 0o755 }, ROOT, session)).toBe('ok');
    expect(fs.outcome('mkdir', { ...named('g'), mode: 0o755 })).toBe('ok');
  });

  it('counts what anybody does to what the client made, and nothing that others made', () => {
    const { used, create, write, fs, session } = scene();
    const own = create('own');
    const foreign = create('foreign', SESSION);
    for (let block = 0; block < 5; block++) expect(write(foreign, block)).toBe('ok');
    expect(used()).toEqual([0, 1]);
    for (let block = 0; block < 3; block++) expect(write(own, block, SESSION)).toBe('ok');
    expect(write(own, 3, SESSION)).toBe('EDQUOT');
    // To give it to another user changes nothing about that.
    fs.run('setattr', { node: own, uid: 5 });
    expect(used()).toEqual([3 * BLOCK, 1]);
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('own'), retain: own.ino }, ROOT, session);
    expect(used()).toEqual([3 * BLOCK, 1]);
    fs.run('release', { node: own }, ROOT, session);
    expect(used()).toEqual([0, 0]);
  });

  it('is what statfs(2) shows of the file system', () => {
    const { fs, session, create, write } = scene();
    write(create('f'), 0);
    const statistics = { blockSize: 4096, blocks: 24, freeBlocks: 16, files: 4, freeFiles: 3 };
    expect(fs.run('statfs', {}, ROOT, session).statistics).toEqual(statistics);
    expect(fs.run('statfs', {}).statistics.blocks).toBe((1 << 30) / 4096);
  });
});
