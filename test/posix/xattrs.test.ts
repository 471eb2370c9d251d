/** What a local disk cannot show: attributes and access lists across mounts, and their limits. */
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acl } from './behaviours/acls.js';
import { fails, pause, SOMEBODY, shell } from './behaviours/support.js';
import { canMount, TestMount } from './mounted.js';
import { getXattr, listXattrs, removeXattr, setLongXattr, setXattr, syscall } from './syscalls.js';

const FRESH_MS = 1000;
const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';
const CAPABILITY = Buffer.from('0000000200040000000000000000000000000000', 'hex');

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('attributes across two %s mounts', (profile) => {
  let mount: TestMount;
  let made = 0;
  beforeAll(async () => {
    mount = await TestMount.start({ profile, second: true });
    await chmod(mount.mountpoint, 0o755);
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  const fresh = () => {
    const name = `f${made++}`;
    return { here: join(mount.mountpoint, name), there: join(mount.elsewhere, name) };
  };
  /** Until what one mount changed must show on the other. */
  const shows = () => pause(profile === 'strict' ? 0 : FRESH_MS + 200);
  const reads = (path: string) => shell(`cat ${path}`, '/', SOMEBODY);

  it('an access list is enforced on the other mount, whichever changed it', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'content', { mode: 0o600 });
    await expect(reads(there)).rejects.toThrow('denied');
    await setXattr(here, ACCESS, acl('u::rw-,u:1234:r--,g::---,m::r--,o::---'));
    await shows();
    expect(await reads(there)).toBe('content');
    expect(await reads(here)).toBe('content');
    await chmod(there, 0o600);
    await shows();
    await expect(reads(here)).rejects.toThrow('denied');
    await expect(reads(there)).rejects.toThrow('denied');
    await chmod(here, 0o640);
    await shows();
    expect(await reads(there)).toBe('content');
    await removeXattr(there, ACCESS);
    await shows();
    for (const path of [here, there]) await expect(reads(path)).rejects.toThrow('denied');
  });

  it('a default list that one mount sets is what files made through the other get', async () => {
    const { here, there } = fresh();
    await mkdir(here);
    await setXattr(here, DEFAULT, acl('u::rwx,u:1234:r--,g::---,m::r--,o::---'));
    await shows();
    await shell('umask 077; echo content > new', there);
    await shows();
    expect((await getXattr(join(here, 'new'), ACCESS)).equals(acl('u::rw-,u:1234:r--,g::---,m::r--,o::---'))).toBe(
      true,
    );
  });

  it('an attribute shows on the other mount, and so does that it is gone', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'x');
    await fails('ENODATA', getXattr(there, 'user.a'));
    await setXattr(here, 'user.a', 'one');
    await shows();
    expect(String(await getXattr(there, 'user.a'))).toBe('one');
    expect(await listXattrs(there)).toEqual(['user.a']);
    await setXattr(there, 'user.a', 'two');
    expect(String(await getXattr(here, 'user.a'))).toBe('two');
    await removeXattr(there, 'user.a');
    await shows();
    await fails('ENODATA', getXattr(here, 'user.a'));
    expect(await listXattrs(here)).toEqual([]);
  });

  it('a capability set through one mount is gone when the other has written, whatever that one thought', async () => {
    const { here, there } = fresh();
    await writeFile(here, 'x');
    await appendFile(there, 'y');
    await setXattr(here, 'security.capability', CAPABILITY);
    await appendFile(there, 'z');
    await shows();
    for (const path of [here, there]) {
      await fails('ENODATA', getXattr(path, 'security.capability'));
      expect(await readFile(path, 'utf8')).toBe('xyz');
    }
  });
});

describe.skipIf(!canMount())('limits of attributes of a mount', () => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile: 'session', capacityBytes: 200_000 });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  it('a value of 64 KiB, one in a file, and as many files as there is room for', async () => {
    const paths = [0, 1, 2].map((i) => join(mount.mountpoint, `large${i}`));
    for (const path of paths) await writeFile(path, '');
    await setLongXattr(paths[0], 'user.large', 65_536);
    expect(String(await getXattr(paths[0], 'user.large'))).toBe('v'.repeat(65_536));
    expect(await syscall(['getxattr', paths[0], 'user.large', 0])).toBe('65536');
    await fails('ENOSPC', setLongXattr(paths[0], 'user.another', 65_536));
    await setLongXattr(paths[1], 'user.large', 65_536);
    await setLongXattr(paths[2], 'user.large', 65_536);
    await fails('ENOSPC', setLongXattr(paths[2], 'user.small', 4096));
    for (const path of paths) await rm(path);
    expect(await mount.statistics()).toMatchObject({ usedBytes: 0 });
  });

  it('all names that a file can have are listed', async () => {
    const path = join(mount.mountpoint, 'many');
    await writeFile(path, '');
    const name = (i: number) => `user.${String(i).padStart(250, 'n')}`;
    let count = 0;
    while ((await setXattr(path, name(count), '').catch(() => 'full')) !== 'full') count++;
    await fails('ENOSPC', setXattr(path, name(count), ''));
    expect((await listXattrs(path)).length).toBe(count);
    expect(count).toBeGreaterThan(200);
    await rm(path);
    expect(await mount.statistics()).toMatchObject({ usedBytes: 0 });
  });
});
