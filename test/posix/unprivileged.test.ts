/** Mounts by a user who is not root, through either kernel interface. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/programs.js';
import { asUser, compiledMap, MAP_RUNNER, runHere, runWhere, USER, userMountObstacle, verdicts } from './as-user.js';
import { canMount, type FixtureOptions, nativeObstacle, TestMount } from './mounted.js';
import { beyondFuseNative } from './native-limits.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const LIMIT_MS = 120_000;

const obstacle = userMountObstacle();
const native = nativeObstacle();
const because = (why: string | null): string => (why === null ? '' : ` (skipped: ${why})`);

/** Debian's libfuse 2, by its paths. */
async function systemLibfuse(): Promise<string[]> {
  const { stdout } = await run('sh', ['-c', 'ls /lib/*/libfuse.so.2 /usr/lib/*/libfuse.so.2 2> /dev/null; :']);
  return stdout.split('\n').filter((path) => path !== '');
}

/** A directory that the user may write; gone afterwards. */
async function userDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'byzfs-user-'));
  await chmod(path, 0o755);
  await chown(path, USER.uid, USER.gid);
  return path;
}

describe.skipIf(!canMount() || obstacle !== null)(`a user who is not root${because(obstacle)}`, () => {
  const mounts: TestMount[] = [];
  const start = async (options: Partial<FixtureOptions> = {}) => {
    const mount = await TestMount.start({ profile: 'session', asUser: true, ...options });
    mounts.push(mount);
    return mount;
  };
  afterEach(async () => {
    for (const mount of mounts.splice(0)) await mount.stop();
  });

  const kernels = ['dev-fuse', ...(native === null ? ['fuse-native'] : [])] as ('dev-fuse' | 'fuse-native')[];
  it.each(kernels)('mounts, uses and unmounts, %s', async (kernel) => {
    const mount = await start({ kernels: [kernel] });
    const script = 'echo mine > f && cat f && stat -c "%u %g" f && grep " $PWD " /proc/self/mountinfo';
    const output = await runWhere(mount.pid, ['sh', '-ec', script], mount.mountpoint);
    expect(output).toMatch(/^mine\n65534 65534\n/);
    expect(output).toMatch(
      /rw,nosuid,nodev.* - fuse\.byzfs byzfs:test rw,user_id=65534,group_id=65534,default_permissions/,
    );
    expect(output).not.toContain('allow_other');
    // Not even root: it could be made to do what the user wants.
    const asRoot = run('nsenter', ['--target', String(mount.pid), '--mount', 'ls', mount.mountpoint]);
    await expect(asRoot).rejects.toThrow(/Permission denied/);
    expect(await mount.ask('unmount')).toEqual({ error: null });
    expect(await mount.unmounted).toBe('unmounted');
    expect(await mount.exited).toBe(0);
  });

  it('reads requests on the thread pool, too', async () => {
    const mount = await start({ reader: 'thread-pool' });
    expect(await runWhere(mount.pid, ['sh', '-c', 'echo mine > f; cat f'], mount.mountpoint)).toBe('mine\n');
    expect(await mount.ask('unmount')).toEqual({ error: null });
  });

  it.each(kernels)('sees its mount end when it unmounts it with fusermount3, %s', async (kernel) => {
    const mount = await start({ kernels: [kernel] });
    await runWhere(mount.pid, ['fusermount3', '-u', mount.mountpoint]);
    expect(await mount.unmounted).toBe('unmounted');
  });

  it.each(kernels)('is told that its mount is busy, %s', async (kernel) => {
    const mount = await start({ kernels: [kernel] });
    const holder = runWhere(
      mount.pid,
      ['sh', '-c', 'echo > f; exec 5< f; rm f; touch held; sleep 60'],
      mount.mountpoint,
    );
    holder.catch(() => {});
    const isHeld = () => runWhere(mount.pid, ['ls'], mount.mountpoint).then((list) => list.includes('held'));
    await expect.poll(isHeld, { timeout: 20_000 }).toBe(true);
    expect((await mount.ask('unmount')).error).toMatch(/^unmounting .* failed: .*busy/);
    await runWhere(mount.pid, ['sh', '-c', 'echo served > as-before && cat as-before'], mount.mountpoint);
  });

  it('is refused allow_other where /etc/fuse.conf does not have it, and told so', async () => {
    await expect(start({ allowOther: true })).rejects.toThrow(
      /allow_other needs a line user_allow_other in \/etc\/fuse\.conf/,
    );
  });

  describe('does what it may do on a local disk, and the map of behaviours knows', () => {
    let base: string;
    let map: string;
    let control: Map<string, string | null>;
    beforeAll(async () => {
      base = await userDirectory();
      map = await compiledMap(base);
      await mkdir(join(base, 'control'));
      await chown(join(base, 'control'), USER.uid, USER.gid);
      control = verdicts(await runHere([process.execPath, MAP_RUNNER, map, join(base, 'control')]));
    }, LIMIT_MS);
    afterAll(() => rm(base, { recursive: true, force: true }));

    const ways = [
      ['dev-fuse', 'session'],
      ['dev-fuse', 'strict'],
      ...(native === null ? [['fuse-native', 'session'] as const] : []),
    ] as ['dev-fuse' | 'fuse-native', 'session' | 'strict'][];
    it.each(ways)(
      '%s, %s',
      async (kernel, profile) => {
        const mount = await start({ kernels: [kernel], profile });
        const found = verdicts(await runWhere(mount.pid, [process.execPath, MAP_RUNNER, map, mount.mountpoint]));
        const beyond = kernel === 'fuse-native' ? beyondFuseNative() : [];
        const passes = [...control].filter(([, error]) => error === null).map(([name]) => name);
        expect(passes.length).toBeGreaterThan(60);
        expect(found.size).toBe(control.size);
        const failed = passes.filter((name) => !beyond.includes(name) && found.get(name) !== null);
        expect(failed.map((name) => `${name}: ${found.get(name)}`)).toEqual([]);
      },
      LIMIT_MS,
    );
  });
});

