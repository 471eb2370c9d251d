import { describe, expect, it } from 'vitest';
import { assemble, type GivenCard } from '../../../src/cluster/assembly.js';
import { type Card, formatCard, parseCard } from '../../../src/cluster/card.js';
import { formatCluster, parseCluster } from '../../../src/cluster/file.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';

const seedOf = (n: number): Buffer => Buffer.alloc(32, n);
const publicKey = (n: number): Buffer => new SigningKey(seedOf(n)).publicKey;

const replica = (n: number, name: string): Card => ({
  ...{ role: 'replica', name, host: `${name}.example.org`, port: 7400, createdSeconds: 1000 + n },
  publicKey: publicKey(n),
});
const client = (n: number, name: string): Card => ({
  ...{ role: 'client', name, createdSeconds: 1000 + n, publicKey: publicKey(n) },
});
const given = (...cards: Card[]): GivenCard[] => cards.map((card) => ({ file: `${card.name}.card`, card }));

const FOUR = [replica(1, 'dora'), replica(2, 'anna'), replica(3, 'carl'), replica(4, 'bert')];
const CLIENTS = [client(5, 'mount'), client(6, 'admin')];
const options = { rootUid: 0, rootGid: 0 };

describe('a card', () => {
  it('reads back what was written', () => {
    for (const [card, n] of [[FOUR[0], 1] as const, [CLIENTS[1], 6] as const]) {
      expect(parseCard(formatCard(card, seedOf(n)), 'x.card')).toEqual(card);
    }
  });

  it('is refused when anything in it was changed', () => {
    const text = formatCard(FOUR[0], seedOf(1));
    const changes = {
      ...{ name: 'eve', host: 'evil.example.org', port: 7401, createdSeconds: 7, role: 'client' },
      publicKey: publicKey(9).toString('base64url'),
      signature: 'A'.repeat(86),
    };
    for (const [field, value] of Object.entries(changes)) {
      const changed = JSON.stringify({ ...JSON.parse(text), [field]: value });
      const why = field === 'role' ? /^dora\.card: unknown field "host"$/ : /^dora\.card: not signed by its own key: /;
      expect(() => parseCard(changed, 'dora.card')).toThrow(why);
    }
  });

  it('that is no client becomes none by losing its address', () => {
    const { host: _, port: __, ...rest } = JSON.parse(formatCard(FOUR[0], seedOf(1)));
    expect(() => parseCard(JSON.stringify({ ...rest, role: 'client' }), 'x')).toThrow('not signed by its own key');
  });

  it('is refused when it is torn, or of another kind, in one line', () => {
    const text = formatCard(FOUR[0], seedOf(1));
    for (let length = 0; length < text.length - 2; length += 5) {
      expect(() => parseCard(text.slice(0, length), 'x.card')).toThrow(/^x\.card: no card, or cut short: [^\n]+$/);
    }
    expect(() => parseCard('{"role":"king"}', 'x.card')).toThrow(/^x\.card: role: "replica" or "client" expected$/);
    expect(() => parseCard(JSON.stringify({ ...JSON.parse(text), format: 'byzfs-card/2' }), 'x')).toThrow(
      'format: "byzfs-card/1" expected: this release reads no other format',
    );
  });
});

describe('a cluster of cards', () => {
  it('is the same, byte for byte, in whatever order they come', () => {
    const cards = [...FOUR, ...CLIENTS];
    const text = formatCluster(assemble(given(...cards), options));
    for (let turn = 0; turn < cards.length; turn++) {
      cards.push(cards.shift()!);
      expect(formatCluster(assemble(given(...cards), options))).toBe(text);
      expect(formatCluster(assemble(given(...[...cards].reverse()), options))).toBe(text);
    }
    const cluster = parseCluster(text, 'cluster.json');
    expect(cluster.replicas.map(({ host, publicKey }) => `${host} ${publicKey.toString('hex')}`)).toEqual(
      [FOUR[1], FOUR[3], FOUR[2], FOUR[0]].map((card) => `${card.name}.example.org ${card.publicKey.toString('hex')}`),
    );
    expect(cluster.clients.map(({ name }) => name)).toEqual(['admin', 'mount']);
    expect(cluster.createdSeconds).toBe(1006);
  });

  it('has another digest with another option', () => {
    const plain = assemble(given(...FOUR, ...CLIENTS), options);
    for (const other of [{ durability: 'synced' as const }, { ownerSignatures: 2 }, { rootUid: 5 }]) {
      expect(assemble(given(...FOUR, ...CLIENTS), { ...options, ...other }).id).not.toEqual(plain.id);
    }
  });

  const [dora, anna, carl, bert] = FOUR;
  it.each<[string, Card[]]>([
    ['dora.card and eve.card have the same key', [...FOUR, ...CLIENTS, { ...replica(1, 'eve') }]],
    ['dora.card and mount.card have the same key', [...FOUR, client(1, 'mount'), CLIENTS[1]]],
    ['anna.card and anna.card have the same key', [...FOUR, ...CLIENTS, anna]],
    ['anna.card and anna.card have the same name', [dora, anna, carl, replica(7, 'anna'), ...CLIENTS]],
    [
      'anna.card and eve.card have the same address',
      [dora, anna, carl, { ...(replica(7, 'eve') as Card), host: 'ANNA.example.org' } as Card, ...CLIENTS],
    ],
    ['3 cards of replicas: 1, 4, 7, 10 make a cluster', [dora, anna, bert, ...CLIENTS]],
    ['0 cards of replicas', CLIENTS],
    ['no card of the client admin', [...FOUR, CLIENTS[0]]],
  ])('says why there is none: %s', (why, cards) => {
    expect(() => assemble(given(...cards), options)).toThrow(why);
  });

  it('lets a client have the name of a replica', () => {
    expect(assemble(given(...FOUR, ...CLIENTS, client(8, 'anna')), options).clients).toHaveLength(3);
  });
});
