import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, mountpoints, run, shell, TestCluster, until } from './harness.js';

const isMounted = (mountpoint: string): boolean => mountpoints().includes(mountpoint);

/** A process that has ended and was reaped: mounts are reparented to init, which does that. */
function hasEnded(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] === 'Z';
  } catch {
    return true;
  }
}

describe('a mount whose process is killed', { timeout: 120_000 }, () => {
  const cluster = new TestCluster();
  const mnt = cluster.mountpoint;
  const detached = `byzfs: ${mnt}: detached a mount of byzfs:${cluster.directory} whose process is gone\n`;

  beforeAll(async () => {
    await cluster.up();
    await shell(`echo kept > ${mnt}/file; sync -f ${mnt}/file`);
  }, 180_000);
  afterAll(() => cluster.destroy(), 60_000);

  const crash = async (): Promise<void> => {
    const pid = cluster.mountPid();
    process.kill(pid, 'SIGKILL');
    await until('the end of the process', () => hasEnded(pid));
    // A call that was under way when the connection broke is aborted, any later one finds none.
    expect((await run('stat', [mnt])).stderr).toMatch(/not connected|connection abort/);
    expect(isMounted(mnt)).toBe(true);
  };

  const serves = async (): Promise<void> => {
    expect(await shell(`cat ${mnt}/file`)).toBe('kept\n');
    expect(mountpoints().filter((path) => path === mnt)).toHaveLength(1);
  };

  it('mount detaches what is left of it, says so, and mounts', async () => {
    await crash();
    expect(await cluster.byzfs('mount', cluster.directory, mnt)).toEqual({ code: 0, stdout: '', stderr: detached });
    await serves();
  });

  it('up does', async () => {
    await crash();
    const { code, stdout, stderr } = await cluster.byzfs('up', '--detach', '--dir', cluster.directory, '--mount', mnt);
    expect({ code, stderr }).toEqual({ code: 0, stderr: detached });
    expect(stdout).toMatch(/^ready: .*\n$/);
    await serves();
  });

  it('up of another cluster does, before it has made anything', async () => {
    const other = new TestCluster(1);
    try {
      await crash();
      const args = ['--dir', other.directory, '--mount', mnt, '--replicas', '1', '--base-port', `${other.basePort}`];
      const { code, stderr } = await other.byzfs('up', '--detach', ...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: detached });
      expect(await shell(`ls -A ${mnt}; echo other > ${mnt}/file; cat ${mnt}/file`)).toBe('other\n');
    } finally {
      await other.destroy();
    }
    await cluster.mount();
    await serves();
  });

  it('umount takes it away, and down does', async () => {
    await crash();
    expect(await cluster.byzfs('umount', mnt)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(isMounted(mnt)).toBe(false);
    await cluster.mount();
    await serves();
    await crash();
    const { code, stdout } = await cluster.byzfs('down', '--dir', cluster.directory);
    expect(code).toBe(0);
    expect(stdout).toContain(`${mnt} unmounted\n`);
    expect(isMounted(mnt)).toBe(false);
  });

  it('a supervising up mounts again by itself', async () => {
    const args = ['up', '--dir', cluster.directory, '--mount', mnt];
    const up = spawn(process.execPath, [CLI, ...args], { stdio: 'pipe' });
    let told = '';
    for (const stream of [up.stdout, up.stderr]) stream.on('data', (chunk: Buffer) => (told += chunk.toString()));
    try {
      await until('ready', () => /^ready/m.test(told), 60_000);
      const killed = cluster.mountPid();
      process.kill(killed, 'SIGKILL');
      await until('another process', () => cluster.mountPid() !== killed, 60_000);
      await serves();
      expect(told).toContain(detached);
    } finally {
      up.kill('SIGINT');
      await until('the end of up', () => up.exitCode !== null, 60_000);
    }
    expect(up.exitCode).toBe(0);
    expect(isMounted(mnt)).toBe(false);
  });
});

describe('a mount whose process is asked to end', { timeout: 120_000 }, () => {
  const cluster = new TestCluster(1);
  const mnt = cluster.mountpoint;

  beforeAll(() => cluster.up(), 60_000);
  afterAll(() => cluster.destroy(), 60_000);

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('unmounts at %s, and has sent what it held', async (signal) => {
    if (!isMounted(mnt)) await cluster.mount();
    const pid = cluster.mountPid();
    await shell(`seq 1 100000 > ${mnt}/${signal}`);
    process.kill(pid, signal);
    await until('the end of the process', () => hasEnded(pid));
    expect(isMounted(mnt)).toBe(false);
    expect(fs.readdirSync(mnt)).toEqual([]);
    expect(() => cluster.mountPid()).toThrow(/no record/);
    await cluster.mount();
    expect(await shell(`seq 1 100000 | cmp - ${mnt}/${signal} && echo same`)).toBe('same\n');
  });

  it('goes on while it is in use, and says so in its log', async () => {
    if (!isMounted(mnt)) await cluster.mount();
    const pid = cluster.mountPid();
    const log = () =>
      fs
        .readdirSync(path.join(cluster.directory, 'run'))
        .filter((name) => /^mount-.*\.log$/.test(name))
        .map((name) => fs.readFileSync(path.join(cluster.directory, 'run', name), 'utf8'))
        .join('');
    const user = spawn('sleep', ['600'], { cwd: mnt, stdio: 'ignore' });
    try {
      process.kill(pid, 'SIGTERM');
      await until('a line in the log', () => /busy.*"msg":"not unmounted"/.test(log()));
      expect(await shell(`echo still > ${mnt}/there; cat ${mnt}/there`)).toBe('still\n');
    } finally {
      user.kill('SIGKILL');
    }
    await until('the end of its user', () => user.signalCode !== null);
    process.kill(pid, 'SIGTERM');
    await until('the end of the process', () => hasEnded(pid));
    expect(isMounted(mnt)).toBe(false);
  });
});

