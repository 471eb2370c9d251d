/** Mounts that hang, and how they are got rid of. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountpoints, shell, TestCluster, until } from './harness.js';

const isMounted = (mountpoint: string): boolean => mountpoints().includes(mountpoint);

function hasEnded(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return 'ZX'.includes(stat[stat.lastIndexOf(')') + 2]);
  } catch {
    return true;
  }
}

describe('umount --force', { timeout: 180_000 }, () => {
  const cluster = new TestCluster(1);
  const mnt = cluster.mountpoint;
  const users: ChildProcess[] = [];

  beforeAll(() => cluster.up(), 60_000);
  afterAll(async () => {
    for (const user of users) user.kill('SIGKILL');
    await cluster.destroy();
  }, 180_000);

  const force = () => cluster.byzfs('umount', mnt, '--force');
  /** A process that is in the mount, and is seen to end. */
  const use = (script: string): ChildProcess => {
    const user = spawn('bash', ['-c', script], { stdio: 'ignore' });
    users.push(user);
    return user;
  };
  const ended = (user: ChildProcess) =>
    until('the end of a user', () => user.exitCode !== null || user.signalCode !== null);
  const nothingIsLeft = async (pid: number): Promise<void> => {
    expect(isMounted(mnt)).toBe(false);
    await until('the end of the process', () => hasEnded(pid));
    expect(() => cluster.mountPid()).toThrow(/no record/);
  };
  const mounted = async (...options: string[]): Promise<number> => {
    if (!isMounted(mnt)) await cluster.mount(mnt, ...options);
    return cluster.mountPid();
  };

  const remounted = async (...options: string[]): Promise<number> => {
    if (isMounted(mnt)) await cluster.umount();
    return mounted(...options);
  };

  it('unmounts one that is well as umount does', async () => {
    const pid = await mounted();
    await shell(`seq 1 10000 > ${mnt}/well`);
    expect(await force()).toEqual({ code: 0, stdout: '', stderr: '' });
    await nothingIsLeft(pid);
    await mounted();
    expect(await shell(`seq 1 10000 | cmp - ${mnt}/well && echo same`)).toBe('same\n');
  });

  it('takes away one that is in use, after it has sent what it held', async () => {
    const pid = await mounted();
    const user = use(`cd ${mnt}; exec 3> held; echo data >&3; touch ${cluster.scratch}/held; exec sleep 600`);
    await until('its file', () => fs.existsSync(path.join(cluster.scratch, 'held')));
    expect((await cluster.byzfs('umount', mnt)).stderr).toMatch(
      /busy: close its files .*, or take it away with --force/,
    );
    const { code, stderr } = await force();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await nothingIsLeft(pid);
    user.kill('SIGKILL');
    await mounted();
    expect(await shell(`cat ${mnt}/held`)).toBe('data\n');
  });

  it('takes away one whose process is stopped, and who waits for it goes on', async () => {
    const pid = await mounted();
    process.kill(pid, 'SIGSTOP');
    const user = use(`ls ${mnt}/x; exit 7`);
    const { code, stdout, stderr } = await force();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^byzfs: .*mnt taken away; (\d+ calls in it failed; )?what it had not sent is lost\n$/);
    await nothingIsLeft(pid);
    await ended(user);
  });

  it('takes away one whose process was killed', async () => {
    const pid = await mounted();
    process.kill(pid, 'SIGKILL');
    const user = use(`cd ${mnt}; sleep 600`);
    expect((await force()).code).toBe(0);
    expect(isMounted(mnt)).toBe(false);
    user.kill('SIGKILL');
    await mounted();
  });

  it('takes away a hard one that waits for a quorum, and who waits for it goes on', async () => {
    const pid = await remounted('-o', 'hard');
    cluster.kill(0, 'SIGSTOP');
    try {
      const creator = use(`exec 3> ${mnt}/never`);
      const reader = use(`stat -f ${mnt}; cat ${mnt}/well; exit 7`);
      const { code } = await force();
      expect(code).toBe(0);
      await nothingIsLeft(pid);
      await ended(creator);
      await ended(reader);
    } finally {
      cluster.kill(0, 'SIGCONT');
    }
  });

  it('counts the files whose data could not be sent', async () => {
    const pid = await remounted('-o', 'hard');
    // In one process: each that it starts would close the files as it ends, and wait for that.
    const writer = `
      const fs = require('node:fs');
      const files = ['one', 'two'].map((name) => fs.openSync('${mnt}/' + name, 'w'));
      fs.writeFileSync('${cluster.scratch}/opened', '');
      const write = setInterval(() => {
        if (!fs.existsSync('${cluster.scratch}/write')) return;
        for (const file of files) fs.writeSync(file, 'data');
        fs.writeFileSync('${cluster.scratch}/written', '');
        clearInterval(write);
        setTimeout(() => {}, 600_000);
      }, 20);`;
    const user = spawn(process.execPath, ['-e', writer], { stdio: 'ignore' });
    users.push(user);
    const seen = (name: string) => until(name, () => fs.existsSync(path.join(cluster.scratch, name)));
    await seen('opened');
    cluster.kill(0, 'SIGSTOP');
    try {
      fs.writeFileSync(path.join(cluster.scratch, 'write'), '');
      await seen('written');
      const { code, stderr } = await force();
      expect(code).toBe(1);
      expect(stderr).toMatch(/mnt taken away; .*2 files had changes that were not sent, which are lost/);
      await nothingIsLeft(pid);
    } finally {
      user.kill('SIGKILL');
      cluster.kill(0, 'SIGCONT');
    }
  });

  it('has nothing to do where nothing is mounted', async () => {
    if (isMounted(mnt)) await cluster.umount();
    const { code, stderr } = await force();
    expect({ code, stderr }).toEqual({ code: 1, stderr: `byzfs: ${mnt} is not mounted: nothing to do\n` });
    expect((await cluster.byzfs('umount', '/proc', '--force')).stderr).toMatch(/is no byzfs mount but proc/);
  });
});
