/** What everyday work costs in calls of the service: ordered ones above all. */
import { mkdir, open, readdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acl as aclBytes } from './behaviours/acls.js';
import { fails, pattern, SOMEBODY } from './behaviours/support.js';
import { canMount, TestMount } from './mounted.js';
import { getXattr, listXattrs, removeXattr, setXattr, syscall } from './syscalls.js';

/** Asks, as that user, whether the file may be read. */
const access = (path: string, user: { uid: number; gid: number }) =>
  syscall(['exec', '/usr/bin/test', '-r', path], user);

describe.skipIf(!canMount())('calls of a session mount', () => {
  let mount: TestMount;
  let dir: string;
  beforeAll(async () => {
    mount = await TestMount.start({ profile: 'session', second: true, options: 'actimeo=60' });
    dir = join(mount.mountpoint, 'dir');
    await mkdir(dir);
  });
  afterAll(() => mount?.stop());

  it('create, write and close are CREATE and WRITE', async () => {
    expect(await mount.callsOf(() => writeFile(join(dir, 'a'), pattern(5000)))).toEqual({ create: 1, write: 1 });
  });

  it('the same again and again in one directory', async () => {
    const work = async () => {
      for (let i = 0; i < 20; i++) await writeFile(join(dir, `many${i}`), 'x');
    };
    expect(await mount.callsOf(work)).toEqual({ create: 20, write: 20 });
  });

  it('a directory that was there before is listed once, instead of each new name looked up', async () => {
    const work = async () => {
      for (let i = 0; i < 20; i++) await writeFile(join(mount.mountpoint, `root${i}`), 'x');
    };
    const calls = await mount.callsOf(work);
    expect(calls).toMatchObject({ create: 20, write: 20, readdir: 1 });
    expect(calls.lookup).toBeLessThanOrEqual(2);
  });

  it('small writes of one file become few calls', async () => {
    const work = async () => {
      const file = await open(join(dir, 'small'), 'w');
      for (let i = 0; i < 200; i++) await file.write(pattern(4096));
      await file.close();
    };
    // 800 KiB in extents of 256 KiB.
    expect(await mount.callsOf(work)).toEqual({ create: 1, write: 4 });
  });

  it('stat of what was just seen is nothing', async () => {
    await writeFile(join(dir, 'b'), 'x');
    expect(await mount.callsOf(() => stat(join(dir, 'b')))).toEqual({});
  });

  it('an absent name in a known directory is nothing', async () => {
    await writeFile(join(dir, 'known'), 'x');
    const work = () => stat(join(dir, 'absent')).catch(() => {});
    expect(await mount.callsOf(work)).toEqual({});
  });

  it('reading again is OPEN', async () => {
    await writeFile(join(dir, 'c'), pattern(100_000));
    await readFile(join(dir, 'c'));
    await readFile(join(dir, 'c'));
    expect(await mount.callsOf(() => readFile(join(dir, 'c')))).toEqual({ open: 1 });
  });

  it('reading what was just written is OPEN where whole pages were written', async () => {
    await writeFile(join(dir, 'd'), pattern(8192));
    expect(await mount.callsOf(() => readFile(join(dir, 'd')))).toEqual({ open: 1 });
  });

  it('mkdir, rename, unlink and utimes are one call each', async () => {
    const d = join(dir, 'e');
    expect(await mount.callsOf(() => mkdir(d))).toEqual({ mkdir: 1 });
    await writeFile(join(d, 'x'), '');
    expect(await mount.callsOf(() => rename(join(d, 'x'), join(d, 'y')))).toEqual({ rename: 1 });
    expect(await mount.callsOf(() => utimes(join(d, 'y'), 1, 2))).toEqual({ setattr: 1 });
    expect(await mount.callsOf(() => unlink(join(d, 'y')))).toEqual({ unlink: 1 });
  });

  it('a listing with attributes is READDIR', async () => {
    const d = join(dir, 'list');
    await mkdir(d);
    for (let i = 0; i < 100; i++) await writeFile(join(mount.elsewhere, 'dir/list', `f${i}`), '');
    const work = async () => {
      for (const name of await readdir(d)) await stat(join(d, name));
    };
    const calls = await mount.callsOf(work);
    expect(calls.readdir).toBe(1);
    expect(calls.getattr ?? 0).toBeLessThanOrEqual(2);
    expect(calls.lookup ?? 0).toBeLessThanOrEqual(4);
  });

  it('who asks for attributes where there are none is answered for nothing', async () => {
    const path = join(dir, 'plain');
    await writeFile(path, 'x');
    const work = async () => {
      for (const name of ['user.a', 'security.selinux', 'system.posix_acl_access']) {
        await fails('ENODATA', getXattr(path, name));
      }
      await fails('ENOTSUP', getXattr(path, 'system.other'));
      await listXattrs(path);
      await syscall(['written', path, 'user.a'], { uid: 0, gid: 0 }).catch(() => {});
    };
    expect(await mount.callsOf(work)).toEqual({ open: 1, write: 1 });
  });

  it('attributes are one call each, and a check of an access list is none while it is fresh', async () => {
    const path = join(dir, 'listed');
    await writeFile(path, 'x', { mode: 0o644 });
    const acl = aclBytes('u::rw-,u:1234:rw-,g::r--,m::rw-,o::r--');
    expect(await mount.callsOf(() => setXattr(path, 'system.posix_acl_access', acl))).toEqual({ setxattr: 1 });
    expect(await mount.callsOf(() => setXattr(path, 'user.a', 'x'))).toEqual({ setxattr: 1 });
    expect(await mount.callsOf(() => getXattr(path, 'user.a'))).toEqual({ getxattr: 1 });
    expect(await mount.callsOf(() => listXattrs(path))).toEqual({ listxattr: 1 });
    expect(await mount.callsOf(() => removeXattr(path, 'user.a'))).toEqual({ removexattr: 1 });
    const check = () => access(path, SOMEBODY);
    const calls = await mount.callsOf(async () => {
      for (let i = 0; i < 5; i++) await check();
    });
    expect(calls.getxattr ?? 0).toBeLessThanOrEqual(2);
  });

  it('data that nobody flushes is written within about a second', async () => {
    const file = await open(join(dir, 'slow'), 'w');
    expect(await mount.callsOf(() => file.write('x'))).toEqual({});
    const wait = () => new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await mount.callsOf(wait)).toEqual({ write: 1 });
    await file.close();
  });

  it('fsync is FSYNC after the data', async () => {
    const file = await open(join(dir, 'synced'), 'w');
    await file.write('x');
    expect(await mount.callsOf(() => file.sync())).toEqual({ write: 1, fsync: 1 });
    expect(await mount.callsOf(() => file.close())).toEqual({});
  });
});

describe.skipIf(!canMount())('calls of a strict mount', () => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile: 'strict' });
  });
  afterAll(() => mount?.stop());

  it('every write is a call, and so is every read', async () => {
    const file = await open(join(mount.mountpoint, 'f'), 'w+');
    expect(await mount.callsOf(() => file.write(pattern(5000), 0, 5000, 0))).toMatchObject({ write: 1 });
    const read = () => file.read(Buffer.alloc(100), 0, 100, 0);
    expect(await mount.callsOf(read)).toMatchObject({ read: 1 });
    expect(await mount.callsOf(read)).toMatchObject({ read: 1 });
    await file.close();
  });

  it('stat asks each time', async () => {
    await writeFile(join(mount.mountpoint, 'g'), '');
    for (let i = 0; i < 3; i++) {
      const calls = await mount.callsOf(() => stat(join(mount.mountpoint, 'g')));
      expect((calls.lookup ?? 0) + (calls.getattr ?? 0)).toBeGreaterThanOrEqual(1);
    }
  });
});
