import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../simulation/random.js';
import { shell, TestCluster, until } from './harness.js';

describe('a replica whose disk alters what was written', { timeout: 240_000 }, () => {
  let cluster: TestCluster;
  let source: string;

  beforeEach(async () => {
    cluster = new TestCluster();
    await cluster.up();
    // More than a replica looks through each time it starts.
    source = path.join(cluster.scratch, 'source');
    await shell(
      `mkdir -p ${source}; for i in $(seq 1 120); do head -c $((i * 2011)) /dev/urandom > ${source}/f$i; done`,
    );
    await shell(`cp -r ${source} ${cluster.mountpoint}/copy && sync -f ${cluster.mountpoint}/copy/f1`);
  });
  afterEach(() => cluster.destroy());

  const state = (id: number): string => path.join(cluster.directory, `replica-${id}/state.db`);
  const log = (id: number): string => fs.readFileSync(path.join(cluster.scratch, `replica-${id}.log`), 'utf8');

  /** Random bytes at so many places beyond the first page. */
  const spoil = (id: number, places: number, seed: number): void => {
    const random = new Random(seed);
    const file = fs.openSync(state(id), 'r+');
    const { size } = fs.fstatSync(file);
    expect(size).toBeGreaterThan(8 << 20);
    for (let i = 0; i < places; i++) {
      const bytes = Buffer.from(Array.from({ length: 40 }, () => random.below(256)));
      fs.writeSync(file, bytes, 0, bytes.length, 8192 + random.below(size - 8192 - bytes.length));
    }
    fs.closeSync(file);
  };

  const expectRight = () => shell(`diff -r ${source} ${cluster.mountpoint}/copy`);

  const scrub = async (id: number) => {
    const { code, stdout, stderr } = await cluster.byzfs('scrub', cluster.directory, '--id', String(id), '--json');
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout) as { replica: number; rows: number; damaged: number; repaired: number };
  };

  const expectSame = async (): Promise<void> => {
    const { replicas } = await cluster.status({ barrier: true });
    expect(replicas.map(({ state }) => state)).toEqual(['normal', 'normal', 'normal', 'normal']);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    expect(new Set(replicas.map(({ stableCheckpoint }) => stableCheckpoint)).size).toBe(1);
  };

  /** By a scrub, or by itself before it was asked for one. */
  const expectMended = async (id: number): Promise<void> => {
    const { replicas } = await cluster.status();
    const { damaged, repaired, asked } = replicas[id].scrub as { damaged: number; repaired: number; asked: boolean };
    expect(damaged).toBeGreaterThan(0);
    expect([repaired, asked]).toEqual([damaged, false]);
  };

  it('while it is stopped: what it has is made good, and the mount is right all the time', async () => {
    await cluster.stop(2);
    spoil(2, 8, 1);
    cluster.startReplica(2);
    await expectRight();
    const result = await scrub(2);
    expect(result.replica).toBe(2);
    // A pass may be of a state that was begun anew, and is a little behind.
    expect(result.rows).toBeGreaterThan(120);
    await expectRight();
    await expectSame();
    await expectMended(2);
  });

  it('while it runs: the same', async () => {
    await cluster.stop(1);
    cluster.startReplica(1);
    await cluster.ready();
    // It has read next to nothing yet that it could answer from memory.
    spoil(1, 8, 2);
    await expectRight();
    await scrub(1);
    await expectMended(1);
    await shell(`cp -r ${source} ${cluster.mountpoint}/later`);
    await expectRight();
    await expectSame();
  });

  it('so that execution trips over it, or a scrub: the replica begins anew, or mends it', async () => {
    await cluster.stop(2);
    const db = new Database(state(2));
    // A size that no reply can have.
    db.exec('UPDATE inode SET size = -5 WHERE ino > 1');
    db.close();
    cluster.startReplica(2);
    await cluster.ready();
    await shell(`ls -l ${cluster.mountpoint}/copy`);
    await expectRight();
    await until('it is as it was', () => /it is set aside|has the state of the others/.test(log(2)), 40_000);
    expect(log(2)).toMatch(/this replica stops|the state is not what was written/);
    await cluster.ready();
    await expectRight();
    await expectSame();
  });

  it('so that the file is none any more: it begins anew, says so, and keeps the old one', async () => {
    await cluster.stop(3);
    fs.writeFileSync(state(3), Buffer.alloc(100_000, 0x5a));
    cluster.startReplica(3);
    await cluster.ready();
    await expectRight();
    await expectSame();
    expect(log(3)).toMatch(/it is set aside/);
    expect(fs.readdirSync(path.dirname(state(3)))).toContain('state.damaged-1');
  });

  it('of a sound one, a scrub finds nothing', async () => {
    expect(await scrub(0)).toMatchObject({ damaged: 0, repaired: 0 });
    const { code, stderr } = await cluster.byzfs('scrub', cluster.directory, '--id', '7');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/no replica 7/)]);
  });
});
