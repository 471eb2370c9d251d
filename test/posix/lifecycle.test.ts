/** How mounts begin, fail and end. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { canonicalMountpoint, mountedAt, prepareMountpoint } from '../../fs-client/mountpoint.js';
import { fails, pattern } from './behaviours/support.js';
import { canMount, type FixtureOptions, TestMount } from './mounted.js';

const run = promisify(execFile);
const ignore = (): void => {};

describe.skipIf(!canMount())('a mount', () => {
  const mounts: TestMount[] = [];
  const start = async (options: Partial<FixtureOptions> = {}) => {
    const mount = await TestMount.start({ profile: 'session', ...options });
    mounts.push(mount);
    return mount;
  };
  afterEach(async () => {
    for (const mount of mounts.splice(0)) await mount.stop();
  });

  it('shows its type and source in the table of mounts', async () => {
    const mount = await start();
    expect(mountedAt(mount.mountpoint)).toMatchObject({ type: 'fuse.byzfs', source: 'byzfs:test' });
  });

  it('writes everything out and ends when asked to', async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    await file.write(pattern(1000));
    await file.close();
    expect(await mount.ask('unmount')).toEqual({ error: null });
    expect(await mount.unmounted).toBe('unmounted');
    expect(await mount.exited).toBe(0);
    expect(mountedAt(mount.mountpoint)).toBeUndefined();
  });

  it('says that it is busy, and goes on', async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    await file.write('held ');
    expect((await mount.ask('unmount')).error).toMatch(/^unmounting .* failed: .*busy/);
    await file.write('and written');
    await file.close();
    expect(await readFile(join(mount.mountpoint, 'f'), 'utf8')).toBe('held and written');
  });

  it('ends when somebody else unmounts it', async () => {
    const mount = await start();
    await writeFile(join(mount.mountpoint, 'f'), 'x');
    await run('umount', [mount.mountpoint]);
    expect(await mount.unmounted).toBe('unmounted');
  });

  it('tells the writer of data that could not be written, once, at close', async () => {
    const mount = await start();
    const path = join(mount.mountpoint, 'f');
    const file = await open(path, 'w');
    await file.write('lost');
    await mount.ask('fail 1');
    await fails('EIO', file.close());
    expect(mount.log.some((line) => line.includes('a delayed write failed'))).toBe(true);
    expect((await stat(path)).size).toBe(0);
    await writeFile(path, 'kept');
    expect(await readFile(path, 'utf8')).toBe('kept');
  });

  it('tells it at fsync, once', async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    await file.write('lost');
    await mount.ask('fail 1');
    await fails('EIO', file.sync());
    await file.write('kept', 0);
    await file.sync();
    await file.close();
    expect(await readFile(join(mount.mountpoint, 'f'), 'utf8')).toBe('kept');
  });

  it('reports a full file system to whoever filled it, not to others', async () => {
    const mount = await start({ capacityBytes: 1024 * 1024 });
    const [a, b] = [join(mount.mountpoint, 'a'), join(mount.mountpoint, 'b')];
    const small = await open(b, 'w');
    await small.write('small');
    await small.sync();
    await fails('ENOSPC', writeFile(a, pattern(3 * 1024 * 1024)));
    await small.write(' file');
    await small.close();
    expect(await readFile(b, 'utf8')).toBe('small file');
    await rm(a);
    await writeFile(a, pattern(500_000));
    expect((await readFile(a)).equals(pattern(500_000))).toBe(true);
  });

  it('holds a writer back when the service is slow, and loses nothing', async () => {
    const mount = await start({ delayMs: 20 });
    const bytes = pattern(40 * 1024 * 1024);
    await writeFile(join(mount.mountpoint, 'f'), bytes);
    expect((await readFile(join(mount.mountpoint, 'f'))).equals(bytes)).toBe(true);
  });

  it('refuses changes when mounted read-only', async () => {
    const mount = await start({ readOnly: true });
    await fails('EROFS', writeFile(join(mount.mountpoint, 'f'), 'x'));
    expect(await readdir(mount.mountpoint)).toEqual([]);
  });

  it('lets a process go that is killed while the service does not answer', async () => {
    const mount = await start({ delayMs: 60_000 });
    const begun = performance.now();
    await expect(run('ls', [mount.mountpoint], { timeout: 300, killSignal: 'SIGKILL' })).rejects.toThrow();
    expect(performance.now() - begun).toBeLessThan(10_000);
    await mount.kill();
  });

  it('leaves a dead mount behind when killed, which the next one detaches', async () => {
    const dead = await start();
    await writeFile(join(dead.mountpoint, 'f'), 'x');
    await dead.kill();
    await expect(readdir(dead.mountpoint)).rejects.toThrow();
    const next = await start({ mountpoint: dead.mountpoint });
    expect(next.log.some((line) => line.includes('detached a mount of byzfs:test whose process is gone'))).toBe(true);
    expect(await readdir(next.mountpoint)).toEqual([]);
    await next.stop();
  });

  it('refuses a mount point that is mounted, with one line', async () => {
    const mount = await start();
    await expect(prepareMountpoint(mount.mountpoint, ignore)).rejects.toThrow(
      /mounted already: byzfs umount it first$/,
    );
  });

  it('refuses one whose mount does not answer, and says how to get rid of that', async () => {
    const mount = await start({ delayMs: 60_000 });
    try {
      await expect(prepareMountpoint(mount.mountpoint, ignore)).rejects.toThrow(
        /mounted already and does not answer: byzfs umount --force it first$/,
      );
    } finally {
      await mount.kill();
    }
  });

  it('refuses what is no empty directory, with one line', async () => {
    const base = canonicalMountpoint(await mkdtemp(join(tmpdir(), 'byzfs-points-')));
    await mkdir(join(base, 'full', 'x'), { recursive: true });
    await writeFile(join(base, 'file'), '');
    await expect(prepareMountpoint(join(base, 'full'), ignore)).rejects.toThrow(/full is not empty: /);
    await expect(prepareMountpoint(join(base, 'file'), ignore)).rejects.toThrow(/file is not a directory: /);
    await expect(prepareMountpoint(join(base, 'none'), ignore)).rejects.toThrow(/none does not exist: mkdir it first$/);
    await expect(prepareMountpoint('/proc', ignore)).rejects.toThrow(/^\/proc has proc \(proc\) mounted on it/);
    await rm(base, { recursive: true });
  });
});
