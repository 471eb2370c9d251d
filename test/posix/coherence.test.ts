/** What one mount sees of another's changes, in each profile. */
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fails, pattern, pause } from './behaviours/support.js';
import { canMount, TestMount } from './mounted.js';

/** Names and attributes may be this old. */
const FRESH_MS = 1000;

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('two %s mounts', (profile) => {
  let mount: TestMount;
  let made = 0;
  beforeAll(async () => {
    mount = await TestMount.start({ profile, second: true });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  /** The same new file, as either mount names it. */
  const fresh = () => {
    const name = `f${made++}`;
    return { here: join(mount.mountpoint, name), there: join(mount.elsewhere, name) };
  };

  it('close-to-open: a reader that opens after the writer closed sees the data', async () => {
    const { here, there } = fresh();
    for (let i = 0; i < 10; i++) {
      await writeFile(here, pattern(5000 + i * 100, i + 1));
      expect(await readFile(there)).toEqual(pattern(5000 + i * 100, i + 1));
    }
  });

  it('the same when the size stays', async () => {
    const { here, there } = fresh();
    for (let i = 0; i < 10; i++) {
      const [writer, reader] = i % 2 === 0 ? [here, there] : [there, here];
      await writeFile(writer, pattern(4096, i + 1));
      expect(await readFile(reader)).toEqual(pattern(4096, i + 1));
    }
  });

  it('an opener sees what was appended since it last looked', async () => {
    const { here, there } = fresh();
    let expected = '';
    for (let i = 0; i < 6; i++) {
      await appendFile(here, `line ${i}\n`);
      expected += `line ${i}\n`;
      expect(await readFile(there, 'utf8')).toBe(expected);
    }
  });

  it('a file replaced by rename is opened anew', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'old');
    expect(await readFile(there, 'utf8')).toBe('old');
    await writeFile(`${here}.tmp`, 'new');
    await rename(`${here}.tmp`, here);
    expect(await readFile(there, 'utf8')).toBe('new');
  });

  it('a file removed is not opened', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'x');
    expect(await readFile(there, 'utf8')).toBe('x');
    await unlink(here);
    await fails('ENOENT', open(there, 'r'));
  });

  it('two appenders lose nothing', async () => {
    const { here, there } = fresh();
    await writeFile(here, '');
    const append = async (path: string, mark: string) => {
      for (let i = 0; i < 20; i++) await appendFile(path, `${mark}${String(i).padStart(3, '0')}\n`);
    };
    await Promise.all([append(here, 'a'), append(there, 'b')]);
    for (const path of [here, there]) {
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      expect(lines.filter((l) => /^a\d{3}$/.test(l)).length).toBe(20);
      expect(lines.filter((l) => /^b\d{3}$/.test(l)).length).toBe(20);
      expect(lines.length).toBe(40);
    }
  });

  it('O_EXCL holds across mounts, whatever was thought absent', async () => {
    const { here, there } = fresh();
    await fails('ENOENT', stat(there));
    await writeFile(here, 'x', { flag: 'wx' });
    await fails('EEXIST', writeFile(there, 'y', { flag: 'wx' }));
    expect(await readFile(there, 'utf8')).toBe('x');
  });

  it('new and removed names show within the time limit', async () => {
    const { here, there } = fresh();
    await mkdir(here);
    await stat(there);
    await fails('ENOENT', stat(join(there, 'x')));
    await writeFile(join(here, 'x'), 'content');
    await pause(profile === 'strict' ? 0 : FRESH_MS + 100);
    expect((await stat(join(there, 'x'))).size).toBe(7);
    expect(await readdir(there)).toEqual(['x']);
    await rm(join(here, 'x'));
    await pause(profile === 'strict' ? 0 : FRESH_MS + 100);
    await fails('ENOENT', stat(join(there, 'x')));
    expect(await readdir(there)).toEqual([]);
  });

  it('a listing makes the kernel forget names that are gone', async () => {
    const { here, there } = fresh();
    await mkdir(here);
    await writeFile(join(here, 'x'), '');
    await stat(join(there, 'x'));
    await unlink(join(here, 'x'));
    expect(await readdir(there)).toEqual([]);
    // The notification is on its way when the listing is answered.
    await pause(50);
    await fails('ENOENT', stat(join(there, 'x')));
  });

  it('writers of different parts of one file', async () => {
    const { here, there } = fresh();
    const bytes = pattern(400_000);
    await writeFile(here, Buffer.alloc(400_000));
    const write = async (path: string, from: number) => {
      const file = await open(path, 'r+');
      for (let at = from; at < from + 200_000; at += 20_000) await file.write(bytes, at, 20_000, at);
      await file.close();
    };
    await Promise.all([write(here, 0), write(there, 200_000)]);
    expect((await readFile(here)).equals(bytes)).toBe(true);
    expect((await readFile(there)).equals(bytes)).toBe(true);
  });

  if (profile === 'session') {
    it('who has a file open, its pages cached, sees what others wrote to it once its attributes were asked for', async () => {
      const { here, there } = fresh();
      await writeFile(here, pattern(300_000, 1));
      const reader = await open(there, 'r');
      const readAll = async () => (await reader.read(Buffer.alloc(300_000), 0, 300_000, 0)).buffer;
      for (let i = 2; i < 6; i++) {
        expect((await readAll()).equals(pattern(300_000, i - 1))).toBe(true);
        // Of the same size, and not cut first: neither tells the kernel anything.
        const writer = await open(here, 'r+');
        await writer.write(pattern(300_000, i), 0, 300_000, 0);
        await writer.close();
        await pause(FRESH_MS + 100);
        await reader.stat();
        await expect.poll(async () => (await readAll()).equals(pattern(300_000, i)), { timeout: 10_000 }).toBe(true);
      }
      await reader.close();
    });

    it('its own writes do not cost a reader its pages', async () => {
      const { here } = fresh();
      await writeFile(here, pattern(300_000));
      const file = await open(here, 'r+');
      const readAll = () => file.read(Buffer.alloc(300_000), 0, 300_000, 0);
      await readAll();
      const calls = await mount.callsOf(async () => {
        for (let i = 0; i < 3; i++) {
          await file.write('x', i * 1000);
          await file.datasync();
          await pause(FRESH_MS + 100);
          await file.stat();
          await readAll();
        }
      });
      // The whole file takes three, each time; the kernel may have wanted some of the memory back.
      expect(calls.read ?? 0).toBeLessThan(3);
      await file.close();
    });
  }

  if (profile === 'strict') {
    it('a read through an open descriptor sees a completed write of the other mount', async () => {
      const { here, there } = fresh();
      await writeFile(here, '0');
      const reader = await open(there, 'r');
      for (let i = 1; i < 10; i++) {
        await writeFile(here, String(i));
        const { buffer } = await reader.read(Buffer.alloc(1), 0, 1, 0);
        expect(buffer.toString()).toBe(String(i));
        expect((await stat(there)).size).toBe(1);
      }
      await reader.close();
    });
  }
});
