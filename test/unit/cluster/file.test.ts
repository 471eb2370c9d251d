import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newCluster } from '../../../src/cluster/create.js';
import { formatCluster, loadCluster, parseCluster } from '../../../src/cluster/file.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';

const options = {
  replicas: 4,
  hosts: ['127.0.0.1'],
  basePort: 7400,
  clientNames: ['mount', 'admin'],
  rootUid: 0,
  rootGid: 0,
  createdSeconds: 1_700_000_000,
};

const { cluster } = newCluster(options);
const text = formatCluster(cluster);

// biome-ignore lint/suspicious/noExplicitAny: tests spoil fields of every kind
type Spoil = (file: any) => void;

const spoilt = (spoil: Spoil): string => {
  const file = JSON.parse(text);
  spoil(file);
  return JSON.stringify(file);
};

const fault = (json: string): string => {
  try {
    parseCluster(json, 'cluster.json');
  } catch (error) {
    expect((error as Error).name).toBe('ClusterError');
    return (error as Error).message;
  }
  throw new Error('accepted');
};

describe('the cluster file', () => {
  it('reads back what was written', () => {
    expect(parseCluster(text, 'cluster.json')).toEqual(cluster);
  });

  it.each([
    [0, 1],
    [1, 4],
    [2, 7],
    [3, 10],
  ])('f = %i has %i replicas, ports in a row', (f, replicas) => {
    const made = newCluster({ ...options, replicas }).cluster;
    expect(made.f).toBe(f);
    expect(made.replicas.map(({ port }) => port)).toEqual(Array.from({ length: replicas }, (_, i) => 7400 + i));
    expect(parseCluster(formatCluster(made), 'cluster.json')).toEqual(made);
  });

  it('has defaults of 64 GiB and 4 Mi inodes, buffered, with signed requests', () => {
    expect(cluster).toMatchObject({
      capacityBytes: 68_719_476_736,
      capacityInodes: 4_194_304,
      durability: 'buffered',
      requestAuthentication: 'signature',
      optimizations: { ...ALL_OPTIMIZATIONS },
    });
  });

  it('takes optimizations that it does not name as on, and refuses those it does not know', () => {
    const bare = JSON.parse(text);
    delete bare.optimizations;
    expect(parseCluster(JSON.stringify(bare), 'x')).toEqual(cluster);
    bare.optimizations = { batching: false };
    const { optimizations } = parseCluster(JSON.stringify(bare), 'x');
    expect(optimizations).toEqual({ ...ALL_OPTIMIZATIONS, batching: false });
    expect(newCluster({ ...options, without: ['batching'] }).cluster.optimizations).toEqual(optimizations);
  });

  it('has replicas recover in a period that it names, as part of its id, and else not at all', () => {
    const bare = JSON.parse(text);
    delete bare.recoveryPeriodSeconds;
    expect(parseCluster(JSON.stringify(bare), 'x')).toEqual(cluster);
    expect(cluster.recoveryPeriodSeconds).toBe(0);
    bare.recoveryPeriodSeconds = 86_400;
    const recovering = parseCluster(JSON.stringify(bare), 'x');
    expect(recovering.recoveryPeriodSeconds).toBe(86_400);
    expect(recovering.id).not.toEqual(cluster.id);
    const single = JSON.parse(formatCluster(newCluster({ ...options, replicas: 1 }).cluster));
    expect(fault(JSON.stringify({ ...single, recoveryPeriodSeconds: 60 }))).toMatch(/nobody to recover from/);
  });

  it('says how many owners have to sign a change of clients, as part of its id, and else none', () => {
    const bare = JSON.parse(text);
    delete bare.ownerSignatures;
    expect(parseCluster(JSON.stringify(bare), 'x')).toEqual(cluster);
    expect(cluster.ownerSignatures).toBe(0);
    const signed = parseCluster(JSON.stringify({ ...bare, ownerSignatures: 3 }), 'x');
    expect(signed.id).not.toEqual(cluster.id);
    expect(parseCluster(formatCluster(signed), 'x')).toEqual(signed);
    expect(fault(JSON.stringify({ ...bare, ownerSignatures: 5 }))).toMatch(/ownerSignatures: 4 at most/);
  });

  it('says which links are encrypted, as part of its id, and else those that leave a machine', () => {
    const bare = JSON.parse(text);
    delete bare.encryption;
    expect(parseCluster(JSON.stringify(bare), 'x')).toEqual(cluster);
    expect(cluster.encryption).toBe('auto');
    const [on, off] = ['on', 'off'].map((encryption) => parseCluster(JSON.stringify({ ...bare, encryption }), 'x'));
    expect(new Set([on, off, cluster].map(({ id }) => id.toString('hex'))).size).toBe(3);
    expect(parseCluster(formatCluster(on), 'x')).toEqual(on);
    expect(fault(JSON.stringify({ ...bare, encryption: true }))).toMatch(/encryption: "auto", "on" or "off" expected/);
  });

  it.each<[string, string, Spoil]>([
    ['optimizations: unknown field "prefetch"', 'an unknown one', (f) => (f.optimizations.prefetch = true)],
    ['optimizations.batching: true or false expected', 'no boolean', (f) => (f.optimizations.batching = 1)],
    ['replicas[2].publicKey: 43 base64url characters expected', 'short key', (f) => (f.replicas[2].publicKey = 'abc')],
    ['replicas[2].publicKey: 43 base64url characters expected', 'no key', (f) => delete f.replicas[2].publicKey],
    ['replicas[1].id: 1 expected, replicas are listed in order', 'order', (f) => (f.replicas[1].id = 3)],
    ['replicas: 4 expected for f = 1, 3 listed', 'count', (f) => f.replicas.pop()],
    [
      'replicas[3].port: the same as replicas[0].port: each member has its own',
      'address twice',
      (f) => (f.replicas[3].port = 7400),
    ],
    ['replicas[0].port: an integer from 1 to 65535 expected', 'port', (f) => (f.replicas[0].port = '7400')],
    ['replicas[1].host: a host name or address expected', 'host', (f) => (f.replicas[1].host = 'a b')],
    [
      'clients[1].publicKey: the same as replicas[0].publicKey: each member has its own',
      'key twice',
      (f) => (f.clients[1].publicKey = f.replicas[0].publicKey),
    ],
    [
      'clients[1].name: the same as clients[0].name: each member has its own',
      'name twice',
      (f) => (f.clients[1].name = 'mount'),
    ],
    ['clients: at least one client expected', 'no clients', (f) => (f.clients = [])],
    ['f: an integer from 0 to 3 expected', 'f', (f) => (f.f = 4)],
    ['unknown field "durabilty"', 'typing error', (f) => (f.durabilty = 'synced')],
    ['replicas[0]: unknown field "prot"', 'typing error below', (f) => (f.replicas[0].prot = 1)],
    ['durability: "buffered" or "synced" expected', 'durability', (f) => (f.durability = 'sync')],
    [
      'format: "byzfs-cluster/1" expected: this release reads no other format',
      'format',
      (f) => (f.format = 'byzfs-cluster/2'),
    ],
  ])('says in one line: %s (%s)', (message, _, spoil) => {
    expect(fault(spoilt(spoil))).toBe(`cluster.json: ${message}`);
  });

  it('refuses a client name that would leave its directory', () => {
    for (const name of ['../x', 'a/b', '', '.hidden', 'A']) {
      expect(fault(spoilt((f) => (f.clients[0].name = name)))).toMatch(
        /^cluster\.json: clients\[0\]\.name: a client name is/,
      );
    }
  });

  it('refuses a key of small order', () => {
    const identity = Buffer.alloc(32);
    identity[0] = 1;
    const message = fault(spoilt((f) => (f.replicas[0].publicKey = identity.toString('base64url'))));
    expect(message).toMatch(/^cluster\.json: replicas\[0\]\.publicKey: .+/);
    expect(message).not.toMatch(/43 base64url/);
  });

  it('is refused wherever it was cut short', () => {
    for (let length = 0; length < text.length - 2; length += 7) fault(text.slice(0, length));
  });

  it('refuses what is no JSON, or no object, in one line', () => {
    expect(fault('{')).toMatch(/^cluster\.json: not JSON, or cut short: [^\n]+: copy it again from another machine/);
    expect(fault('[]')).toBe('cluster.json: an object expected');
  });
});

