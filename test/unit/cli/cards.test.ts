import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinCluster, makeCard } from '../../../src/cli/init/cards.js';
import type { CreateReplica } from '../../../src/cli/init/placing.js';
import { readCard } from '../../../src/cluster/card.js';
import { loadCluster } from '../../../src/cluster/file.js';
import { loadClientIdentity, loadReplicaIdentity } from '../../../src/cluster/identity.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const at = (name: string): string => join(scratch, name);
const replica = (name: string, host = `${name}.example.org`): string =>
  makeCard(at(name), { role: 'replica', name, host, port: 7400, encrypt: false });
const client = (name: string, directory = name): string =>
  makeCard(at(directory), { role: 'client', name, encrypt: false });

const fakeReplica: CreateReplica = async ({ id, directory }) => {
  mkdirSync(directory);
  writeFileSync(join(directory, 'state'), String(id));
};
const options = { rootUid: 0, rootGid: 0 };
const join_ = (name: string, files: string[], create = fakeReplica) => joinCluster(at(name), files, options, create);

const OWNERS = ['dora', 'anna', 'carl', 'bert'];
const everybody = (): string[] => [...OWNERS.map((name) => replica(name)), client('admin', 'anna'), client('laptop')];

describe('owners', () => {
  it('come to one cluster, each with the keys that were made there and no others', async () => {
    const cards = everybody();
    const texts = new Set<string>();
    for (const [i, name] of [...OWNERS, 'laptop'].entries()) {
      await join_(name, [...cards.slice(i), ...cards.slice(0, i)]);
      texts.add(readFileSync(join(at(name), 'cluster.json'), 'utf8'));
    }
    expect(texts.size).toBe(1);
    const cluster = loadCluster(at('anna'));
    for (const [id, name] of [...OWNERS].sort().entries()) {
      expect(loadReplicaIdentity(at(name), cluster, id).id).toBe(id);
      expect(readdirSync(join(at(name), 'keys'))).toEqual([`replica-${id}.key`]);
      expect(readFileSync(join(at(name), `replica-${id}`, 'state'), 'utf8')).toBe(String(id));
      expect(readdirSync(at(name)).filter((entry) => /^replica|^\.init/.test(entry))).toEqual([`replica-${id}`]);
    }
    expect(loadClientIdentity(at('anna'), cluster, 'admin').id).toBe(0);
    expect(loadClientIdentity(at('laptop'), cluster, 'laptop').id).toBe(1);
    expect(readdirSync(at('laptop')).sort()).toEqual(['clients', 'cluster.json', 'keys', 'laptop.card', 'run']);
    expect(() => replica('anna')).toThrow('is a cluster directory already');
    await expect(join_('anna', cards)).rejects.toThrow('already is a cluster directory');
  });

  it('may make a card anew for another address, with the same key', () => {
    const { publicKey } = readCard(replica('anna'));
    expect(readCard(replica('anna', '10.0.0.1'))).toMatchObject({ publicKey, host: '10.0.0.1' });
  });

  it('are told what is wrong with a name or an address before there is a card', () => {
    expect(() => replica('anna', 'no host')).toThrow('host: a host name or address expected');
    expect(existsSync(at('anna'))).toBe(false);
    replica('anna');
    expect(() => client('anna')).toThrow('anna.card is the card of another: give another name');
  });

  it('are refused with cards that lack their own, or where there is no identity', async () => {
    const cards = everybody();
    replica('eve');
    await expect(join_('eve', cards)).rejects.toThrow(/eve\.key: its card is not among those given/);
    mkdirSync(at('nobody'));
    await expect(join_('nobody', cards)).rejects.toThrow('has no identity: make one with byzfs init');
    expect(readdirSync(at('eve')).sort()).toEqual(['clients', 'eve.card', 'keys']);
  });

  it('are refused with a card that was edited', async () => {
    const cards = everybody();
    writeFileSync(cards[2], readFileSync(cards[2], 'utf8').replace('carl.example.org', 'evil.example.org'));
    await expect(join_('anna', cards)).rejects.toThrow(/carl\.card: not signed by its own key/);
  });

  it('are refused with options that make no cluster', async () => {
    const cards = everybody();
    await expect(joinCluster(at('anna'), cards, { ...options, ownerSignatures: 5 }, fakeReplica)).rejects.toThrow(
      'ownerSignatures: 4 at most',
    );
  });

  it('begin again after a failure, and never over a state that is there', async () => {
    const cards = everybody();
    const failing: CreateReplica = async () => {
      throw new Error('disk full');
    };
    await expect(join_('anna', cards, failing)).rejects.toThrow('cannot be made a cluster directory: disk full');
    expect(readdirSync(at('anna')).filter((name) => /^\.init|cluster/.test(name))).toEqual([]);
    await join_('anna', cards);
    rmSync(join(at('anna'), 'cluster.json'));
    await expect(join_('anna', cards)).rejects.toThrow(/replica-0 is there without a cluster\.json: put that back/);
  });
});
