import assert from 'node:assert/strict';
import { link, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fails, pattern, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

export const lifetimeBehaviours: Record<string, Behaviour> = {
  'an open file outlives its name': async (dir) => {
    await writeFile(join(dir, 'f'), 'still here');
    const file = await open(join(dir, 'f'), 'r+');
    try {
      await unlink(join(dir, 'f'));
      await fails('ENOENT', stat(join(dir, 'f')));
      assert.equal((await file.read(Buffer.alloc(10), 0, 10, 0)).buffer.toString(), 'still here');
      assert.equal((await file.stat()).nlink, 0);
      await file.write('and changes', 0);
      await file.truncate(3);
      assert.equal((await file.stat()).size, 3);
      assert.deepEqual(await readdir(dir), []);
    } finally {
      await file.close();
    }
  },
  'a temporary file: made, unlinked, used': async (dir) => {
    const file = await open(join(dir, 'tmp'), 'w+');
    await unlink(join(dir, 'tmp'));
    const bytes = pattern(500_000);
    await file.write(bytes, 0, bytes.length, 0);
    const { buffer } = await file.read(Buffer.alloc(bytes.length), 0, bytes.length, 0);
    assert.deepEqual(buffer, bytes);
    await file.sync();
    await file.close();
  },
  'an open file outlives being replaced': async (dir) => {
    await writeFile(join(dir, 'f'), 'old');
    await writeFile(join(dir, 'g'), 'new');
    const file = await open(join(dir, 'f'), 'r');
    await rename(join(dir, 'g'), join(dir, 'f'));
    assert.equal(await file.readFile('utf8'), 'old');
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'new');
    await file.close();
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'new');
  },
  'an open file that had two names': async (dir) => {
    await writeFile(join(dir, 'a'), 'x');
    await link(join(dir, 'a'), join(dir, 'b'));
    const file = await open(join(dir, 'a'), 'r');
    await unlink(join(dir, 'a'));
    assert.equal((await file.stat()).nlink, 1);
    await unlink(join(dir, 'b'));
    assert.equal((await file.stat()).nlink, 0);
    assert.equal(await file.readFile('utf8'), 'x');
    await file.close();
  },
  'two descriptors of an unlinked file': async (dir) => {
    await writeFile(join(dir, 'f'), 'x');
    const a = await open(join(dir, 'f'), 'r');
    const b = await open(join(dir, 'f'), 'r+');
    await unlink(join(dir, 'f'));
    await a.close();
    await b.write('y', 0);
    assert.equal((await b.read(Buffer.alloc(1), 0, 1, 0)).buffer.toString(), 'y');
    await b.close();
  },
  'an unlinked file opened again through /proc': async (dir) => {
    assert.equal(await shell('echo kept > f; exec 5< f; rm f; cat /proc/self/fd/5', dir), 'kept\n');
  },
  'descriptors handed to children share their position': async (dir) => {
    await shell('exec 3> f; (echo one >&3); (echo two >&3); echo three >&3', dir);
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'one\ntwo\nthree\n');
  },
  'a name used again is another file': async (dir) => {
    await writeFile(join(dir, 'f'), 'first');
    const old = await open(join(dir, 'f'), 'r');
    await unlink(join(dir, 'f'));
    await writeFile(join(dir, 'f'), 'second');
    assert.notEqual((await old.stat()).ino, (await stat(join(dir, 'f'))).ino);
    assert.equal(await old.readFile('utf8'), 'first');
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'second');
    await old.close();
  },
};
