import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/connect.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { encodeOperation } from '../../src/fileservice/operations.js';
import { Limits } from '../../src/limits.js';
import { CLI, shell, TestCluster, until } from './harness.js';

const NOT_CERTIFIED = 'state that is not the certified one';
const TWO_CHECKPOINTS = 'two checkpoints for one number';
const LIES = [NOT_CERTIFIED, TWO_CHECKPOINTS];

const REJOINING = 3;

/** A cluster with some 12 MB of files, and replicas in it that lie to whoever takes the state from them. */
class Room {
  readonly cluster: TestCluster;
  private readonly liars = new Map<number, ChildProcess>();
  private rejoins = 0;

  constructor(replicas: number) {
    this.cluster = new TestCluster(replicas);
  }

  async open(): Promise<void> {
    const { cluster } = this;
    // So many batches, one a call, that who has none of them takes the state instead.
    await cluster.init('--without', 'batching');
    await cluster.up();
    await this.orderNothing(Limits.transferLag + Limits.logSize);
    await shell(
      `cd ${cluster.mountpoint}; head -c 12000000 /dev/urandom > large; mkdir small;
       for i in $(seq 1 200); do head -c $((i * 53)) /dev/urandom > small/$i; done; sync -f large`,
    );
  }

  private async orderNothing(batches: number): Promise<void> {
    const cluster = loadCluster(this.cluster.directory);
    const identity = loadClientIdentity(this.cluster.directory, cluster, 'admin');
    const client = await connect({ cluster, identity, log: pino({ level: 'silent' }), deadlineMs: 60_000 });
    const user = { uid: 0, gid: 0, groups: [] };
    const nothing = encodeOperation(user, { op: 'null', padding: Buffer.alloc(0), resultBytes: 0 });
    let left = batches;
    const call = async (): Promise<void> => {
      while (left-- > 0) await client.call(nothing);
    };
    await Promise.all(Array.from({ length: 64 }, call));
    await client.close();
  }

  /** Replaces replicas by such as keep to the agreement otherwise. */
  async lie(kind: string, ...ids: number[]): Promise<void> {
    const { cluster } = this;
    const program = path.join(import.meta.dirname, 'faulty-replica.mjs');
    for (const id of ids) {
      const before = this.liars.get(id);
      if (before === undefined) cluster.kill(id);
      else before.kill();
      if (before !== undefined) await until('the last liar has stopped', () => before.exitCode !== null);
      this.liars.set(id, cluster.startReplica(id, [program, cluster.directory, String(id), kind]));
    }
    await cluster.ready();
  }

  /** A replica that lost everything takes the state from the others, while a client goes on writing. */
  async rejoin(): Promise<void> {
    const { cluster } = this;
    cluster.kill(REJOINING);
    fs.rmSync(path.join(cluster.directory, `replica-${REJOINING}`), { recursive: true });
    const name = `${cluster.mountpoint}/while-${this.rejoins++}`;
    // Beyond all that it may have voted for, so that it is done when this is.
    const batches = Limits.logSize + 2 * Limits.checkpointInterval;
    const mkdirs = `Promise.all(Array.from({ length: ${batches} }, (_, i) => fs.promises.mkdir('${name}-' + i)))`;
    const writing = shell(`node -e "const fs = require('fs'); ${mkdirs}"`, { timeoutMs: 180_000 });
    const again = [CLI, 'replica', '--cluster', cluster.directory, '--id', String(REJOINING), '--rejoin'];
    cluster.startReplica(REJOINING, again);
    await writing;
    await cluster.ready();
    const { replicas } = await cluster.status();
    expect(replicas[REJOINING].transferred?.transfers).toBeGreaterThan(0);
  }

  async expectRight(liars: Record<number, string[]>): Promise<void> {
    const { replicas } = await this.cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stableCheckpoint }) => stableCheckpoint)).size).toBe(1);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    // It may also have found a primary slow.
    const caught = replicas[REJOINING].suspicions.filter(({ why }) => LIES.includes(why));
    for (const { replica, why } of caught) expect(liars[replica]).toContain(why);
    expect(caught.map(({ replica }) => replica).sort()).toEqual(
      Object.entries(liars).flatMap(([id, whys]) => (whys.length > 0 ? Number(id) : [])),
    );
  }
}

describe('a replica that lost its disk, f = 1, one source lies', { timeout: 120_000 }, () => {
  const room = new Room(4);
  beforeAll(() => room.open(), 120_000);
  afterAll(() => room.cluster.destroy());

  it.each([
    ['wrong-nodes', NOT_CERTIFIED],
    ['wrong-rows', NOT_CERTIFIED],
    ['endless', NOT_CERTIFIED],
    ['uncertified', NOT_CERTIFIED, TWO_CHECKPOINTS],
    ['slow-source'],
  ])('%s: it has the state of the others nonetheless, and knows who lied', async (kind, ...whys) => {
    // The first to be asked.
    await room.lie(kind, 0);
    await room.rejoin();
    await room.expectRight({ 0: whys });
  });
});

describe('a replica that lost its disk, f = 2, two sources tell the same lie', { timeout: 240_000 }, () => {
  const room = new Room(7);
  beforeAll(() => room.open(), 240_000);
  afterAll(() => room.cluster.destroy());

  it('has the state of the others nonetheless, and knows who lied', async () => {
    await room.lie('wrong-rows', 0, 1);
    await room.rejoin();
    await room.expectRight({ 0: [NOT_CERTIFIED], 1: [NOT_CERTIFIED] });
  });
});
