/** Locks, and files without names, between two mounts of the same files. */
import { open, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RENEWAL_SECONDS } from '../../src/fileservice/types.js';
import { fails, pause } from './behaviours/support.js';
import { EAGAIN, withLockers } from './locker.js';
import { canMount, TestMount } from './mounted.js';

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('two %s mounts', { timeout: 180_000 }, (profile) => {
  let mount: TestMount;
  let made = 0;
  beforeAll(async () => {
    mount = await TestMount.start({ profile, second: true });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  const fresh = () => {
    const name = `f${made++}`;
    return { here: join(mount.mountpoint, name), there: join(mount.elsewhere, name) };
  };

  it('share their locks', () =>
    withLockers(2, async ([a, b]) => {
      const { here, there } = fresh();
      await a.expect(`open f ${here}`, 'ok');
      await b.expect(`open f ${there}`, 'ok');
      await a.expect('lock f write 0 10', 'ok');
      await b.expect('lock f write 5 10', EAGAIN);
      await b.expect('lock f write 10 10', 'ok');
      // A process of another mount has no number here.
      await b.expect('test f write 0 0', 'write 0 10 0');
      await a.expect('flock f write', 'ok');
      await b.expect('flock f read', EAGAIN);
      await a.expect('close f', 'ok');
      await b.expect('lock f write 0 0', 'ok');
    }));

  it('wait for each other', () =>
    withLockers(2, async ([a, b]) => {
      const { here, there } = fresh();
      await a.expect(`open f ${here}`, 'ok');
      await b.expect(`open f ${there}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      const waited = b.tell('wait f write 0 0');
      expect(await Promise.race([waited, pause(500).then(() => 'waiting')])).toBe('waiting');
      await a.expect('close f', 'ok');
      expect(await waited).toBe('ok');
    }));

  it('see under a lock what the other wrote under it, without opening the file again', () =>
    withLockers(2, async ([a, b]) => {
      const { here, there } = fresh();
      await a.expect(`open f ${here}`, 'ok');
      await b.expect(`open f ${there}`, 'ok');
      for (let round = 1; round <= 30; round++) {
        const [writer, reader] = round % 2 === 0 ? [a, b] : [b, a];
        const text = `${'x'.repeat(round)}${round}`;
        await writer.expect('wait f write 0 0', 'ok');
        await writer.expect(`write f 0 ${text}`, 'ok');
        await writer.expect('lock f unlock 0 0', 'ok');
        await reader.expect('wait f read 0 0', 'ok');
        await reader.expect(`read f 0 ${text.length}`, text);
        await reader.expect('lock f unlock 0 0', 'ok');
      }
    }));

  it('see under a lock which names the other made and removed before, and what became of them', () =>
    withLockers(2, async ([a, b]) => {
      const { here, there } = fresh();
      await a.expect(`open f ${here}`, 'ok');
      await b.expect(`open f ${there}`, 'ok');
      const locked = async (locker: typeof a, work: () => Promise<unknown>): Promise<void> => {
        await locker.expect('wait f write 0 0', 'ok');
        await work();
        await locker.expect('lock f unlock 0 0', 'ok');
      };
      const journal = { here: `${here}-journal`, there: `${there}-journal` };
      for (let round = 0; round < 5; round++) {
        // Neither mount has to be told more than once in a second, unless something has happened.
        await locked(b, () => fails('ENOENT', stat(journal.there)));
        await locked(a, () => writeFile(journal.here, 'x'));
        await locked(b, async () => expect((await stat(journal.there)).size).toBe(1));
        await locked(a, () => writeFile(journal.here, 'longer'));
        await locked(b, async () => expect((await stat(journal.there)).size).toBe(6));
        await locked(a, () => unlink(journal.here));
      }
    }));

  it('count together under a lock, and lose nothing', () =>
    withLockers(4, async (lockers) => {
      const { here, there } = fresh();
      await writeFile(here, '000000');
      const count = async (index: number): Promise<void> => {
        const locker = lockers[index];
        await locker.expect(`open f ${index % 2 === 0 ? here : there}`, 'ok');
        for (let i = 0; i < 15; i++) {
          await locker.expect('wait f write 0 6', 'ok');
          const value = Number(await locker.tell('read f 0 6'));
          await locker.expect(`write f 0 ${String(value + 1).padStart(6, '0')}`, 'ok');
          await locker.expect('lock f unlock 0 6', 'ok');
        }
      };
      await Promise.all(lockers.map((_, index) => count(index)));
      expect(await readFile(here, 'utf8')).toBe('000060');
    }));

  it('keep what the other has open, though its last name is removed', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'still here');
    const replaced = fresh();
    await writeFile(replaced.here, 'replaced');
    const [file, other] = [await open(there, 'r+'), await open(replaced.there, 'r')];
    await unlink(here);
    await writeFile(`${replaced.here}.new`, 'new');
    await rename(`${replaced.here}.new`, replaced.here);
    const freeBefore = (await mount.statistics()).usedInodes;
    // Longer than until either mount has been asked what it has open.
    await pause((RENEWAL_SECONDS + 2) * 1000);
    expect((await file.read(Buffer.alloc(10), 0, 10, 0)).buffer.toString()).toBe('still here');
    await file.write('changed', 0);
    expect((await file.stat()).nlink).toBe(0);
    expect(await other.readFile('utf8')).toBe('replaced');
    expect(await readFile(replaced.there, 'utf8')).toBe('new');
    await file.close();
    await other.close();
    for (let i = 0; (await mount.statistics()).usedInodes > freeBefore - 2; i++) {
      expect(i).toBeLessThan(50);
      await pause(100);
    }
    await expect(stat(there)).rejects.toThrow('ENOENT');
  });
});