describe.skipIf(!canMount() || obstacle !== null)(`the command, for a user who is not root${because(obstacle)}`, () => {
  let base: string;
  beforeAll(async () => {
    base = await userDirectory();
  });
  afterAll(() => rm(base, { recursive: true, force: true }));

  /** Runs a script as the user; its output, that on stderr as well. */
  async function script(text: string, env: Record<string, string> = {}): Promise<string> {
    const devices = await mkdtemp(join(base, 'devices-'));
    const [command, args] = asUser(devices, ['sh', '-c', text]);
    const byzfs = `${process.execPath} ${join(ROOT, 'dist/src/cli/main.js')}`;
    const options = { cwd: base, env: { ...process.env, BYZFS: byzfs, ...env }, timeout: LIMIT_MS };
    const { stdout, stderr } = await run(command, args, options);
    return stdout + stderr;
  }
  const mount = (options = '') => `$BYZFS mount nowhere ${base} ${options} 2>&1; echo status $?`;
  const koffi = join(ROOT, 'node_modules/koffi');
  const nativePackage = join(ROOT, 'node_modules/fuse-native');
  const helpers = ['fusermount3', 'fusermount'].map((name) => findProgram(name)).filter((path) => path !== null);

  it('says what to do where /dev/fuse is for root only', async () => {
    expect(await script(mount(), { CLOSED: '1' })).toMatch(
      /^byzfs: .* cannot be mounted: \/dev\/fuse is not open to this user \(EACCES\), .*mount as root \(sudo\).*\nstatus 1\n$/,
    );
    expect(await script('$BYZFS up --dir c 2>&1; echo status $?; ls', { CLOSED: '1' })).toMatch(
      /not open to this user \(EACCES\).*\nstatus 1\n(?!c\n)/,
    );
    expect(await script('$BYZFS doctor; :', { CLOSED: '1' })).toMatch(
      /failed {2}cannot mount: .* not open to this user/,
    );
  });

  it('says what to do without fusermount3', async () => {
    const without = { WITHOUT: helpers.join(' ') };
    for (const options of ['', '-o kernel=fuse-native']) {
      expect(await script(mount(options), without)).toMatch(
        /no fusermount3?, .*: apt-get install fuse3, or mount as root/,
      );
    }
  });

  it.skipIf(native !== null)(
    'says whether fuse-native will do without koffi: where the system has a libfuse',
    async () => {
      const instead =
        (await systemLibfuse()).length > 0 ? 'use -o kernel=fuse-native, or mount as root' : 'mount as root';
      expect(await script(mount(), { WITHOUT: koffi })).toMatch(
        new RegExp(`npm package koffi does not load.*: npm install, or ${instead} \\(sudo\\)\nstatus 1`),
      );
    },
  );

  it('says that only root will do without either package', async () => {
    const output = await script(mount(), { WITHOUT: `${koffi} ${nativePackage}` });
    expect(output).toMatch(/npm package koffi does not load.*: npm install, or mount as root \(sudo\)\nstatus 1/);
  });

  it('says that fuse-native is not installed', async () => {
    const output = await script(mount('-o kernel=fuse-native'), { WITHOUT: nativePackage });
    expect(output).toMatch(
      /cannot be mounted: the npm package fuse-native is not installed: npm install fuse-native, or -o kernel=dev-fuse\nstatus 1/,
    );
  });

  it.skipIf(native !== null)('takes the libfuse of the package where the system has none', async () => {
    const output = await script(mount('-o kernel=fuse-native'), { WITHOUT: (await systemLibfuse()).join(' ') });
    // It comes as far as looking for the cluster.
    expect(output).toMatch(/nowhere.*\nstatus 1/);
    expect(output).not.toMatch(/libfuse/);
  });

  it(
    'runs a cluster and mounts it in both ways; keys are for nobody else',
    async () => {
      const output = await script(
        `set -e; $BYZFS up --dir c --mount m --replicas 1 --base-port $((20000 + $$ % 20000)) --detach > /dev/null
         stat -c '%U %a' c/keys/* c/clients/*/* c/clients/*.* 2> /dev/null | sort -u || :
         echo one > m/f; $BYZFS doctor c > doctor || :; cat doctor; $BYZFS umount m
         ${native === null ? '$BYZFS mount c m -o kernel=fuse-native; cat m/f; echo two > m/f; $BYZFS umount m' : ':'}
         $BYZFS mount c m; cat m/f; $BYZFS down --dir c > /dev/null; mount | grep -c " $PWD/m " || :`,
      );
      expect(output).toMatch(/^nobody 600$/m);
      expect(output).not.toMatch(/^nobody (?!600$)/m);
      expect(output).toMatch(/^ok {6}can mount through \/dev\/fuse, for this user only \(allow_other needs root/m);
      expect(output).toMatch(/^ok {6}\S*\/m is served by pid/m);
      // Of its own directory alone: there may be mounts of other programs here.
      expect(output).not.toMatch(/^failed .*(key|replica)/m);
      expect(output).toMatch(native === null ? /\none\ntwo\n0\n/ : /\none\n0\n/);
    },
    LIMIT_MS,
  );

  it('is told in one line that the key of another cannot be read', async () => {
    const foreign = await mkdtemp(join(tmpdir(), 'byzfs-foreign-'));
    await chmod(foreign, 0o755);
    await run(process.execPath, [join(ROOT, 'dist/src/cli/main.js'), 'init', join(foreign, 'c'), '--replicas', '1']);
    const output = await script(`mkdir -p m2; $BYZFS mount ${join(foreign, 'c')} m2 2>&1; echo status $?`);
    expect(output).toMatch(/^byzfs: [^\n]*EACCES[^\n]*\nstatus 1\n$/);
    await rm(foreign, { recursive: true });
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(join(base, 'm2'));
  });
});
