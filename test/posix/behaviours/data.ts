import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, copyFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fails, pattern, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

export const dataBehaviours: Record<string, Behaviour> = {
  'create, write, read back': async (dir) => {
    await writeFile(join(dir, 'f'), 'hello');
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'hello');
  },
  'an empty file': async (dir) => {
    await writeFile(join(dir, 'f'), '');
    assert.equal((await stat(join(dir, 'f'))).size, 0);
    assert.equal((await readFile(join(dir, 'f'))).length, 0);
  },
  'O_EXCL on an existing file': async (dir) => {
    await writeFile(join(dir, 'f'), 'first');
    await fails('EEXIST', open(join(dir, 'f'), 'wx'));
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'first');
  },
  'O_TRUNC on an existing file': async (dir) => {
    await writeFile(join(dir, 'f'), 'a longer content');
    await writeFile(join(dir, 'f'), 'short');
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'short');
  },
  'overwrite in the middle': async (dir) => {
    const file = await open(join(dir, 'f'), 'w+');
    await file.write('0123456789');
    await file.write('abc', 3);
    assert.equal((await file.read(Buffer.alloc(20), 0, 20, 0)).buffer.toString('latin1', 0, 10), '012abc6789');
    await file.close();
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), '012abc6789');
  },
  append: async (dir) => {
    for (const part of ['one ', 'two ', 'three']) await appendFile(join(dir, 'f'), part);
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'one two three');
  },
  'append ignores the position': async (dir) => {
    await writeFile(join(dir, 'f'), 'start-');
    const file = await open(join(dir, 'f'), 'a+');
    await file.write('end', 0);
    await file.write('!', 0);
    await file.close();
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'start-end!');
  },
  'appenders with a descriptor each': async (dir) => {
    const line = (writer: number, i: number) => `${writer}:${String(i).padStart(4, '0')}\n`;
    const appender = async (writer: number) => {
      const file = await open(join(dir, 'log'), 'a');
      for (let i = 0; i < 50; i++) await file.write(line(writer, i));
      await file.close();
    };
    await Promise.all([0, 1, 2, 3].map(appender));
    const lines = (await readFile(join(dir, 'log'), 'utf8')).trimEnd().split('\n');
    assert.equal(lines.length, 200);
    for (const writer of [0, 1, 2, 3]) {
      const own = lines.filter((l) => l.startsWith(`${writer}:`));
      assert.deepEqual(
        own,
        Array.from({ length: 50 }, (_, i) => line(writer, i).trimEnd()),
      );
    }
  },
  'a hole reads as zeros': async (dir) => {
    const file = await open(join(dir, 'f'), 'w+');
    await file.write('end', 1_000_000);
    const { buffer } = await file.read(Buffer.alloc(64, 1), 0, 64, 500_000);
    assert.deepEqual(buffer, Buffer.alloc(64));
    await file.close();
    const content = await readFile(join(dir, 'f'));
    assert.equal(content.length, 1_000_003);
    assert.equal(
      content.subarray(0, 1_000_000).every((byte) => byte === 0),
      true,
    );
    assert.equal(content.toString('latin1', 1_000_000), 'end');
  },
  'a sparse file takes no space': async (dir) => {
    const file = await open(join(dir, 'f'), 'w');
    await file.truncate(100 * 1024 * 1024);
    await file.close();
    const { size, blocks } = await stat(join(dir, 'f'));
    assert.equal(size, 100 * 1024 * 1024);
    assert.ok(blocks < 1000, `${blocks} blocks`);
  },
  'truncate shortens': async (dir) => {
    await writeFile(join(dir, 'f'), pattern(100_000));
    await truncate(join(dir, 'f'), 33_333);
    assert.deepEqual(await readFile(join(dir, 'f')), pattern(100_000).subarray(0, 33_333));
  },
  'truncate extends with zeros': async (dir) => {
    await writeFile(join(dir, 'f'), 'abc');
    await truncate(join(dir, 'f'), 10);
    assert.deepEqual(await readFile(join(dir, 'f')), Buffer.from('abc\0\0\0\0\0\0\0'));
  },
  'what was cut off does not come back': async (dir) => {
    await writeFile(join(dir, 'f'), pattern(70_000));
    await truncate(join(dir, 'f'), 10);
    await truncate(join(dir, 'f'), 70_000);
    const content = await readFile(join(dir, 'f'));
    assert.deepEqual(content.subarray(0, 10), pattern(70_000).subarray(0, 10));
    assert.equal(
      content.subarray(10).every((byte) => byte === 0),
      true,
    );
  },
  'ftruncate between writes': async (dir) => {
    const file = await open(join(dir, 'f'), 'w+');
    await file.write(pattern(10_000), 0, 10_000, 0);
    await file.truncate(100);
    await file.write('tail', 200);
    assert.equal((await file.stat()).size, 204);
    await file.close();
    const content = await readFile(join(dir, 'f'));
    assert.deepEqual(content.subarray(0, 100), pattern(10_000).subarray(0, 100));
    assert.deepEqual(content.subarray(100, 200), Buffer.alloc(100));
    assert.equal(content.toString('latin1', 200), 'tail');
  },
  'size is right while the file is being written': async (dir) => {
    const file = await open(join(dir, 'f'), 'w');
    for (let i = 1; i <= 20; i++) {
      await file.write(pattern(1000));
      assert.equal((await file.stat()).size, i * 1000);
      assert.equal((await stat(join(dir, 'f'))).size, i * 1000);
    }
    await file.close();
  },
  'a write is seen through another descriptor': async (dir) => {
    const writer = await open(join(dir, 'f'), 'w');
    const reader = await open(join(dir, 'f'), 'r');
    for (let i = 0; i < 10; i++) {
      await writer.write(`line ${i}\n`);
      const { buffer, bytesRead } = await reader.read(Buffer.alloc(64), 0, 64, null);
      assert.equal(buffer.toString('latin1', 0, bytesRead), `line ${i}\n`);
    }
    await writer.close();
    await reader.close();
  },
  'read past the end': async (dir) => {
    await writeFile(join(dir, 'f'), 'abc');
    const file = await open(join(dir, 'f'), 'r');
    assert.equal((await file.read(Buffer.alloc(10), 0, 10, 3)).bytesRead, 0);
    assert.equal((await file.read(Buffer.alloc(10), 0, 10, 1_000_000)).bytesRead, 0);
    assert.equal((await file.read(Buffer.alloc(10), 0, 10, 1)).bytesRead, 2);
    await file.close();
  },
  'a large file': async (dir) => {
    const bytes = pattern(20 * 1024 * 1024 + 4321);
    await writeFile(join(dir, 'f'), bytes);
    assert.equal((await stat(join(dir, 'f'))).size, bytes.length);
    const digest = (content: Buffer) => createHash('sha256').update(content).digest('hex');
    assert.equal(digest(await readFile(join(dir, 'f'))), digest(bytes));
  },
  'small writes in order': async (dir) => {
    const bytes = pattern(300_000);
    const file = await open(join(dir, 'f'), 'w');
    for (let at = 0; at < bytes.length; at += 777) await file.write(bytes.subarray(at, at + 777));
    await file.close();
    assert.deepEqual(await readFile(join(dir, 'f')), bytes);
  },
  'writes in reverse order': async (dir) => {
    const bytes = pattern(400_000);
    const file = await open(join(dir, 'f'), 'w');
    for (let at = 399_000; at >= 0; at -= 1000) await file.write(bytes, at, 1000, at);
    await file.close();
    assert.deepEqual(await readFile(join(dir, 'f')), bytes);
  },
  'overlapping writes: the last one wins': async (dir) => {
    const expected = Buffer.alloc(600_000);
    const file = await open(join(dir, 'f'), 'w+');
    await file.write(expected, 0, expected.length, 0);
    for (let i = 1; i <= 60; i++) {
      const at = (i * 7919 * 13) % 550_000;
      const piece = pattern(1 + ((i * 811) % 50_000), i);
      piece.copy(expected, at);
      await file.write(piece, 0, piece.length, at);
    }
    await file.close();
    assert.deepEqual(await readFile(join(dir, 'f')), expected);
  },
  'parallel writers of one file': async (dir) => {
    const bytes = pattern(8 * 100_000);
    await writeFile(join(dir, 'f'), '');
    const writer = async (i: number) => {
      const file = await open(join(dir, 'f'), 'r+');
      for (let at = i * 100_000; at < (i + 1) * 100_000; at += 10_000) await file.write(bytes, at, 10_000, at);
      await file.close();
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => writer(i)));
    assert.deepEqual(await readFile(join(dir, 'f')), bytes);
  },
  'parallel writers of many files': async (dir) => {
    const names = Array.from({ length: 100 }, (_, i) => join(dir, `f${i}`));
    await Promise.all(names.map((name, i) => writeFile(name, pattern(1000 + i, i + 1))));
    await Promise.all(names.map(async (name, i) => assert.deepEqual(await readFile(name), pattern(1000 + i, i + 1))));
  },
  'fsync and fdatasync': async (dir) => {
    const file = await open(join(dir, 'f'), 'w');
    await file.write('durable');
    await file.sync();
    await file.write(' too');
    await file.datasync();
    await file.close();
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'durable too');
  },
  O_SYNC: async (dir) => {
    const file = await open(join(dir, 'f'), 'as');
    await file.write('synchro');
    await file.write('nous');
    await file.close();
    assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'synchronous');
  },
  'a copy is equal': async (dir) => {
    await writeFile(join(dir, 'a'), pattern(1_234_567));
    await copyFile(join(dir, 'a'), join(dir, 'b'));
    assert.deepEqual(await readFile(join(dir, 'b')), pattern(1_234_567));
  },
  'shared mappings': async (dir) => {
    const script = `import mmap, os
f = os.open('f', os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(f, 20000)
m = mmap.mmap(f, 20000)
m[5000:5006] = b'mapped'
m.flush()
assert os.pread(f, 6, 5000) == b'mapped'
os.pwrite(f, b'written', 10000)
m.close()
os.close(f)
assert open('f', 'rb').read()[5000:5006] == b'mapped'
assert open('f', 'rb').read()[10000:10007] == b'written'
`;
    await writeFile(join(dir, 'script.py'), script);
    await shell('python3 script.py', dir);
  },
  'a program can be run': async (dir) => {
    await shell('cp /bin/true prog && ./prog && printf "#!/bin/sh\\necho ran\\n" > s && chmod 755 s', dir);
    assert.equal(await shell('./s', dir), 'ran\n');
  },
};
