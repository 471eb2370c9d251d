/** Space, holes and copies as only our mounts have them: what a local disk may do otherwise. */
import { execFile } from 'node:child_process';
import { open, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fails, pattern, pause, shell } from './behaviours/support.js';
import { compiled, dataCall } from './compiled.js';
import { canMount, TestMount } from './mounted.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** FileLimits.fileBytes */
const LARGEST = 2 ** 44;

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('a %s mount', (profile) => {
  let mount: TestMount;
  const at = (name: string) => join(mount.mountpoint, name);
  beforeAll(async () => {
    mount = await TestMount.start({ profile });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  it('copies without moving data, and keeps holes', async () => {
    const content = Buffer.concat([pattern(MIB), Buffer.alloc(8 * MIB), pattern(MIB, 2)]);
    await writeFile(at('source'), pattern(MIB));
    await truncate(at('source'), content.length);
    const file = await open(at('source'), 'r+');
    await file.write(pattern(MIB, 2), 0, MIB, 9 * MIB);
    await file.close();
    await writeFile(at('target'), '');
    const calls = await mount.callsOf(async () => {
      expect(await dataCall('copy-all', at('source'), 0, at('target'), 0, content.length)).toBe(String(content.length));
    });
    expect(calls).toMatchObject({ copy: 10 });
    expect(calls.read ?? calls.write).toBeUndefined();
    expect((await stat(at('target'))).blocks * 512).toBe(2 * MIB);
    expect((await readFile(at('target'))).equals(content)).toBe(true);
    await writeFile(at('dense'), pattern(3 * MIB));
    // cp itself reads a file that has holes, to make holes of whatever is zero.
    const copied = await mount.callsOf(() => shell('cp dense cp', mount.mountpoint));
    expect(copied.copy).toBe(3);
    expect(copied.read ?? copied.write).toBeUndefined();
    expect((await readFile(at('cp'))).equals(pattern(3 * MIB))).toBe(true);
  });

  it('copies by READ and WRITE between files that were opened by different users', async () => {
    await writeFile(at('private'), pattern(100_000), { mode: 0o600 });
    await writeFile(at('given'), '');
    await shell('chown 1234 given', mount.mountpoint);
    const program = await compiled('syscalls-data');
    const as = 'setpriv --reuid 1234 --regid 1234 --clear-groups';
    const copy = () => shell(`exec 3<private; ${as} ${program} copy-all @3 0 given:w 0 200000`, mount.mountpoint);
    const calls = await mount.callsOf(async () => expect(await copy()).toBe('100000\n'));
    expect(calls.copy).toBeUndefined();
    expect((await readFile(at('given'))).equals(pattern(100_000))).toBe(true);
  });

  it('refuses what it does not do', async () => {
    await writeFile(at('f'), pattern(MIB));
    expect(await dataCall('fallocate', at('f'), 'collapse', 65_536, 65_536)).toBe('EOPNOTSUPP');
    expect(await dataCall('fallocate', at('f'), 'insert', 65_536, 65_536)).toBe('EOPNOTSUPP');
    expect((await readFile(at('f'))).equals(pattern(MIB))).toBe(true);
  });

  it('has files up to 16 TiB, and says EFBIG beyond', async () => {
    await writeFile(at('big'), '');
    await writeFile(at('small'), 'small');
    const big = (call: string, ...args: (string | number)[]) => dataCall(call, at('big'), ...args);
    for (const offset of [
      LARGEST,
      String(2n ** 53n),
      String(2n ** 53n + 1n),
      String(2n ** 62n),
      String(2n ** 63n - 9n),
    ]) {
      expect(await big('write', offset, 'x'), `write at ${offset}`).toBe('EFBIG');
      expect(await big('fallocate', 'reserve', offset, 1), `reserve at ${offset}`).toBe('EFBIG');
      expect(await big('fallocate', 'zero-keep', offset, 1), `zero at ${offset}`).toBe('EFBIG');
      expect(await big('fallocate', 'punch', offset, 1), `punch at ${offset}`).toBe('0');
      expect(await big('seek', 'data', offset), `seek from ${offset}`).toBe('ENXIO');
      expect(await dataCall('copy', at('small'), 0, at('big'), offset, 1), `copy to ${offset}`).toBe('EFBIG');
    }
    for (const size of [LARGEST + 1, String(2n ** 53n + 1n), String(2n ** 62n)]) {
      expect(await big('truncate', size), `truncate to ${size}`).toBe('EFBIG');
    }
    expect((await stat(at('big'))).size).toBe(0);
    expect(await big('fallocate', 'reserve', LARGEST - 2, 2)).toBe('0');
    expect(await big('write', LARGEST - 2, 'xy')).toBe('2');
    expect(await big('seek', 'data', 5)).toBe(String(LARGEST - 32 * 1024));
    expect(await dataCall('copy', at('big'), LARGEST - 2, at('big'), 8 * GIB, 2)).toBe('2');
    expect(await big('seek', 'data', 5)).toBe(String(8 * GIB));
    expect(await stat(at('big'))).toMatchObject({ size: LARGEST, blocks: 128 });
    await unlink(at('big'));
  });
});

describe.skipIf(!canMount())('a mount of 8 MiB', () => {
  let mount: TestMount;
  const at = (name: string) => join(mount.mountpoint, name);
  beforeAll(async () => {
    mount = await TestMount.start({ profile: 'session', capacityBytes: 8 * MIB });
  });
  afterAll(() => mount?.stop());

  it('is as full as it says, keeps what was reserved, and lets go of it', async () => {
    await writeFile(at('kept'), '');
    expect(await dataCall('fallocate', at('kept'), 'keep', 0, 4 * MIB)).toBe('0');
    expect(await dataCall('fallocate', at('kept'), 'reserve', 0, 9 * MIB)).toBe('ENOSPC');
    expect(await stat(at('kept'))).toMatchObject({ size: 0, blocks: (4 * MIB) / 512 });
    const other = await open(at('other'), 'w');
    await other.write(pattern(4 * MIB), 0, 4 * MIB, 0);
    await other.sync();
    expect((await mount.statistics()).usedBytes).toBe(8 * MIB);
    await other.write('one more', 4 * MIB);
    await fails('ENOSPC', other.sync());
    await other.write(pattern(MIB, 3), 0, MIB, MIB);
    await other.sync();
    const kept = await open(at('kept'), 'r+');
    await kept.write(pattern(4 * MIB, 5), 0, 4 * MIB, 0);
    await kept.sync();
    await kept.close();
    expect((await readFile(at('kept'))).equals(pattern(4 * MIB, 5))).toBe(true);
    expect(await dataCall('copy', at('kept'), 0, at('other'), 4 * MIB, 100)).toBe('ENOSPC');
    await shell(
      'mkdir d && ln kept d/link && mv d/link d/renamed && ln -s kept s && rm s && touch d/empty',
      mount.mountpoint,
    );
    expect(await dataCall('fallocate', at('other'), 'punch', 0, MIB)).toBe('0');
    expect(await dataCall('copy', at('kept'), 0, at('other'), 4 * MIB, 100)).toBe('100');
    await other.close();
    await shell('rm -r d kept other', mount.mountpoint);
    expect(await mount.statistics()).toMatchObject({ usedBytes: 0, usedInodes: 1 });
  });
});

describe.skipIf(!canMount())('two mounts', () => {
  it('see what the other has copied, reserved and punched when they open the file', async () => {
    const mount = await TestMount.start({ profile: 'session', second: true });
    try {
      const [here, there] = [mount.mountpoint, mount.elsewhere].map((root) => (name: string) => join(root, name));
      await writeFile(here('a'), pattern(200_000));
      await writeFile(here('b'), pattern(200_000, 2));
      expect((await readFile(there('b'))).equals(pattern(200_000, 2))).toBe(true);
      expect(await dataCall('copy-all', here('a'), 0, here('b'), 0, 200_000)).toBe('200000');
      expect((await readFile(there('b'))).equals(pattern(200_000))).toBe(true);
      expect(await dataCall('fallocate', there('b'), 'punch', 0, 131_072)).toBe('0');
      expect((await readFile(here('b'))).subarray(0, 131_072).equals(Buffer.alloc(131_072))).toBe(true);
      expect(await dataCall('fallocate', there('b'), 'reserve', 0, 300_000)).toBe('0');
      expect((await readFile(here('b'))).length).toBe(300_000);
      expect(await dataCall('seek', here('b'), 'hole', 0)).toBe('300000');
    } finally {
      await mount.stop();
    }
  });
});

describe.skipIf(!canMount())('a long fallocate', () => {
  it('ends when its caller is killed', async () => {
    const mount = await TestMount.start({ profile: 'session', delayMs: 20 });
    try {
      const f = join(mount.mountpoint, 'f');
      await writeFile(f, '');
      const program = await compiled('syscalls-data');
      await run('timeout', ['-s', 'KILL', '0.3', program, 'fallocate', f, 'reserve', '0', String(GIB)]).catch(() => {});
      const { allocate } = (await mount.counters()).calls;
      await pause(500);
      expect((await mount.counters()).calls.allocate).toBe(allocate);
      expect((await stat(f)).size).toBeLessThan(GIB);
    } finally {
      await mount.stop();
    }
  });
});
