import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CustodyOperation, decodeOutcome, encodeCustody } from '../../replica/custody/operations.js';
import { connect, type ReplicaClient } from '../../src/client/connect.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { CLI, TestCluster } from './harness.js';

const PROGRAM = path.join(path.dirname(CLI), '../../replica/custody/main.js');
const seal = Buffer.from('seal 17');

/** The client library that mounts use, and the replicas that mounts use, with another service. */
describe('a custody register, replicated', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  const replicas: ChildProcess[] = [];
  const parties: ReplicaClient[] = [];

  beforeEach(() => {
    cluster = new TestCluster();
  });
  afterEach(async () => {
    await Promise.all(parties.splice(0).map((party) => party.close()));
    await cluster.destroy();
  });

  const start = (id: number): void => {
    replicas[id] = cluster.startReplica(id, [PROGRAM, cluster.directory, String(id)]);
  };

  const killed = (id: number): Promise<void> =>
    new Promise((resolve) => {
      replicas[id].on('exit', () => resolve());
      replicas[id].kill('SIGKILL');
    });

  const party = async (name: string): Promise<ReplicaClient> => {
    const description = loadCluster(cluster.directory);
    const identity = loadClientIdentity(cluster.directory, description, name);
    const log = pino({ level: 'silent' });
    const client = await connect({ cluster: description, identity, log, deadlineMs: 30_000 });
    parties.push(client);
    return client;
  };

  const asks = async (client: ReplicaClient, operation: CustodyOperation): Promise<unknown> =>
    decodeOutcome(await client.call(encodeCustody(operation), { readOnly: operation.op === 'query' }));

  it('an item changes hands while the primary is killed, once, and all replicas agree on who has it', async () => {
    await cluster.init('--client', 'alice', '--client', 'bob');
    for (const id of [0, 1, 2, 3]) start(id);
    await cluster.ready();
    const { clients } = loadCluster(cluster.directory);
    const number = (name: string): number => clients.find((client) => client.name === name)!.id;
    const [alice, bob] = [await party('alice'), await party('bob')];
    expect(await asks(alice, { op: 'enter', item: seal })).toMatchObject({ holder: number('alice') });
    expect(await asks(bob, { op: 'accept', item: seal })).toBe('not offered');
    expect(await asks(alice, { op: 'offer', item: seal, to: number('bob') })).toMatchObject({
      holder: number('alice'),
    });

    await killed(0);
    expect(await asks(bob, { op: 'accept', item: seal })).toMatchObject({ holder: number('bob'), handovers: 1 });
    const held = { holder: number('bob'), offeredTo: number('bob'), handovers: 1 };
    expect(await asks(alice, { op: 'query', item: seal })).toEqual(held);
    expect(await asks(alice, { op: 'offer', item: seal, to: number('alice') })).toBe('not the holder');
    expect((await cluster.status()).view).toBeGreaterThan(0);

    start(0);
    // Up to a checkpoint, so that there is a root to be compared.
    for (let i = 0; i < 200; i++) await asks(bob, { op: 'enter', item: Buffer.from(`item ${i}`) });
    await cluster.ready();
    await killed(3);
    expect(await asks(alice, { op: 'query', item: seal })).toEqual(held);
    const agreed = (await cluster.status()).replicas.filter(({ up }) => up);
    expect(agreed.map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(new Set(agreed.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`)).size).toBe(1);
    expect(agreed[0].stableCheckpoint).toBeGreaterThan(0);
  });
});
