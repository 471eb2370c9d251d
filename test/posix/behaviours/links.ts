import assert from 'node:assert/strict';
import { link, lstat, mkdir, readFile, readlink, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fails } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

export const linkBehaviours: Record<string, Behaviour> = {
  'hard links are one file': async (dir) => {
    await writeFile(join(dir, 'a'), 'one');
    await link(join(dir, 'a'), join(dir, 'b'));
    const [a, b] = [await stat(join(dir, 'a')), await stat(join(dir, 'b'))];
    assert.equal(a.ino, b.ino);
    assert.deepEqual([a.nlink, b.nlink], [2, 2]);
    await writeFile(join(dir, 'b'), 'two');
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'two');
    await unlink(join(dir, 'a'));
    assert.equal((await stat(join(dir, 'b'))).nlink, 1);
    assert.equal(await readFile(join(dir, 'b'), 'utf8'), 'two');
  },
  'link to what exists, of a directory, of nothing': async (dir) => {
    await writeFile(join(dir, 'a'), '');
    await writeFile(join(dir, 'b'), '');
    await mkdir(join(dir, 'd'));
    await fails('EEXIST', link(join(dir, 'a'), join(dir, 'b')));
    await fails('EPERM', link(join(dir, 'd'), join(dir, 'e')));
    await fails('ENOENT', link(join(dir, 'x'), join(dir, 'y')));
  },
  'a symbolic link is followed': async (dir) => {
    await writeFile(join(dir, 'a'), 'target');
    await symlink('a', join(dir, 'l'));
    assert.equal(await readlink(join(dir, 'l')), 'a');
    assert.equal(await readFile(join(dir, 'l'), 'utf8'), 'target');
    assert.equal((await lstat(join(dir, 'l'))).size, 1);
    await writeFile(join(dir, 'l'), 'changed');
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'changed');
  },
  'writing through a dangling link makes its target': async (dir) => {
    await symlink('target', join(dir, 'l'));
    await fails('ENOENT', readFile(join(dir, 'l')));
    await writeFile(join(dir, 'l'), 'made');
    assert.equal(await readFile(join(dir, 'target'), 'utf8'), 'made');
  },
  'a loop of symbolic links': async (dir) => {
    await symlink('b', join(dir, 'a'));
    await symlink('a', join(dir, 'b'));
    await fails('ELOOP', stat(join(dir, 'a')));
  },
  'a long target': async (dir) => {
    const target = 'x'.repeat(4000);
    await symlink(target, join(dir, 'l'));
    assert.equal(await readlink(join(dir, 'l')), target);
  },
  'symlink over what exists': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await fails('EEXIST', symlink('x', join(dir, 'f')));
  },
  'a link removed and made again': async (dir) => {
    for (const target of ['one', 'two', 'three']) {
      await symlink(target, join(dir, 'l'));
      assert.equal(await readlink(join(dir, 'l')), target);
      await unlink(join(dir, 'l'));
    }
  },
};
