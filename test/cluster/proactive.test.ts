import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaStatus, shell, TestCluster } from './harness.js';

const PERIOD_SECONDS = 24;
const ALL = [0, 1, 2, 3];
const SPOILT = 2;

describe('replicas that recover in turn', { timeout: 600_000 }, () => {
  let cluster: TestCluster;
  let source: string;

  beforeEach(async () => {
    cluster = new TestCluster();
    source = path.join(cluster.scratch, 'source');
    await cluster.init('--recovery-period', String(PERIOD_SECONDS));
    await cluster.up();
    await shell(`mkdir -p ${source}; for i in $(seq 1 40); do head -c $((i * 997)) /dev/urandom > ${source}/f$i; done`);
    await shell(`cp -r ${source} ${cluster.mountpoint}/first; sync -f ${cluster.mountpoint}/first/f1`);
    // So that there is something certified to compare with.
    await cluster.status({ barrier: true });
  });
  afterEach(() => cluster.destroy());

  /** Asks until it is so. */
  const untilStatus = async (
    what: string,
    isSo: (replicas: ReplicaStatus[]) => boolean,
    how: { barrier?: boolean } = {},
  ): Promise<ReplicaStatus[]> => {
    for (const end = Date.now() + 8 * PERIOD_SECONDS * 1000; ; ) {
      const { replicas } = await cluster.status(how);
      if (isSo(replicas)) return replicas;
      if (Date.now() > end) throw new Error(`not so: ${what}: ${JSON.stringify(replicas)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  const completed = ({ recovery }: ReplicaStatus): number => recovery?.completed ?? 0;

  /** A block of a file is another from now on: on the disk, while the replica runs and has looked through its state. */
  const spoil = async (id: number): Promise<void> => {
    const state = path.join(cluster.directory, `replica-${id}/state.db`);
    await cluster.stop(id);
    cluster.startReplica(id);
    await untilStatus('it has been scrubbed', (replicas) => {
      const { scrub, recovery } = replicas[id];
      return scrub !== null && scrub.passes > 0 && recovery?.phase === 'resting';
    });
    const at = fs.readFileSync(state).indexOf(fs.readFileSync(path.join(source, 'f40')).subarray(1000, 1064));
    expect(at).toBeGreaterThan(0);
    const file = fs.openSync(state, 'r+');
    fs.writeSync(file, Buffer.alloc(64), 0, 64, at);
    fs.closeSync(file);
  };

  /** From the begin to the end of each recovery, by the replicas' logs. */
  const spans = (): { from: number; to: number }[] => {
    const logs = ALL.flatMap((id) =>
      [path.join(cluster.directory, 'run'), cluster.scratch].map((directory) =>
        path.join(directory, `replica-${id}.log`),
      ),
    );
    return logs.filter(fs.existsSync).flatMap((log) => {
      const lines = fs
        .readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { time: number; msg: string });
      const begun = lines.filter(({ msg }) => msg === 'recovers: its turn has come');
      const over = lines.filter(({ msg }) => msg.startsWith('has recovered'));
      return over.map(({ time }, i) => ({ from: begun[i].time, to: time }));
    });
  };

  it('one at a time, while copies go on without an error: what one disk altered is as it was', async () => {
    await spoil(SPOILT);
    const before = (await cluster.status()).replicas.map(completed);
    let copies = 0;
    let enough = false;
    const copying = (async () => {
      for (; !enough; copies++) {
        const target = `${cluster.mountpoint}/copy-${copies}`;
        await shell(`cp -r ${source} ${target}; sync -f ${target}/f1; diff -r ${source} ${target}`);
      }
    })();
    try {
      await untilStatus('the spoilt one has recovered', (replicas) => {
        const { recovery, transferred, scrub } = replicas[SPOILT];
        if (recovery === null || recovery.completed === before[SPOILT]) return false;
        expect(transferred?.rows).toBeGreaterThan(0);
        expect(scrub?.damaged).toBeGreaterThan(0);
        return true;
      });
      await untilStatus('all have recovered', (replicas) => replicas.every((each, id) => completed(each) > before[id]));
    } finally {
      enough = true;
    }
    await copying;
    expect(copies).toBeGreaterThan(2);
    // Between two recoveries, so that none is away.
    const replicas = await untilStatus(
      'all are at one checkpoint',
      (each) =>
        each.every(({ up, recovery }) => up && recovery?.phase === 'resting') &&
        new Set(each.map(({ stableCheckpoint }) => stableCheckpoint)).size === 1,
      { barrier: true },
    );
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    await shell(`diff -r ${source} ${cluster.mountpoint}/first`);
    // A keeper that is killed takes its replica with it.
    cluster.kill(0);
    cluster.startReplica(0);
    await cluster.ready();
    const inOrder = spans().sort((a, b) => a.from - b.from);
    expect(inOrder.length).toBeGreaterThanOrEqual(ALL.length);
    for (const [i, { from }] of inOrder.entries()) if (i > 0) expect(from).toBeGreaterThan(inOrder[i - 1].to);
  });
});
