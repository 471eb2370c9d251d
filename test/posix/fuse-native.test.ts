/** What a mount with kernel=fuse-native does differently: each line of docs/FUSE-NATIVE.md for what it is. */
import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import {
  appendFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { mountedAt } from '../../fs-client/mountpoint.js';
import { runWhere, userMountObstacle } from './as-user.js';
import { acl } from './behaviours/acls.js';
import { fails, NOBODY, pattern, pause, shell } from './behaviours/support.js';
import { dataCall } from './compiled.js';
import { EAGAIN, withLockers } from './locker.js';
import { canMount, type FixtureOptions, nativeObstacle, TestMount } from './mounted.js';
import { getXattr, listXattrs, removeXattr, setLongXattr, setXattr, syscall } from './syscalls.js';

const run = promisify(execFile);
const obstacle = nativeObstacle();
const title = `a fuse-native mount${obstacle === null ? '' : ` (skipped: ${obstacle})`}`;

const latin1 = (dir: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name, 'latin1')]);
/** libuv has no name for it. */
const ESTALE = 'Unknown system error -116';

const NOT_UTF8 = '\xff\xfe';

describe.skipIf(!canMount() || obstacle !== null)(title, () => {
  const mounts: TestMount[] = [];
  const start = async (options: Partial<FixtureOptions> = {}) => {
    const mount = await TestMount.start({ profile: 'strict', kernels: ['fuse-native'], ...options });
    mounts.push(mount);
    return mount;
  };
  /** Beside one through dev-fuse, as another machine's. */
  const startTwo = (options: Partial<FixtureOptions> = {}) =>
    start({ second: true, kernels: ['fuse-native', 'dev-fuse'], ...options });
  afterEach(async () => {
    for (const mount of mounts.splice(0)) await mount.stop();
  });

  it('shows its type and source, and begins and ends like any other', async () => {
    const mount = await start();
    expect(mountedAt(mount.mountpoint)).toMatchObject({ type: 'fuse.byzfs', source: 'byzfs:test' });
    await writeFile(join(mount.mountpoint, 'f'), pattern(300_000));
    const { requests } = (await mount.counters()).kernel;
    expect(requests).toMatchObject({ OPEN: 1, MKNOD: 1 });
    // Not in pages of 4 KiB.
    expect(requests.WRITE).toBeLessThan(10);
    expect(await mount.ask('unmount')).toEqual({ error: null });
    expect(await mount.unmounted).toBe('unmounted');
    expect(await mount.exited).toBe(0);
    expect(mountedAt(mount.mountpoint)).toBeUndefined();
  });

  it('writes everything out before it ends, and says when it is busy', async () => {
    const mount = await start({ profile: 'session' });
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    await file.write('held ');
    expect((await mount.ask('unmount')).error).toMatch(/^unmounting .* failed: .*busy/);
    await file.write('and written');
    await file.close();
    expect(await readFile(join(mount.mountpoint, 'f'), 'utf8')).toBe('held and written');
    await run('umount', [mount.mountpoint]);
    expect(await mount.unmounted).toBe('unmounted');
  });

  it('notices that its connection was aborted', async () => {
    const mount = await start();
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    // Busy, but the connection ends.
    await expect(run('umount', ['-f', mount.mountpoint])).rejects.toThrow(/busy/);
    expect(await mount.unmounted).toBe('the connection was aborted');
    await file.close().catch(() => {});
  });

  it('leaves a dead mount behind when killed, which the next one detaches', async () => {
    const dead = await start();
    await dead.kill();
    await expect(readdir(dead.mountpoint)).rejects.toThrow();
    const next = await start({ mountpoint: dead.mountpoint });
    expect(next.log.some((line) => line.includes('detached a mount of byzfs:test whose process is gone'))).toBe(true);
    await next.stop();
  });

  it('refuses changes when mounted read-only', async () => {
    const mount = await start({ readOnly: true });
    await fails('EROFS', writeFile(join(mount.mountpoint, 'f'), 'x'));
    expect(await readdir(mount.mountpoint)).toEqual([]);
  });

  it('is for who mounts only: allow_other is refused, and so are others', async () => {
    await expect(start({ allowOther: true })).rejects.toThrow(/does not say who makes a call.*: no_allow_other/);
    const mount = await start();
    await expect(shell('ls', mount.mountpoint, NOBODY)).rejects.toThrow(/EACCES|Permission denied/);
  });

  it('tells of an error of the service what it was', async () => {
    const mount = await start({ profile: 'session' });
    const file = await open(join(mount.mountpoint, 'f'), 'w');
    await file.write('lost');
    await mount.ask('fail 1');
    await fails('EIO', file.close());
    await writeFile(join(mount.mountpoint, 'f'), 'kept');
    expect(await readFile(join(mount.mountpoint, 'f'), 'utf8')).toBe('kept');
  });

  it('waits for its own deadline, not for the 15 s of the package', async () => {
    const mount = await start({ delayMs: 16_000 });
    const begun = performance.now();
    await fails('ENOENT', stat(join(mount.mountpoint, 'absent')));
    expect(performance.now() - begun).toBeGreaterThan(16_000);
  }, 110_000);

  it('has offsets and sizes of 64 bits', async () => {
    const { mountpoint } = await start();
    const path = join(mountpoint, 'f');
    const far = 5 * 2 ** 32 + 4095;
    const file = await open(path, 'w+');
    await file.write('far', far);
    expect((await file.stat()).size).toBe(far + 3);
    expect((await file.read(Buffer.alloc(3), 0, 3, far)).buffer.toString()).toBe('far');
    expect((await file.read(Buffer.alloc(3), 0, 3, far % 2 ** 32)).buffer).toEqual(Buffer.alloc(3));
    await file.truncate(3 * 2 ** 32 + 1);
    expect((await stat(path)).size).toBe(3 * 2 ** 32 + 1);
    await fails('EFBIG', file.write('x', 2 ** 44));
    await file.close();
  });

  describe('times', () => {
    it('cannot be set: both is refused', async () => {
      const { mountpoint } = await start();
      const path = join(mountpoint, 'f');
      await writeFile(path, 'x');
      const before = await stat(path);
      await fails('ENOTSUP', utimes(path, 1000, 2000));
      await expect(shell('touch f', mountpoint)).rejects.toThrow(/Operation not supported/);
      await expect(shell('cp -p /etc/passwd copy', mountpoint)).rejects.toThrow(/preserving times/);
      expect((await stat(path)).mtimeMs).toBe(before.mtimeMs);
    });

    it('cannot be set: one of them does nothing, silently', async () => {
      const { mountpoint } = await start();
      await writeFile(join(mountpoint, 'f'), 'x');
      const before = await stat(join(mountpoint, 'f'));
      await shell('touch -m -d 2001-01-01 f; touch -a -d 2001-01-01 f', mountpoint);
      const { mtimeMs, atimeMs } = await stat(join(mountpoint, 'f'));
      expect([mtimeMs, atimeMs]).toEqual([before.mtimeMs, before.atimeMs]);
    });

    it('are shown in milliseconds, rounded down; before 1970 refused', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await shell('touch -d "2001-02-03 04:05:06.123999999 UTC" ns; touch -m -d "1969-12-31 UTC" old', elsewhere);
      const { mtimeNs } = await stat(join(mountpoint, 'ns'), { bigint: true });
      expect(mtimeNs).toBe(981_173_106_123_000_000n);
      await fails('EOVERFLOW', stat(join(mountpoint, 'old')));
      expect((await readdir(mountpoint)).sort()).toEqual(['ns', 'old']);
    });
  });

  describe('names', () => {
    it('of no text are refused, as is a listing that would lack one', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(latin1(elsewhere, NOT_UTF8), 'there');
      await fails('EILSEQ', readdir(mountpoint));
      for (const path of [latin1(mountpoint, NOT_UTF8), join(mountpoint, '\ufffd'), join(mountpoint, '\ufffd\ufffd')]) {
        await fails('EILSEQ', stat(path));
        await fails('EILSEQ', writeFile(path, 'x'));
        await fails('EILSEQ', mkdir(path));
      }
      await writeFile(join(mountpoint, 'known'), 'x');
      await fails('EILSEQ', rename(join(mountpoint, 'known'), latin1(mountpoint, NOT_UTF8)));
      expect((await readdir(elsewhere, 'buffer')).length).toBe(2);
      await unlink(latin1(elsewhere, NOT_UTF8));
      expect(await readdir(mountpoint)).toEqual(['known']);
    });

    it('in a symbolic link likewise', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await symlink(Buffer.from(NOT_UTF8, 'latin1'), join(elsewhere, 'l'));
      await fails('EILSEQ', readlink(join(mountpoint, 'l')));
      await fails('EILSEQ', symlink(Buffer.from(NOT_UTF8, 'latin1'), join(mountpoint, 'm')));
      await symlink('ünïcødé ☃', join(mountpoint, 'm'));
      expect(await readlink(join(elsewhere, 'm'))).toBe('ünïcødé ☃');
    });
  });

  it('refuses MAP_SHARED, fallocate and flags of renameat2', async () => {
    const { mountpoint } = await start();
    const script = `import ctypes, errno, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def code(call, *arguments, **named):
    try: r = call(*arguments, **named)
    except OSError as e: return errno.errorcode[e.errno]
    return errno.errorcode[ctypes.get_errno()] if r == -1 else 'done'
for name in 'ab':
    with open(name, 'wb') as f: f.write(name.encode() * 10)
f = open('a', 'r+b')
print(code(mmap.mmap, f.fileno(), 10), mmap.mmap(f.fileno(), 10, flags=mmap.MAP_PRIVATE)[:3],
  code(libc.fallocate, f.fileno(), 0, ctypes.c_long(0), ctypes.c_long(10)), 
  code(libc.renameat2, -100, b'a', -100, b'new', 1), code(libc.renameat2, -100, b'a', -100, b'b', 2), open('b').read(3))
`;
    await writeFile(join(mountpoint, 'script.py'), script);
    expect(await shell('python3 script.py', mountpoint)).toBe("ENODEV b'aaa' ENOTSUP EINVAL EINVAL bbb\n");
  });

  it('has posix_fallocate write where it can read, all data for lseek, and the kernel copy', async () => {
    const mount = await start();
    const [a, b] = ['a', 'b'].map((name) => join(mount.mountpoint, name));
    await writeFile(a, pattern(300_000));
    await truncate(a, 2_000_000);
    await writeFile(b, 'before');
    expect(await dataCall('seek', a, 'data', 1_000_000)).toBe('1000000');
    expect(await dataCall('seek', a, 'hole', 1_000_000)).toBe('2000000');
    expect(await dataCall('seek', a, 'hole', 2_000_000)).toBe('ENXIO');
    expect(await dataCall('posix_fallocate', `${a}:w`, 0, 2_000_000)).toBe('EBADF');
    expect(await dataCall('posix_fallocate', `${a}:a`, 0, 2_000_000)).toBe('EBADF');
    expect((await stat(a)).blocks * 512).toBeLessThan(1_000_000);
    expect(await dataCall('posix_fallocate', a, 0, 2_000_000)).toBe('0');
    expect((await stat(a)).blocks * 512).toBeGreaterThanOrEqual(2_000_000);
    const calls = await mount.callsOf(() => dataCall('copy-all', a, 100_000, b, 3, 1_000_000));
    expect(calls.copy).toBeUndefined();
    expect(calls.write).toBeGreaterThan(0);
    const source = Buffer.concat([pattern(300_000), Buffer.alloc(1_700_000)]);
    const expected = Buffer.concat([Buffer.from('bef'), source.subarray(100_000, 1_100_000)]);
    expect((await readFile(b)).equals(expected)).toBe(true);
    expect((await readFile(a)).equals(source)).toBe(true);
  });

  describe('extended attributes', () => {
    it('of all sizes fit into the room there is or are ERANGE', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      const [here, there] = [mountpoint, elsewhere].map((dir) => join(dir, 'f'));
      await writeFile(here, 'x');
      expect(await syscall(['listxattr', here, 0])).toBe('0');
      for (const [name, length] of [
        ['none', 0],
        ['one', 1],
        ['page', 4096],
      ] as const) {
        await setLongXattr(here, `user.${name}`, length);
        expect(String(await getXattr(there, `user.${name}`))).toBe('v'.repeat(length));
        expect(await syscall(['getxattr', here, `user.${name}`, 0])).toBe(String(length));
        expect(String(await getXattr(here, `user.${name}`))).toBe('v'.repeat(length));
        if (length > 1) await fails('ERANGE', syscall(['getxattr', here, `user.${name}`, length - 1]));
      }
      const listed = 'user.none\0user.one\0user.page\0'.length;
      expect(await syscall(['listxattr', here, 0])).toBe(String(listed));
      for (const room of [1, listed - 1]) await fails('ERANGE', syscall(['listxattr', here, room]));
      expect((await syscall(['listxattr', here, listed])).length).toBe(2 * listed);
      await setLongXattr(here, 'user.page', 65_536);
      expect(String(await getXattr(here, 'user.page'))).toBe('v'.repeat(65_536));
      for (const room of [1, 4096, 65_535]) await fails('ERANGE', syscall(['getxattr', here, 'user.page', room]));
      await removeXattr(there, 'user.one');
      await fails('ENODATA', getXattr(here, 'user.one'));
      expect(await listXattrs(here)).toEqual(['user.none', 'user.page']);
    });

    it('are the open file’s or refused, where another mount has replaced its name', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), 'old');
      const file = await open(join(mountpoint, 'f'), 'r+');
      await writeFile(join(elsewhere, 'g'), 'new');
      await rename(join(elsewhere, 'g'), join(elsewhere, 'f'));
      const code = `import os, sys
for call in (lambda: os.setxattr('f', 'user.a', b'1'), lambda: os.listxattr('f')):
    try: print(call())
    except OSError as e: print(e.errno)`;
      expect(await shell(`python3 -c "${code}"`, mountpoint)).toBe('116\n116\n');
      await file.close();
      expect(await listXattrs(join(elsewhere, 'f'))).toEqual([]);
    });

    it('whose names are no text are listed, and else refused', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), 'x');
      const name = Buffer.from(`user.${NOT_UTF8}`, 'latin1').toString('hex');
      const script = (what: string) => `python3 -c "
import os
name = bytes.fromhex('${name}')
try: print(${what})
except OSError as e: print(e.errno)"`;
      expect(await shell(script("os.setxattr('f', name, b'1')"), elsewhere)).toBe('None\n');
      for (const call of ["os.getxattr('f', name)", "os.setxattr('f', name, b'2')", "os.removexattr('f', name)"]) {
        expect(await shell(script(call), mountpoint)).toBe('84\n');
      }
      expect(await listXattrs(join(mountpoint, 'f'))).toEqual([`user.${NOT_UTF8}`]);
      expect(await shell(script("os.getxattr('f', name)"), elsewhere)).toBe("b'1'\n");
    });

    it('are asked for by none of the writes to a file', async () => {
      const mount = await start();
      const file = await open(join(mount.mountpoint, 'f'), 'w');
      for (let i = 0; i < 10; i++) await file.write('x');
      await file.close();
      expect((await mount.counters()).kernel.requests.GETXATTR).toBeUndefined();
    });
  });

  const asUser = userMountObstacle();
  it.skipIf(asUser !== null)(
    `grants what both an access list and the mode do${asUser === null ? '' : ` (skipped: ${asUser})`}`,
    async () => {
      const mount = await start({ asUser: true, second: true, kernels: ['fuse-native', 'dev-fuse'] });
      // The files become another user's.
      const asRoot = await mount.also('uid=0,gid=0,kernel=fuse-native');
      const list = (others: string, own: string) => `u::rw-,u:65534:${own},g::---,m::rw-,o::${others}`;
      const make = `for f in granted denied; do echo $f > $f; done
        setfacl --set ${list('---', 'rw-')} granted; setfacl --set ${list('rw-', '---')} denied`;
      await runWhere(mount.pid, ['sh', '-ec', make], mount.elsewhere);
      await runWhere(mount.pid, ['sh', '-ec', 'chown 1234:1234 granted denied'], asRoot);
      const look = `for f in granted denied; do
          echo $(getfacl -cn $f | grep 65534) $(test -r $f && echo may || echo may not) \
            $(cat $f 2> /dev/null || echo cannot read) $( (echo >> $f) 2> /dev/null && echo wrote || echo cannot write)
        done`;
      const seen = (dir: string) => runWhere(mount.pid, ['sh', '-c', look], dir);
      expect(await seen(mount.elsewhere)).toBe(
        'user:65534:rw- may granted wrote\nuser:65534:--- may not cannot read cannot write\n',
      );
      // access(2) goes by the mode.
      expect(await seen(mount.mountpoint)).toBe(
        'user:65534:rw- may not cannot read cannot write\nuser:65534:--- may cannot read cannot write\n',
      );
    },
  );

  it('applies the umask under a default list, silently', async () => {
    const { mountpoint, elsewhere } = await startTwo();
    const text = 'u::rwx,u:2001:rwx,g::rwx,m::rwx,o::r--';
    for (const dir of [mountpoint, elsewhere]) {
      const d = join(dir, dir === mountpoint ? 'native' : 'dev');
      await mkdir(d);
      await setXattr(d, 'system.posix_acl_default', acl(text));
      await shell('umask 027; : > f', d);
    }
    const listOf = (name: string) => getXattr(join(elsewhere, name, 'f'), 'system.posix_acl_access');
    expect(await listOf('dev')).toEqual(acl('u::rw-,u:2001:rwx,g::rwx,m::rw-,o::r--'));
    expect(await listOf('native')).toEqual(acl('u::rw-,u:2001:rwx,g::rwx,m::r--,o::---'));
  });

  it('hides a file removed while open, which others see until it is closed', async () => {
    const { mountpoint, elsewhere } = await startTwo();
    await mkdir(join(mountpoint, 'd'));
    const file = await open(join(mountpoint, 'd', 'f'), 'w+');
    await file.write('kept');
    await unlink(join(mountpoint, 'd', 'f'));
    const [hidden, ...others] = await readdir(join(elsewhere, 'd'));
    expect(hidden).toMatch(/^\.fuse_hidden[0-9a-f]{16}$/);
    expect(others).toEqual([]);
    await fails('ENOTEMPTY', rmdir(join(mountpoint, 'd')));
    expect((await file.read(Buffer.alloc(4), 0, 4, 0)).buffer.toString()).toBe('kept');
    await file.close();
    await expect.poll(() => readdir(join(elsewhere, 'd')), { timeout: 10_000 }).toEqual([]);
  });

  describe('beside another mount', () => {
    it('refuses a name that the other has replaced while the file is open here, and reads and writes the old one', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), 'old file');
      const file = await open(join(mountpoint, 'f'), 'r+');
      await writeFile(join(elsewhere, 'new'), 'new');
      await rename(join(elsewhere, 'f'), join(elsewhere, 'moved'));
      await fails('ENOENT', file.stat());
      await rename(join(elsewhere, 'new'), join(elsewhere, 'f'));
      await fails(ESTALE, file.stat());
      await fails(ESTALE, file.chmod(0o600));
      await fails(ESTALE, stat(join(mountpoint, 'f')));
      await fails(ESTALE, readFile(join(mountpoint, 'f')));
      expect((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.toString()).toBe('old file');
      await file.write('OLD', 0);
      await fails(ESTALE, file.truncate(5));
      await file.close();
      await expect
        .poll(() => readFile(join(mountpoint, 'f'), 'utf8').catch((e) => e.code), { timeout: 10_000 })
        .toBe('new');
      expect(await readFile(join(mountpoint, 'moved'), 'utf8')).toBe('OLD file');
      expect((await stat(join(elsewhere, 'f'))).mode & 0o777).toBe(0o644);
    });

    it('makes nothing under a name whose file is open here though the other has removed it', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), 'old');
      const file = await open(join(mountpoint, 'f'), 'r');
      await unlink(join(elsewhere, 'f'));
      await fails(ESTALE, writeFile(join(mountpoint, 'f'), 'another'));
      await fails(ESTALE, mkdir(join(mountpoint, 'f')));
      expect((await file.read(Buffer.alloc(3), 0, 3, 0)).buffer.toString()).toBe('old');
      expect(await readdir(elsewhere)).toEqual([]);
      await file.close();
      await expect
        .poll(
          () =>
            mkdir(join(mountpoint, 'f')).then(
              () => 'made',
              (e) => e.code,
            ),
          { timeout: 10_000 },
        )
        .toBe('made');
    });

    it('moves open files along with what is renamed above them', async () => {
      const { mountpoint } = await startTwo();
      await mkdir(join(mountpoint, 'a/b'), { recursive: true });
      const file = await open(join(mountpoint, 'a/b/f'), 'w');
      await rename(join(mountpoint, 'a'), join(mountpoint, 'c'));
      await mkdir(join(mountpoint, 'a/b'), { recursive: true });
      await writeFile(join(mountpoint, 'a/b/f'), 'another');
      await file.write('the same');
      expect((await file.stat()).size).toBe(8);
      await file.close();
      expect(await readFile(join(mountpoint, 'c/b/f'), 'utf8')).toBe('the same');
    });

    it.each(['strict', 'session'] as const)(
      'opens see what the other closed, appends land behind each other, %s',
      async (profile) => {
        const { mountpoint, elsewhere } = await startTwo({ profile });
        await writeFile(join(mountpoint, 'f'), 'start\n');
        const flags = constants.O_WRONLY | constants.O_APPEND;
        const files = await Promise.all([mountpoint, elsewhere].map((dir) => open(join(dir, 'f'), flags)));
        for (let i = 0; i < 20; i++) await Promise.all(files.map((file, j) => file.write(`${j}${i}\n`)));
        for (const file of files) await file.close();
        for (const dir of [mountpoint, elsewhere]) {
          const lines = (await readFile(join(dir, 'f'), 'utf8')).trim().split('\n');
          expect(lines.length).toBe(41);
          expect(new Set(lines).size).toBe(41);
        }
        for (let i = 0; i < 10; i++) {
          const [from, to] = i % 2 ? [mountpoint, elsewhere] : [elsewhere, mountpoint];
          await writeFile(join(from, 'f'), `version ${i} ${'x'.repeat(i * 1000)}`);
          expect(await readFile(join(to, 'f'), 'utf8')).toBe(`version ${i} ${'x'.repeat(i * 1000)}`);
        }
      },
    );

    /** Runs a Python script on the one mount, and `between` when it has said something; its output after that. */
    async function interrupted(script: string, cwd: string, between: () => Promise<void>): Promise<string> {
      const child = spawn('python3', ['-uc', script], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => child.on('close', resolve));
      let output = '';
      const said = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
      await said;
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      await between().finally(() => child.stdin.end('\n'));
      await ended;
      return output;
    }

    it('appends at what the kernel takes to be the end where O_APPEND came later than open, silently', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), 'start ');
      const script = `import fcntl, os
f = os.open('f', os.O_WRONLY)
fcntl.fcntl(f, fcntl.F_SETFL, os.O_APPEND)
print('ready'); input(); os.write(f, b'ours')`;
      await interrupted(script, mountpoint, () => appendFile(join(elsewhere, 'f'), 'theirs'));
      expect(await readFile(join(elsewhere, 'f'), 'utf8')).toBe('start oursrs');
    });

    it('goes on in the directory that is now where the working directory was, silently', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await mkdir(join(mountpoint, 'd'));
      const script = "print('ready'); input(); open('made', 'w')";
      await interrupted(script, join(mountpoint, 'd'), async () => {
        await rename(join(elsewhere, 'd'), join(elsewhere, 'moved'));
        await mkdir(join(elsewhere, 'd'));
      });
      expect([await readdir(join(elsewhere, 'd')), await readdir(join(elsewhere, 'moved'))]).toEqual([['made'], []]);
    });

    it('shares no locks with it, silently', async () => {
      const { mountpoint, elsewhere } = await startTwo();
      await writeFile(join(mountpoint, 'f'), '');
      await withLockers(3, async ([here, alsoHere, there]) => {
        for (const process of [here, alsoHere]) await process.expect(`open f ${join(mountpoint, 'f')}`, 'ok');
        await there.expect(`open f ${join(elsewhere, 'f')}`, 'ok');
        for (const lock of ['lock f write 0 0', 'flock f write']) {
          await here.expect(lock, 'ok');
          await alsoHere.expect(lock, EAGAIN);
          await there.expect(lock, 'ok');
        }
      });
    });
  });

  it('drops one name of a file that is renamed to another which is open, silently', async () => {
    const { mountpoint } = await start();
    await writeFile(join(mountpoint, 'a'), 'both');
    await link(join(mountpoint, 'a'), join(mountpoint, 'b'));
    const file = await open(join(mountpoint, 'b'), 'r');
    await rename(join(mountpoint, 'a'), join(mountpoint, 'b'));
    await fails('ENOENT', stat(join(mountpoint, 'a')));
    expect(await readFile(join(mountpoint, 'b'), 'utf8')).toBe('both');
    await file.close();
  });

  it('opens what a name leads to, also right after mknod(2) made another file there', async () => {
    const { mountpoint } = await start({ profile: 'session' });
    const script = `import os
os.mkdir('x'); open('x/f', 'w').write('of x')
os.mkdir('d'); os.mknod('d/f', 0o100600); os.mknod('f', 0o100600); open('h', 'w').write('of h')
os.rename('f', 'g'); os.rename('h', 'f'); os.rename('d', 'e'); os.rename('x', 'd')
print(open('f').read(), open('d/f').read(), repr(open('g').read()), repr(open('e/f').read()))
`;
    expect(await shell(`python3 -c "${script}"`, mountpoint)).toBe("of h of x '' ''\n");
  });

  it('keeps nothing for a file that mknod(2) made and nobody opens', async () => {
    const { mountpoint, elsewhere } = await startTwo();
    const script = 'import os; os.mknod("f", 0o100600); os.mknod("g", 0o100600)';
    await writeFile(join(elsewhere, 'script.py'), script);
    await shell('python3 script.py', mountpoint);
    await pause(3000);
    await writeFile(join(elsewhere, 'g.new'), 'replaced');
    await rename(join(elsewhere, 'g.new'), join(elsewhere, 'g'));
    expect(await readFile(join(mountpoint, 'g'), 'utf8')).toBe('replaced');
    expect((await stat(join(mountpoint, 'f'))).size).toBe(0);
  });
});
