import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { must, shell, TestCluster } from './harness.js';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a mount while primaries fail', { timeout: 480_000 }, () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster();
  });
  afterEach(() => cluster.destroy());

  const view = async (): Promise<number> => (await cluster.status()).view;

  /** A tree of small files outside the mount. */
  const source = async (files: number): Promise<string> => {
    const directory = path.join(cluster.scratch, 'source');
    const file = `head -c $((i * 97)) /dev/urandom > ${directory}/f$i`;
    await shell(`mkdir -p ${directory}; for i in $(seq 1 ${files}); do ${file}; done`);
    return directory;
  };

  const equalRoots = async (): Promise<void> => {
    const { replicas } = await cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
  };

  it('the primary is killed during a copy: the copy goes on in the next view, and nothing is lost', async () => {
    await cluster.up();
    const from = await source(400);
    const copying = shell(`cp -r ${from} ${cluster.mountpoint}/copy && sync -f ${cluster.mountpoint}/copy/f1`);
    await sleep(300);
    cluster.kill(0);
    await copying;
    expect(await view()).toBeGreaterThan(0);
    await shell(`diff -r ${from} ${cluster.mountpoint}/copy`);
    cluster.startReplica(0);
    await cluster.ready();
    await equalRoots();
  });

  it('ten primaries in a row are killed and started again, under work', async () => {
    await cluster.up();
    const from = await source(30);
    for (let round = 1; round <= 10; round++) {
      const copying = shell(`cp -r ${from} ${cluster.mountpoint}/copy${round}`);
      const before = await view();
      const primary = before % 4;
      await sleep(50);
      cluster.kill(primary);
      await copying;
      // The next write finds the primary gone, if the copy had not.
      await shell(`echo ${round} > ${cluster.mountpoint}/round; sync -f ${cluster.mountpoint}/round`);
      expect(await view()).toBeGreaterThan(before);
      cluster.startReplica(primary);
      await cluster.ready();
    }
    for (let round = 1; round <= 10; round++) await shell(`diff -r ${from} ${cluster.mountpoint}/copy${round}`);
    await equalRoots();
  });

  it('a primary that stands still is replaced, and takes part again when it wakes up', async () => {
    await cluster.up();
    const from = await source(60);
    cluster.kill(0, 'SIGSTOP');
    try {
      await shell(`cp -r ${from} ${cluster.mountpoint}/copy; diff -r ${from} ${cluster.mountpoint}/copy`);
      await sleep(10_000);
    } finally {
      cluster.kill(0, 'SIGCONT');
    }
    await cluster.ready();
    expect(await view()).toBeGreaterThan(0);
    // With another one gone its vote is needed.
    cluster.kill(2);
    await shell(`cp -r ${from} ${cluster.mountpoint}/again; diff -r ${from} ${cluster.mountpoint}/again`);
  });

  it('two of four are gone: writes fail with EIO after the deadline, and all goes on when one is back', async () => {
    await cluster.init();
    for (const id of [0, 1, 2, 3]) cluster.startReplica(id);
    await cluster.ready();
    await cluster.mount(cluster.mountpoint, '-o', 'deadline=3');
    await shell(`echo before > ${cluster.mountpoint}/file; sync -f ${cluster.mountpoint}/file`);
    cluster.kill(1);
    cluster.kill(2);
    const { quorum, replicas } = await cluster.status();
    expect(quorum).toBe(false);
    expect(replicas.filter(({ up }) => up).map(({ id }) => id)).toEqual([0, 3]);
    await expect(must('mkdir', [`${cluster.mountpoint}/blocked`])).rejects.toThrow(/Input\/output error/);
    cluster.startReplica(1);
    await cluster.ready(3);
    await shell(`grep -q before ${cluster.mountpoint}/file; mkdir ${cluster.mountpoint}/free`);
  });

  for (const fault of ['equivocating', 'forging', 'slow'] as const) {
    it(`a primary that is ${fault}: the service goes on without it, and status names it`, async () => {
      await cluster.init();
      const program = path.join(import.meta.dirname, 'faulty-replica.mjs');
      cluster.startReplica(0, [program, cluster.directory, '0', fault]);
      for (const id of [1, 2, 3]) cluster.startReplica(id);
      await cluster.ready(3);
      await cluster.mount();
      const from = await source(40);
      await shell(`cp -r ${from} ${cluster.mountpoint}/copy; diff -r ${from} ${cluster.mountpoint}/copy`);
      const status = await cluster.status();
      expect(status.view).toBeGreaterThan(0);
      expect(status.replicas[0].suspected).toBeTruthy();
    });
  }
});
