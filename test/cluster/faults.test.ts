import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shell, TestCluster } from './harness.js';

describe('a mount while replicas fail', { timeout: 180_000 }, () => {
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster();
  });
  afterEach(() => cluster.destroy());

  const startFaulty = (id: number, fault: 'lying' | 'equivocating' | 'slow'): void => {
    const program = path.join(import.meta.dirname, 'faulty-replica.mjs');
    cluster.startReplica(id, [program, cluster.directory, String(id), fault]);
  };

  const equalRoots = async (): Promise<void> => {
    const { replicas } = await cluster.status({ barrier: true });
    expect(replicas.every(({ up }) => up)).toBe(true);
    expect(new Set(replicas.map(({ stableCheckpoint }) => stableCheckpoint)).size).toBe(1);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    expect(replicas[0].stateRoot).toMatch(/^[0-9a-f]{64}$/);
  };

  it('a backup is killed during a copy: no error, and it comes back to the same state', async () => {
    await cluster.up();
    const source = path.join(cluster.scratch, 'source');
    await shell(`mkdir -p ${source}; for i in $(seq 1 300); do head -c $((i * 97)) /dev/urandom > ${source}/f$i; done`);
    const copying = shell(`cp -r ${source} ${cluster.mountpoint}/copy && sync -f ${cluster.mountpoint}/copy/f1`);
    await new Promise((resolve) => setTimeout(resolve, 250));
    cluster.kill(2);
    await copying;
    await shell(`diff -r ${source} ${cluster.mountpoint}/copy`);
    await shell(`cp -r ${source} ${cluster.mountpoint}/copy2`);
    cluster.startReplica(2);
    await cluster.ready();
    await shell(`diff -r ${source} ${cluster.mountpoint}/copy2`);
    await equalRoots();
  });

  it('all replicas are killed and started again: every file is as before, and the mount goes on', async () => {
    await cluster.up();
    const mnt = cluster.mountpoint;
    await shell(`cd ${mnt}; mkdir -p a/b; seq 1 20000 > a/b/numbers; ln -s b a/link; ln a/b/numbers a/hard`);
    await shell(`cd ${mnt}; touch -d '2001-02-03 04:05:06.123456789' a/b/numbers; chmod 640 a/b/numbers; sync -f a`);
    const before = await shell(`cd ${mnt}; find . -printf '%p %m %n %s %T@ %y %l\\n' | sort; sha256sum a/hard`);
    for (let id = 0; id < 4; id++) cluster.kill(id);
    for (let id = 0; id < 4; id++) cluster.startReplica(id);
    await cluster.ready();
    const listing = `find . -printf '%p %m %n %s %T@ %y %l\\n' | sort; sha256sum a/hard`;
    expect(await shell(`cd ${mnt}; ${listing}`)).toBe(before);
    await cluster.umount();
    await cluster.mount();
    expect(await shell(`cd ${mnt}; ${listing}`)).toBe(before);
    await shell(`cd ${mnt}; echo more > a/new; grep -q more a/new`);
    await equalRoots();
  });

  it('a replica that alters what it answers: the mount never returns the altered bytes', async () => {
    await cluster.init();
    for (const id of [0, 1, 3]) cluster.startReplica(id);
    startFaulty(2, 'lying');
    await cluster.mount(cluster.mountpoint, '-o', 'profile=strict');
    const source = path.join(cluster.scratch, 'source');
    await shell(`mkdir ${source}; for i in $(seq 1 40); do head -c $((i * 4001)) /dev/urandom > ${source}/f$i; done`);
    await shell(`cp -r ${source} ${cluster.mountpoint}/copy; diff -r ${source} ${cluster.mountpoint}/copy`);
    // The other profile, from a mount that has nothing in its caches.
    await cluster.umount();
    await cluster.mount();
    await shell(`for i in 1 2 3; do diff -r ${source} ${cluster.mountpoint}/copy; done`);
  });

  it('a replica whose journal is gone refuses to start, and says so in one line; one whose state is gone begins anew', async () => {
    await cluster.up();
    await shell(`cd ${cluster.mountpoint}; seq 1 20000 > numbers; sync -f numbers`);
    cluster.kill(1);
    const home = path.join(cluster.directory, 'replica-1');
    const start = () => cluster.byzfs('replica', '--cluster', cluster.directory, '--id', '1');
    fs.renameSync(path.join(home, 'journal'), path.join(home, 'journal.away'));
    for (const file of fs.readdirSync(home)) if (file.startsWith('state.db')) fs.rmSync(path.join(home, file));
    const refused = await start();
    expect(refused.code).toBe(1);
    expect(refused.stderr.trim().split('\n').at(-1)).toMatch(/no journal.*--rejoin/);
    expect(fs.existsSync(path.join(home, 'state.db'))).toBe(false);
    fs.renameSync(path.join(home, 'journal.away'), path.join(home, 'journal'));
    cluster.startReplica(1);
    await cluster.ready();
    await equalRoots();
  });
});
