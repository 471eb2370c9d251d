/** What users of a mount notice when all replicas are gone for a while, and what its log says. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountpoints, run, shell, TestCluster, until } from './harness.js';

describe('all replicas stopped and started again', { timeout: 240_000 }, () => {
  const cluster = new TestCluster(4);
  const mnt = cluster.mountpoint;
  const { scratch } = cluster;

  beforeAll(() => cluster.up('--no-mount'), 60_000);
  afterAll(() => cluster.destroy(), 60_000);

  afterEach(async () => {
    // A user that is left must not hold anything up.
    if (mountpoints().includes(mnt)) await cluster.byzfs('umount', mnt, '--force');
  });

  const ids = [0, 1, 2, 3];
  const pids = () => ids.map((id) => Number(fs.readFileSync(`${cluster.directory}/run/replica-${id}.pid`, 'utf8')));
  const stop = async (): Promise<void> => {
    const stopped = pids();
    for (const pid of stopped) process.kill(pid, 'SIGTERM');
    const gone = (pid: number) =>
      !fs.existsSync(`/proc/${pid}/cmdline`) || fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '';
    await until('the end of all replicas', () => stopped.every(gone), 60_000);
  };
  const start = async (): Promise<void> => {
    const { code, stderr } = await cluster.byzfs('up', '--detach', '--no-mount', '--dir', cluster.directory);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  };
  const logLines = (): { level: number; msg: string; failed?: number; inDoubt?: number }[] => {
    const name = fs.readdirSync(`${cluster.directory}/run`).find((each) => /^mount-.*\.log$/.test(each))!;
    const text = fs.readFileSync(path.join(cluster.directory, 'run', name), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  };
  /** Of outages: links that go up and down are logged too. */
  const told = () => logLines().filter(({ msg }) => /^(EIO|calls are answered|no answer in)/.test(msg));
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Makes, appends to, lists, renames and removes files without end, until told to stop; says what failed. */
  const workload = (name: string) => {
    const script = `cd ${mnt}; mkdir ${name}; cd ${name}; i=0
      until test -e ${scratch}/${name}.stop; do
        i=$((i + 1))
        echo line $i >> log && ls > /dev/null && echo $i > file-$i && mv file-$i last && cmp -s last <(echo $i) || exit 1
        echo $i > ${scratch}/${name}.progress
      done; wc -l < log`;
    const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
    const progress = () =>
      Number(fs.existsSync(`${scratch}/${name}.progress`) && fs.readFileSync(`${scratch}/${name}.progress`, 'utf8'));
    const end = async () => {
      fs.writeFileSync(`${scratch}/${name}.stop`, '');
      await until(`the end of ${name}`, () => child.exitCode !== null, 60_000);
      return { code: child.exitCode, lines: output.trim(), done: progress() };
    };
    return { child, progress, end };
  };

  it.each([
    ['soft', 'deadline=120'],
    ['hard', 'hard'],
  ])('a %s mount waits, and goes on without an error', async (name, options) => {
    await cluster.mount(mnt, '-o', options);
    const work = workload(name);
    await until('some work', () => work.progress() > 20, 60_000);
    const before = told().length;
    await stop();
    await pause(3000);
    const during = work.progress();
    await start();
    await until('more work', () => work.progress() > during + 20, 60_000);
    const { code, lines, done } = await work.end();
    expect({ code, lines }).toEqual({ code: 0, lines: String(done) });
    expect(told()).toHaveLength(before);
    await cluster.umount();
  });

  it('fails calls with EIO once their deadline is over, says so once, and that it is over', async () => {
    await cluster.mount(mnt, '-o', 'deadline=2');
    await shell(`echo kept > ${mnt}/kept`);
    const before = logLines().length;
    await stop();
    const failing = await Promise.all(
      [
        `cat ${mnt}/kept`,
        `ls ${mnt}`,
        `mkdir ${mnt}/a`,
        `echo x > ${mnt}/b`,
        `stat ${mnt}/soft/log`,
        `rm ${mnt}/kept`,
      ].map((script) => run('bash', ['-c', `${script}; ${script}`], { timeoutMs: 60_000 })),
    );
    for (const { stderr } of failing) expect(stderr).toMatch(/Input\/output error/);
    await start();
    const lines = () => logLines().slice(before);
    await until('an answer', () => lines().some(({ msg }) => msg === 'calls are answered again'), 60_000);
    expect(await shell(`echo back > ${mnt}/back; cat ${mnt}/back`)).toBe('back\n');
    await cluster.umount();
    expect(lines().filter(({ msg }) => msg.startsWith('EIO'))).toHaveLength(1);
    const over = lines().filter(({ msg }) => msg === 'calls are answered again');
    expect(over).toHaveLength(1);
    expect(over[0].failed).toBeGreaterThanOrEqual(failing.length);
    expect(lines().filter(({ level }) => level >= 50)).toHaveLength(1);
  });
});
