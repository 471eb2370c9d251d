import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CreateReplica } from '../../../src/cli/init/placing.js';
import { initialise } from '../../../src/cli/init.js';
import { loadCluster } from '../../../src/cluster/file.js';
import { loadClientIdentity, loadReplicaIdentity } from '../../../src/cluster/identity.js';

let scratch: string;
let directory: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  directory = join(scratch, 'cluster');
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const fakeReplica: CreateReplica = async ({ id, directory }) => {
  mkdirSync(directory);
  writeFileSync(join(directory, 'state'), String(id));
};

const init = (options = {}) => initialise(directory, options, fakeReplica);

describe('init', () => {
  it('lays out a cluster of four', async () => {
    const cluster = await init();
    expect(readdirSync(directory).sort()).toEqual(
      ['clients', 'cluster.json', 'keys', 'replica-0', 'replica-1', 'replica-2', 'replica-3', 'run'].sort(),
    );
    expect(readdirSync(join(directory, 'clients')).sort()).toEqual(['admin.key', 'mount.key']);
    expect(loadCluster(directory)).toEqual(cluster);
    for (const { id } of cluster.replicas) expect(loadReplicaIdentity(directory, cluster, id).id).toBe(id);
    expect(loadClientIdentity(directory, cluster, 'mount').id).toBe(0);
    expect(statSync(join(directory, 'keys')).mode & 0o777).toBe(0o700);
    expect(cluster.rootUid).toBe(process.getuid!());
  });

  it('takes hosts, ports and clients', async () => {
    const host = ['a.example', 'b.example', 'c.example', 'd.example'];
    const cluster = await init({ host, basePort: 9000, client: ['alice', 'bob', 'alice'] });
    expect(cluster.replicas.map(({ host, port }) => `${host}:${port}`)).toEqual(host.map((h, i) => `${h}:${9000 + i}`));
    expect(cluster.clients.map(({ name }) => name)).toEqual(['alice', 'bob', 'admin']);
  });

  it('accepts an empty directory, and no other', async () => {
    mkdirSync(directory);
    await init();
    await expect(init()).rejects.toThrow('already is a cluster directory');
    const other = join(scratch, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'precious'), '');
    await expect(initialise(other, {}, fakeReplica)).rejects.toThrow('is not empty (precious is in it)');
    expect(readdirSync(other)).toEqual(['precious']);
  });

  it('leaves nothing behind when a replica cannot be made', async () => {
    const failing: CreateReplica = async (options) => {
      if (options.id === 2) throw new Error('disk full');
      await fakeReplica(options);
    };
    await expect(initialise(directory, {}, failing)).rejects.toThrow(/cannot be made a cluster directory: disk full/);
    expect(readdirSync(scratch)).toEqual([]);
    mkdirSync(directory);
    await expect(initialise(directory, {}, failing)).rejects.toThrow('disk full');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('has a single replica recover from nobody', async () => {
    await expect(init({ replicas: 1, recoveryPeriod: 60 })).rejects.toThrow('nobody to recover from');
    expect((await init({ recoveryPeriod: 60 })).recoveryPeriodSeconds).toBe(60);
  });

  it('wants no more signatures than there are owners', async () => {
    await expect(init({ ownerSignatures: 5 })).rejects.toThrow('--owner-signatures: 4 at most');
    expect((await init({ ownerSignatures: 2 })).ownerSignatures).toBe(2);
  });

  it('encrypts links as it is told', async () => {
    expect((await init({ encryption: 'on' })).encryption).toBe('on');
  });

  it('refuses hosts and ports that do not fit', async () => {
    await expect(init({ host: ['a', 'b'] })).rejects.toThrow('--host is given 2 times');
    await expect(init({ basePort: 65_533 })).rejects.toThrow('65532 is the last that does');
    expect(readdirSync(scratch)).toEqual([]);
  });
});
