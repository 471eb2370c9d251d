import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { mkdir, open, opendir, readdir, readFile, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fails, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

export const directoryBehaviours: Record<string, Behaviour> = {
  'mkdir and rmdir': async (dir) => {
    await mkdir(join(dir, 'd'));
    assert.ok((await stat(join(dir, 'd'))).isDirectory());
    await rmdir(join(dir, 'd'));
    await fails('ENOENT', stat(join(dir, 'd')));
  },
  'mkdir of what exists': async (dir) => {
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'f'), '');
    await fails('EEXIST', mkdir(join(dir, 'd')));
    await fails('EEXIST', mkdir(join(dir, 'f')));
  },
  'a deep tree': async (dir) => {
    const path = join(dir, ...Array.from({ length: 40 }, (_, i) => `level${i}`));
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'leaf'), 'deep');
    assert.equal(await readFile(join(path, 'leaf'), 'utf8'), 'deep');
    await rm(join(dir, 'level0'), { recursive: true });
    assert.deepEqual(await readdir(dir), []);
  },
  'rmdir of a directory that is not empty': async (dir) => {
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'd', 'f'), '');
    await fails('ENOTEMPTY', rmdir(join(dir, 'd')));
    await unlink(join(dir, 'd', 'f'));
    await rmdir(join(dir, 'd'));
  },
  'rmdir of a file, unlink of a directory': async (dir) => {
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'f'), '');
    await fails('ENOTDIR', rmdir(join(dir, 'f')));
    await fails('EISDIR', unlink(join(dir, 'd')));
  },
  'a file is no directory': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    await fails('ENOTDIR', stat(join(dir, 'f', 'x')));
    await fails('ENOTDIR', open(join(dir, 'f'), constants.O_RDONLY | constants.O_DIRECTORY));
    await fails('EISDIR', open(dir, 'w'));
  },
  'names up to 255 bytes': async (dir) => {
    await writeFile(join(dir, 'n'.repeat(255)), 'long');
    assert.deepEqual(await readdir(dir), ['n'.repeat(255)]);
    await fails('ENAMETOOLONG', writeFile(join(dir, 'n'.repeat(256)), ''));
    await fails('ENAMETOOLONG', stat(join(dir, 'n'.repeat(256))));
    await fails('ENAMETOOLONG', mkdir(join(dir, 'n'.repeat(256))));
  },
  'names of any bytes': async (dir) => {
    const names = ['ünïcødé ☃', ' leading and trailing ', '-dash', 'new\nline', '\\back"quote', "'"];
    for (const name of names) await writeFile(join(dir, name), name);
    assert.deepEqual((await readdir(dir)).sort(), [...names].sort());
    for (const name of names) assert.equal(await readFile(join(dir, name), 'utf8'), name);
    const raw = Buffer.concat([Buffer.from(join(dir, '/')), Buffer.from([0xff, 0xfe, 0x80])]);
    await writeFile(raw, 'not UTF-8');
    const found = (await readdir(dir, { encoding: 'buffer' })).some((name) => name.equals(raw.subarray(-3)));
    assert.ok(found);
  },
  'nlink of directories counts subdirectories': async (dir) => {
    await mkdir(join(dir, 'd'));
    const before = (await stat(join(dir, 'd'))).nlink;
    await mkdir(join(dir, 'd', 'a'));
    await mkdir(join(dir, 'd', 'b'));
    const between = (await stat(join(dir, 'd'))).nlink;
    await rmdir(join(dir, 'd', 'a'));
    const after = (await stat(join(dir, 'd'))).nlink;
    // btrfs and overlays of some kinds always show 1.
    if (before === 2) assert.deepEqual([between, after], [4, 3]);
  },
  'readdir of 2,000 entries': async (dir) => {
    const names = Array.from({ length: 2000 }, (_, i) => `entry-${String(i).padStart(5, '0')}-with-some-length`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => writeFile(join(dir, name), '')));
    }
    assert.deepEqual((await readdir(dir)).sort(), names);
    const listed = await readdir(dir, { withFileTypes: true });
    assert.equal(listed.length, 2000);
    assert.ok(listed.every((entry) => entry.isFile()));
    assert.equal((await shell('ls -l | wc -l', dir)).trim(), '2001');
  },
  'readdir shows what was made and removed': async (dir) => {
    for (const name of ['a', 'b', 'c']) await writeFile(join(dir, name), '');
    assert.deepEqual((await readdir(dir)).sort(), ['a', 'b', 'c']);
    await unlink(join(dir, 'b'));
    await writeFile(join(dir, 'd'), '');
    assert.deepEqual((await readdir(dir)).sort(), ['a', 'c', 'd']);
    await fails('ENOENT', stat(join(dir, 'b')));
  },
  'removing entries while reading the directory': async (dir) => {
    for (let i = 0; i < 300; i++) await writeFile(join(dir, `f${i}`), '');
    const seen: string[] = [];
    for await (const entry of await opendir(dir)) {
      seen.push(entry.name);
      await unlink(join(dir, entry.name));
    }
    assert.equal(new Set(seen).size, 300);
    assert.deepEqual(await readdir(dir), []);
  },
  'an absent name can be made, and a removed one is absent': async (dir) => {
    for (let i = 0; i < 5; i++) {
      await fails('ENOENT', stat(join(dir, 'f')));
      await writeFile(join(dir, 'f'), String(i));
      assert.equal(await readFile(join(dir, 'f'), 'utf8'), String(i));
      await unlink(join(dir, 'f'));
    }
  },
  'one of several makers of a name wins': async (dir) => {
    const attempts = Array.from({ length: 10 }, () => open(join(dir, 'f'), 'wx').then((file) => file.close()));
    const outcomes = await Promise.allSettled(attempts);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  },
  'working directory removed': async (dir) => {
    const tries = 'for try in 1 2; do touch f 2>&1 && echo made; mkdir s 2>&1 && echo made; done';
    const output = await shell(`mkdir d; cd d; rmdir ../d; ${tries}; ls -A`, dir);
    assert.equal(output.match(/No such file or directory/g)?.length, 4, output);
    assert.ok(!output.includes('made'), output);
  },
  'fsync of a directory': async (dir) => {
    const handle = await open(dir, 'r');
    await handle.sync();
    await handle.close();
  },
  'a tree as tar makes it': async (dir) => {
    await shell(
      `mkdir src out; cd src; mkdir -p a/b c; for i in 1 2 3 4 5 6 7 8 9; do echo $i > a/f$i; echo b$i > a/b/g$i; done
       ln -s ../a/f1 c/link; ln a/f2 c/hard; touch -d "2010-01-01 12:00:00 UTC" a/f3; chmod 600 a/f4
       tar cf - . | (cd ../out && tar xpf -); cd ..; diff -r src out
       [ "$(stat -c %y src/a/f3)" = "$(stat -c %y out/a/f3)" ]; [ "$(stat -c %a out/a/f4)" = 600 ]
       [ "$(readlink out/c/link)" = ../a/f1 ]; [ "$(stat -c %h out/a/f2)" = 2 ]`,
      dir,
    );
  },
};
