/** What another mount has closed is seen by whoever opens then, also where calls of this mount overtake each other. */
import { describe, expect, it, vi } from 'vitest';
import { Errno } from '../../../src/fileservice/errno.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { outcomeOf, RDWR, ROOT, ScriptedMount, turns } from './scripted-service.js';

const ESTALE = { errno: Errno.ESTALE };

/** A file that this mount has made, with pages in the kernel. */
async function cached(): Promise<{ mount: ScriptedMount; ino: number }> {
  const mount = new ScriptedMount('session');
  const { fh, ino } = await mount.create('f');
  await mount.write(fh, 0, 'ours');
  await mount.fs.flush(fh);
  mount.fs.release(fh);
  return { mount, ino };
}

function changedByOthers(mount: ScriptedMount): void {
  const file = mount.service.files.get('f')!;
  file.content = Buffer.from('theirs');
  file.change++;
}

const open = (mount: ScriptedMount, ino: number) => mount.fs.open(ROOT, ino, RDWR);

describe('pages of a file that others changed', () => {
  it('are not kept by an OPEN whose answer may overtake the one that drops them', async () => {
    const { mount, ino } = await cached();
    expect(await open(mount, ino)).toMatchObject({ keepCache: true });
    changedByOthers(mount);
    const first = await open(mount, ino);
    expect(first).toMatchObject({ keepCache: false });
    const second = await open(mount, ino);
    expect(second).toMatchObject({ keepCache: false });
    // The kernel is done with the second OPEN, and so has no old page any more.
    await mount.fs.read((second as { fh: number }).fh, 0, 10);
    expect(await open(mount, ino)).toMatchObject({ keepCache: true });
  });

  it('are not taken for good because of an OPEN before they were found to be bad once more', async () => {
    const { mount, ino } = await cached();
    changedByOthers(mount);
    const first = (await open(mount, ino)) as { fh: number };
    changedByOthers(mount);
    await open(mount, ino);
    await mount.fs.read(first.fh, 0, 10);
    expect(await open(mount, ino)).toMatchObject({ keepCache: false });
  });
});

describe('attributes that the kernel has of a file that others changed', () => {
  it('are gone before any OPEN is answered', async () => {
    const { mount, ino } = await cached();
    let expired: () => void = () => {};
    mount.fs.attached({
      invalidateAttributes: () =>
        new Promise((resolve) => {
          expired = resolve;
        }),
      invalidateData: async () => {},
      launderData: async () => {},
      invalidateEntry: () => {},
      invalidateEntries: () => true,
    });
    await mount.fs.getattr(ROOT, ino);
    changedByOthers(mount);
    const [first, second] = [open(mount, ino), open(mount, ino)];
    expect([await outcomeOf(first), await outcomeOf(second)]).toEqual([undefined, undefined]);
    expired();
    await turns();
    expect([await outcomeOf(first), await outcomeOf(second)]).toMatchObject([{ errno: 0 }, { errno: 0 }]);
  });
});

describe('a name that others gave to another file', () => {
  it('leads no call to the old one, which the service still keeps', async () => {
    const { mount, ino } = await cached();
    const { service } = mount;
    service.kept.push(service.files.get('f')!);
    service.files.set('f', { ino: 99, content: Buffer.from('theirs'), change: 1 });
    // Both have walked before either was answered.
    expect(await open(mount, ino)).toEqual(ESTALE);
    expect(await open(mount, ino)).toEqual(ESTALE);
    const found = await mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f');
    expect(found).toMatchObject({ attributes: { ino: 99 } });
    expect(await open(mount, 99)).toMatchObject({ errno: 0 });
  });

  it('leads no call to the old one that the kernel let through late: it counts from when it had the answer', async () => {
    const { mount, ino } = await cached();
    const { service } = mount;
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    try {
      await mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f');
      service.kept.push(service.files.get('f')!);
      service.files.set('f', { ino: 99, content: Buffer.from('theirs'), change: 1 });
      clock.mockImplementation(() => now + 1100);
      expect(await mount.fs.lookup(ROOT, ROOT_HANDLE.ino, 'f')).toMatchObject({ attributes: { ino: 99 } });
      expect(await open(mount, ino)).toEqual(ESTALE);
    } finally {
      clock.mockRestore();
    }
  });

  it('is no reason to refuse a file that this mount has unlinked, and has open', async () => {
    const { mount, ino } = await cached();
    await open(mount, ino);
    mount.service.kept.push(mount.service.files.get('f')!);
    await mount.fs.unlink(ROOT, ROOT_HANDLE.ino, 'f');
    expect(await open(mount, ino)).toMatchObject({ errno: 0 });
  });
});
