import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeClientRecord } from '../../../src/cluster/client-record.js';
import { newCluster } from '../../../src/cluster/create.js';
import { loadClientIdentity, loadReplicaIdentity } from '../../../src/cluster/identity.js';
import { writeKeyFile } from '../../../src/cluster/keys.js';
import { layoutOf } from '../../../src/cluster/layout.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';

const made = newCluster({
  replicas: 4,
  hosts: ['127.0.0.1'],
  basePort: 7400,
  clientNames: ['mount', 'admin'],
  rootUid: 0,
  rootGid: 0,
  createdSeconds: 0,
});
const { cluster, replicaSeeds, clientSeeds } = made;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  const layout = layoutOf(directory);
  mkdirSync(layout.keys);
  mkdirSync(layout.clients);
  writeKeyFile(layout.replicaKey(2), 'replica 2', replicaSeeds[2]);
  writeKeyFile(layout.clientKey('admin'), 'client admin', clientSeeds[1]);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = () => layoutOf(directory).replicaKey(2);
const load = () => loadReplicaIdentity(directory, cluster, 2);

describe('identities', () => {
  it('are what the cluster registered', () => {
    expect(load()).toEqual({ role: 'replica', id: 2, seed: replicaSeeds[2] });
    expect(loadClientIdentity(directory, cluster, 'admin')).toEqual({ role: 'client', id: 1, seed: clientSeeds[1] });
  });

  it('are files for their owner only', () => {
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(() => writeKeyFile(path(), 'replica 2', replicaSeeds[2])).toThrow(/EEXIST/);
  });

  it.each([0o640, 0o604, 0o660, 0o622])('are refused with mode %o', (mode) => {
    chmodSync(path(), mode);
    expect(load).toThrow(
      `${path()}: mode 0${mode.toString(8)} lets others than its owner use this private key: chmod 600 it`,
    );
  });

  it('are refused when cut short, garbled or of another file', () => {
    const text = readFileSync(path(), 'utf8');
    for (const bad of ['', text.slice(0, -10), `${text}x\n`, text.replace('\n', '\n='), text.slice(5)]) {
      writeFileSync(path(), bad);
      expect(load).toThrow(/replica-2\.key: (not a key file|corrupt): [^\n]+$/);
    }
  });

  it('are refused when they are the key of somebody else', () => {
    rmSync(path());
    writeKeyFile(path(), 'replica 2', replicaSeeds[1]);
    expect(load).toThrow(`${path()}: not the key of replicas[2] in cluster.json`);
  });

  it('of a client that was registered later go by its record, also where it has the name of another', () => {
    const layout = layoutOf(directory);
    const seed = Buffer.alloc(32, 9);
    const entry = { id: 17, name: 'mount', publicKey: new SigningKey(seed).publicKey };
    writeKeyFile(layout.clientKey('mount'), 'client mount', seed);
    const identity = () => loadClientIdentity(directory, cluster, 'mount');
    expect(identity).toThrow('not the key of clients[0] in cluster.json');
    writeClientRecord(layout.clientRecord('mount'), cluster.id, entry);
    expect(identity()).toEqual({ role: 'client', id: 17, seed });
    writeClientRecord(layout.clientRecord('mount'), Buffer.alloc(32), entry);
    expect(identity).toThrow(/mount\.json: the record of a client of another cluster$/);
    writeFileSync(layout.clientRecord('mount'), '{}');
    expect(identity).toThrow(/mount\.json: no record of a client: byzfs client add makes one$/);
  });

  it('that are missing are named', () => {
    expect(() => loadReplicaIdentity(directory, cluster, 0)).toThrow(/replica-0\.key: not there/);
    expect(() => loadReplicaIdentity(directory, cluster, 4)).toThrow('no replica 4: it has 0 to 3');
    expect(() => loadClientIdentity(directory, cluster, 'eve')).toThrow(
      'no client is named "eve": it has mount, admin',
    );
  });
});