describe('the cluster id', () => {
  it('does not depend on the layout of the text', () => {
    expect(parseCluster(JSON.stringify(JSON.parse(text)), 'x').id).toEqual(cluster.id);
    const turned = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()));
    expect(parseCluster(turned, 'x').id).toEqual(cluster.id);
    expect(cluster.id).toHaveLength(32);
  });

  const otherKey = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x;

  it.each<[string, Spoil]>([
    ['a host', (f) => (f.replicas[0].host = 'example.org')],
    ['a port', (f) => (f.replicas[0].port = 1)],
    ['a replica key', (f) => (f.replicas[0].publicKey = otherKey)],
    ['a client key', (f) => (f.clients[0].publicKey = otherKey)],
    ['a client name', (f) => (f.clients[0].name = 'other')],
    ['capacity in bytes', (f) => f.capacityBytes++],
    ['capacity in inodes', (f) => f.capacityInodes++],
    ['the root user', (f) => f.rootUid++],
    ['the root group', (f) => f.rootGid++],
    ['the time of creation', (f) => f.createdSeconds++],
    ['durability', (f) => (f.durability = 'synced')],
    ['request authentication', (f) => (f.requestAuthentication = 'mac')],
    ['an optimization', (f) => (f.optimizations.batching = false)],
    ['another optimization', (f) => (f.optimizations.directReads = false)],
  ])('changes with %s', (_, spoil) => {
    expect(parseCluster(spoilt(spoil), 'x').id).not.toEqual(cluster.id);
  });

  it('of a fixed cluster is this one for ever', () => {
    const fixed = spoilt((f) => {
      f.f = 0;
      f.replicas.splice(1);
      // Public keys of RFC 8032 §7.1, tests 1 and 2.
      f.replicas[0].publicKey = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
      f.clients = [{ name: 'mount', publicKey: 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw' }];
    });
    expect(parseCluster(fixed, 'x').id.toString('hex')).toMatchInlineSnapshot(
      `"c2092425d92102f45312e24ffa5af73d502f65a08c3c7f17decadb50fb6db5f6"`,
    );
  });
});

describe('loading', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('finds the file in its directory', () => {
    writeFileSync(join(directory, 'cluster.json'), text);
    expect(loadCluster(directory)).toEqual(cluster);
  });

  it('says which directory is none', () => {
    expect(() => loadCluster(directory)).toThrow(`${directory} is no cluster directory`);
  });
});
