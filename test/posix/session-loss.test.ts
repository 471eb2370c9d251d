/** What programs see when the mount they use learns that its session is lost, and what was not synced with it. */
import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fails } from './behaviours/support.js';
import { canMount, TestMount } from './mounted.js';

const [major, minor] = release().split('.').map(Number);
/** FUSE_NOTIFY_INC_EPOCH: before it names are as old as any may be. */
const dropsNames = major > 6 || (major === 6 && minor >= 16);

describe.skipIf(!canMount())('a mount whose session is lost', () => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile: 'session', second: true });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log.filter((line) => !line.includes('the session is lost'))).toEqual([]);
  });
  const here = (name: string) => join(mount.mountpoint, name);
  const there = (name: string) => join(mount.elsewhere, name);

  it('reports what was not synced by fsync or close, once, and keeps what was', async () => {
    const [synced, closed, fsynced] = await Promise.all(['a', 'b', 'c'].map((name) => open(here(name), 'w+')));
    for (const file of [synced, closed, fsynced]) await file.write('x');
    await synced.sync();
    await mount.ask('lose');
    await synced.sync();
    await synced.close();
    await fails('EIO', closed.close());
    await fails('EIO', fsynced.sync());
    await fsynced.write('written again');
    await fsynced.sync();
    await fsynced.close();
    expect(await readFile(here('a'), 'utf8')).toBe('x');
    expect((await mount.counters()).sessionsLost).toBe(1);
  });

  it('reports names that were not synced by fsync of their directory', async () => {
    await mkdir(here('d'));
    await writeFile(here('d/old'), '');
    await rename(here('d/old'), here('d/new'));
    await mount.ask('lose');
    const directory = await open(here('d'), 'r');
    await fails('EIO', directory.sync());
    await directory.sync();
    await directory.close();
  });

  it.skipIf(!dropsNames)('sees at once what there is, under names absent ones too', async () => {
    await writeFile(here('moved'), 'one');
    await fails('ENOENT', stat(here('absent')));
    await rename(there('moved'), there('absent'));
    expect((await stat(here('moved'))).size, 'from memory').toBe(3);
    await mount.ask('lose');
    await fails('ENOENT', stat(here('moved')));
    expect(await readFile(here('absent'), 'utf8')).toBe('one');
  });

  it('soon sees what a file is that it has open', async () => {
    await writeFile(here('open'), 'before');
    const file = await open(here('open'), 'r');
    const read = async () => (await file.read(Buffer.alloc(10), 0, 10, 0)).buffer.toString('latin1').replace(/\0/g, '');
    expect(await read()).toBe('before');
    const other = await open(there('open'), 'r+');
    await other.write('behind', 0);
    await other.close();
    expect(await read(), 'from memory').toBe('before');
    await mount.ask('lose');
    await expect.poll(read).toBe('behind');
    await file.close();
  });

  it('goes on while its files and directories are in use', async () => {
    await mkdir(here('busy'));
    let losing = true;
    const worker = async (name: string) => {
      let errors = 0;
      for (let i = 0; losing; i++) {
        try {
          await writeFile(here(`busy/${name}${i % 5}`), 'data'.repeat(20_000));
          await readFile(here(`busy/${name}${i % 5}`));
        } catch (error) {
          expect(error).toMatchObject({ code: 'EIO' });
          errors++;
        }
      }
      return errors;
    };
    const workers = ['a', 'b', 'c', 'd'].map(worker);
    for (let i = 0; i < 50; i++) await mount.ask('lose');
    losing = false;
    const errors = await Promise.all(workers);
    expect(errors.some((count) => count > 0)).toBe(true);
    for (const name of ['a', 'b', 'c', 'd']) await writeFile(here(`busy/${name}0`), 'last');
    expect(await readFile(there('busy/a0'), 'utf8')).toBe('last');
  });
});
