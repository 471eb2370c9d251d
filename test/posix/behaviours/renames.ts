import assert from 'node:assert/strict';
import { link, mkdir, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fails, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

export const renameBehaviours: Record<string, Behaviour> = {
  rename: async (dir) => {
    await writeFile(join(dir, 'a'), 'content');
    await rename(join(dir, 'a'), join(dir, 'b'));
    await fails('ENOENT', stat(join(dir, 'a')));
    assert.equal(await readFile(join(dir, 'b'), 'utf8'), 'content');
    assert.deepEqual(await readdir(dir), ['b']);
  },
  'rename replaces a file': async (dir) => {
    await writeFile(join(dir, 'a'), 'new');
    await writeFile(join(dir, 'b'), 'old');
    await rename(join(dir, 'a'), join(dir, 'b'));
    assert.equal(await readFile(join(dir, 'b'), 'utf8'), 'new');
    assert.deepEqual(await readdir(dir), ['b']);
  },
  'rename to another directory': async (dir) => {
    await mkdir(join(dir, 'x'));
    await mkdir(join(dir, 'y'));
    await writeFile(join(dir, 'x', 'f'), 'moved');
    await rename(join(dir, 'x', 'f'), join(dir, 'y', 'g'));
    assert.deepEqual(await readdir(join(dir, 'x')), []);
    assert.equal(await readFile(join(dir, 'y', 'g'), 'utf8'), 'moved');
  },
  'rename of a directory with content': async (dir) => {
    await mkdir(join(dir, 'x', 'sub'), { recursive: true });
    await mkdir(join(dir, 'y'));
    await writeFile(join(dir, 'x', 'sub', 'f'), 'inside');
    const links = (await stat(join(dir, 'y'))).nlink;
    await rename(join(dir, 'x'), join(dir, 'y', 'z'));
    assert.equal(await readFile(join(dir, 'y', 'z', 'sub', 'f'), 'utf8'), 'inside');
    if (links === 2) assert.equal((await stat(join(dir, 'y'))).nlink, 3);
    assert.equal(
      (await shell('cd y/z; stat -c %i ..; stat -c %i ../../y', dir)).split('\n')[0],
      String((await stat(join(dir, 'y'))).ino),
    );
  },
  'rename over an empty directory': async (dir) => {
    await mkdir(join(dir, 'a'));
    await writeFile(join(dir, 'a', 'f'), '');
    await mkdir(join(dir, 'b'));
    await rename(join(dir, 'a'), join(dir, 'b'));
    assert.deepEqual(await readdir(join(dir, 'b')), ['f']);
  },
  'rename errors': async (dir) => {
    await mkdir(join(dir, 'd', 'sub'), { recursive: true });
    await mkdir(join(dir, 'e'));
    await writeFile(join(dir, 'f'), '');
    await fails('ENOENT', rename(join(dir, 'x'), join(dir, 'y')));
    await fails('EINVAL', rename(join(dir, 'd'), join(dir, 'd', 'sub', 'x')));
    await fails('ENOTEMPTY', rename(join(dir, 'e'), join(dir, 'd')));
    await fails('EISDIR', rename(join(dir, 'f'), join(dir, 'd')));
    await fails('ENOTDIR', rename(join(dir, 'd'), join(dir, 'f')));
  },
  'rename onto itself and onto another link of the same file': async (dir) => {
    await writeFile(join(dir, 'a'), 'x');
    await rename(join(dir, 'a'), join(dir, 'a'));
    await link(join(dir, 'a'), join(dir, 'b'));
    await rename(join(dir, 'a'), join(dir, 'b'));
    assert.deepEqual((await readdir(dir)).sort(), ['a', 'b']);
    assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'x');
  },
  'rename of an open file being written': async (dir) => {
    const file = await open(join(dir, 'tmp'), 'w');
    await file.write('first ');
    await rename(join(dir, 'tmp'), join(dir, 'final'));
    assert.equal(await readFile(join(dir, 'final'), 'utf8'), 'first ');
    await file.write('second');
    await file.close();
    assert.equal(await readFile(join(dir, 'final'), 'utf8'), 'first second');
  },
  'readers see the old or the new file when it is replaced': async (dir) => {
    await writeFile(join(dir, 'f'), 'v0'.repeat(1000));
    let done = false;
    const reader = async () => {
      let reads = 0;
      while (!done) {
        const content = await readFile(join(dir, 'f'), 'utf8');
        assert.match(content, /^(v\d)\1{999}$/);
        reads++;
      }
      return reads;
    };
    const writer = async () => {
      for (let i = 0; i < 60; i++) {
        await writeFile(join(dir, 'tmp'), `v${i % 10}`.repeat(1000));
        await rename(join(dir, 'tmp'), join(dir, 'f'));
      }
      return 1;
    };
    const all = [writer().finally(() => (done = true)), reader(), reader()];
    for (const reads of await Promise.all(all)) assert.ok(reads > 0);
  },
  'exchange and no-replace': async (dir) => {
    const script = `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags):
    r = libc.renameat2(-100, a, -100, b, flags)
    return ctypes.get_errno() if r else 0
open('a', 'w').write('A'); open('b', 'w').write('B')
assert renameat2(b'a', b'b', 1) == 17
assert renameat2(b'a', b'b', 2) == 0
assert open('a').read() == 'B' and open('b').read() == 'A'
os.mkdir('d'); open('d/x', 'w').write('X')
assert renameat2(b'd', b'a', 2) == 0
assert os.path.isfile('d') and open('a/x').read() == 'X' and open('d').read() == 'B'
assert renameat2(b'b', b'new', 1) == 0 and open('new').read() == 'A'
`;
    await writeFile(join(dir, 'script.py'), script);
    await shell('python3 script.py', dir);
  },
};