describe('what is refused, in one line and with nothing left behind', { timeout: 180_000 }, () => {
  const cluster = new TestCluster(1);
  const mnt = cluster.mountpoint;
  const { directory, scratch } = cluster;

  beforeAll(async () => {
    await cluster.init();
  });
  afterAll(() => cluster.destroy(), 60_000);

  const refused = async (line: RegExp | string, ...args: string[]): Promise<void> => {
    const own = (): string[] => mountpoints().filter((path) => path.startsWith(`${cluster.scratch}/`));
    const before = own();
    const { code, stdout, stderr } = await cluster.byzfs(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    // A replica's log is on stderr too, before the line it ends with.
    const lines = stderr.split('\n').filter((text) => !text.startsWith('{'));
    expect(lines).toEqual([typeof line === 'string' ? line : expect.stringMatching(line), '']);
    expect(own()).toEqual(before);
  };

  it('a port that is taken, and by whom', async () => {
    const holder = net.createServer();
    await new Promise<void>((resolve) => holder.listen(cluster.basePort, '127.0.0.1', resolve));
    const who = `port ${cluster.basePort} is taken by pid ${process.pid} \\(.*\\)`;
    try {
      await refused(
        new RegExp(`^byzfs: ${who}: stop that, or give another --base-port$`),
        ...['up', '--detach', '--dir', directory, '--mount', mnt],
      );
      await refused(
        new RegExp(`^byzfs: ${who}: stop that, or give another --base-port$`),
        ...['up', '--detach', '--dir', `${directory}-new`, '--mount', mnt, '--base-port', `${cluster.basePort}`],
      );
      expect(fs.existsSync(`${directory}-new`)).toBe(false);
      await refused(
        new RegExp(`^byzfs: replica-0 cannot listen: ${who}: stop it, or change replicas\\[0\\].port everywhere$`),
        ...['replica', '--cluster', directory, '--id', '0'],
      );
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
    expect(fs.existsSync(mnt)).toBe(false);
  });

  it('a mount point that is not empty', async () => {
    const full = path.join(scratch, 'full');
    fs.mkdirSync(path.join(full, 'x'), { recursive: true });
    const line = `byzfs: ${full} is not empty: what is in it would be hidden: give an empty directory`;
    await refused(line, 'mount', directory, full);
    await refused(line, 'up', '--detach', '--dir', directory, '--mount', full);
    await refused(line, 'up', '--detach', '--dir', `${directory}-new`, '--mount', full, '--replicas', '1');
    expect(fs.existsSync(`${directory}-new`)).toBe(false);
    expect(fs.existsSync(path.join(directory, 'run/replica-0.pid'))).toBe(false);
  });

  it('a mount point that is mounted already', async () => {
    await cluster.up();
    const line = `byzfs: ${mnt} has byzfs:${directory} mounted already: byzfs umount it first`;
    try {
      await refused(line, 'mount', directory, mnt);
      await refused(line, 'up', '--detach', '--dir', `${directory}-new`, '--mount', mnt, '--replicas', '1');
      expect(await shell(`echo served > ${mnt}/f; cat ${mnt}/f`)).toBe('served\n');
    } finally {
      await cluster.byzfs('down', '--dir', directory);
    }
    await refused('byzfs: /proc has proc (proc) mounted on it: give another directory', 'mount', directory, '/proc');
  });

  const verbs = (): string[][] => [
    ['mount', directory, mnt],
    ['up', '--detach', '--dir', directory, '--mount', mnt],
    ['replica', '--cluster', directory, '--id', '0'],
  ];

  it('a cluster file that is wrong, and in which field', async () => {
    const file = path.join(directory, 'cluster.json');
    const text = fs.readFileSync(file, 'utf8');
    try {
      fs.writeFileSync(file, text.replace(/"port": \d+/, '"port": 70000'));
      const line = 'byzfs: cluster.json: replicas[0].port: an integer from 1 to 65535 expected';
      for (const args of verbs()) await refused(line, ...args);
      fs.writeFileSync(file, text.slice(0, -20));
      await refused(/^byzfs: cluster\.json: not JSON, or cut short: /, 'status', directory);
    } finally {
      fs.writeFileSync(file, text);
    }
  });

  it('a private key that others may read', async () => {
    const chmod = (name: string, mode: number) => fs.chmodSync(path.join(directory, name), mode);
    const line = (name: string) =>
      `byzfs: ${path.join(directory, name)}: mode 0644 lets others than its owner use this private key: chmod 600 it`;
    const [mount, up, replica] = verbs();
    chmod('clients/mount.key', 0o644);
    await refused(line('clients/mount.key'), ...mount);
    await refused(line('clients/mount.key'), ...up);
    chmod('clients/mount.key', 0o600);
    chmod('keys/replica-0.key', 0o644);
    await refused(line('keys/replica-0.key'), ...replica);
    await refused(line('keys/replica-0.key'), ...up);
    chmod('keys/replica-0.key', 0o600);
    expect(fs.existsSync(path.join(directory, 'run/replica-0.pid'))).toBe(false);
  });
});
