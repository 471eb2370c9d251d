import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/cluster/types.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';
import { generateEphemeralKey } from '../../../src/crypto/session-keys.js';
import { Signables } from '../../../src/crypto/signables.js';
import { PROTOCOL_VERSION } from '../../../src/net/handshake.js';
import { atEnd, clientIdentity, closeAll, startClient, startReplica, testCluster, until } from './harness.js';

afterEach(closeAll);

const SLOW = { firstRetryMs: 5_000, lastRetryMs: 5_000 };

interface HelloFields {
  version?: number;
  cluster?: Buffer;
  role?: number;
  id?: number;
  epoch?: number;
  encrypted?: number;
  dialed?: number;
  ephemeral?: Uint8Array;
}

/** A DialerHello, spelled out byte by byte so that the format is held by something else than the code under test. */
function dialerHello(c: Cluster, f: HelloFields = {}): Buffer {
  const hello = Buffer.alloc(2 + 32 + 1 + 4 + 8 + 1 + 4 + 32 + 32);
  hello.writeUInt16BE(f.version ?? PROTOCOL_VERSION, 0);
  hello.set(f.cluster ?? c.id, 2);
  hello[34] = f.role ?? 1;
  hello.writeUInt32BE(f.id ?? 0, 35);
  hello.writeBigUInt64BE(BigInt(f.epoch ?? 0), 39);
  hello[47] = f.encrypted ?? 0;
  hello.writeUInt32BE(f.dialed ?? 0, 48);
  hello.set(f.ephemeral ?? generateEphemeralKey().publicKey, 52);
  hello.fill(0x77, 84);
  return hello;
}

function record(type: number, content: Uint8Array): Buffer {
  const header = Buffer.from([content.length >> 8, content.length & 0xff, type]);
  return Buffer.concat([header, content]);
}

/** A raw connection, and all it was sent. */
function raw(port: number): { socket: Socket; received: () => Buffer; closed: () => boolean } {
  const socket = connect({ port, host: '127.0.0.1' });
  let received = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  atEnd(() => {
    socket.destroy();
  });
  return { socket, received: () => received, closed: () => closed };
}

async function refusalOf(bytes: (cluster: Cluster) => Buffer, timings = {}) {
  const cluster = testCluster(2);
  const replica = await startReplica(cluster, 0, timings);
  const stranger = raw(cluster.replicas[0].port);
  stranger.socket.write(bytes(cluster));
  await until('a refusal', () => replica.handler.refused.length === 1);
  await until('the end', stranger.closed);
  expect(replica.handler.up).toEqual([]);
  const [code] = Object.keys(replica.endpoint.counters.refusedConnections);
  expect(replica.endpoint.counters.refusedConnections).toEqual({ [code]: 1 });
  return { code, line: replica.handler.refused[0], answer: stranger.received() };
}

describe('an acceptor refuses', () => {
  const cases: [string, string, (c: Cluster) => Buffer][] = [
    ['garbage', 'malformed', () => Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an empty hello', 'malformed', () => record(1, Buffer.alloc(0))],
    ['a truncated hello', 'malformed', (c) => record(1, dialerHello(c).subarray(0, 100))],
    ['a hello with more behind it', 'malformed', (c) => record(1, Buffer.concat([dialerHello(c), Buffer.alloc(1)]))],
    ['a record that is too long', 'malformed', () => record(1, Buffer.alloc(513))],
    ['a proof before the hello', 'malformed', () => record(3, Buffer.alloc(64))],
    ['another version', 'version', (c) => record(1, dialerHello(c, { version: PROTOCOL_VERSION + 1 }))],
    ['another version of another length', 'version', () => record(1, Buffer.from([0x7f, 0xff]))],
    ['another cluster', 'other-cluster', (c) => record(1, dialerHello(c, { cluster: Buffer.alloc(32, 9) }))],
    ['an unknown client', 'unknown-peer', (c) => record(1, dialerHello(c, { id: 99 }))],
    ['an unknown replica', 'unknown-peer', (c) => record(1, dialerHello(c, { role: 0, id: 2 }))],
    [
      'an encrypted link where it is to be in the clear',
      'encryption',
      (c) => record(1, dialerHello(c, { encrypted: 1 })),
    ],
    ['an encryption that is none', 'malformed', (c) => record(1, dialerHello(c, { encrypted: 2 }))],
    ['a role that is none', 'malformed', (c) => record(1, dialerHello(c, { role: 2 }))],
    ['one who meant another replica', 'not-dialed', (c) => record(1, dialerHello(c, { dialed: 1 }))],
    ['a replica that is to be dialed', 'not-dialed', (c) => record(1, dialerHello(c, { role: 0, id: 0 }))],
    [
      'an ephemeral key of small order',
      'weak-key',
      (c) => record(1, dialerHello(c, { ephemeral: new Uint8Array(32) })),
    ],
    [
      'a proof that is none',
      'bad-signature',
      (c) => Buffer.concat([record(1, dialerHello(c)), record(3, Buffer.alloc(64))]),
    ],
    [
      'a proof of no length',
      'bad-signature',
      (c) => Buffer.concat([record(1, dialerHello(c)), record(3, Buffer.alloc(0))]),
    ],
  ];
  it.each(cases)('%s', async (_, code, bytes) => {
    const refusal = await refusalOf(bytes);
    expect(refusal.code).toBe(code);
    expect(refusal.line).not.toMatch(/\n/);
    expect(refusal.answer.includes(refusal.line)).toBe(true);
  });

  it('one who stops in the middle', async () => {
    const { code } = await refusalOf((c) => record(1, dialerHello(c)).subarray(0, 50), { handshakeMs: 50 });
    expect(code).toBe('timeout');
  });

  it('the proof of another conversation', async () => {
    const cluster = testCluster(1);
    await startReplica(cluster, 0);
    const key = new SigningKey(clientIdentity(0).seed);
    const signables = new Signables(cluster.id);
    /** Runs the dialer's part by hand; `channelOf` picks the hellos that are signed. */
    const attempt = async (
      previous?: Buffer,
    ): Promise<{ proof: Buffer; answer: () => Buffer; closed: () => boolean }> => {
      const { socket, received, closed } = raw(cluster.replicas[0].port);
      const hello = dialerHello(cluster);
      socket.write(record(1, hello));
      await until('the hello', () => received().length >= 3 + 112 + 64);
      const answer = received().subarray(3, 3 + 112);
      const proof = previous ?? key.sign(signables.handshake('dialer', signables.channel(hello, answer)));
      socket.write(record(3, proof));
      await until('a verdict', () => received().length > 3 + 112 + 64);
      return { proof, answer: () => received().subarray(3 + 112 + 64), closed };
    };
    const first = await attempt();
    expect([...first.answer()]).toEqual([0, 0, 4]);
    const replayed = await attempt(first.proof);
    expect(replayed.answer()[2]).toBe(5);
    await until('the end', replayed.closed);
  });

  it('the oldest strangers when there are too many, and lets in those who prove themselves', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const strangers = Array.from({ length: 80 }, () => raw(cluster.replicas[0].port));
    await until('refusals', () => replica.endpoint.counters.refusedConnections.busy === 16);
    expect(strangers.filter(({ closed }) => closed()).length).toBeLessThanOrEqual(16);
    const client = startClient(cluster, 0);
    await until('a link', () => client.handler.up.length === 1);
    expect(replica.endpoint.counters.refusedConnections).toEqual({ busy: 17 });
  });
});

describe('a dialer', () => {
  it('of another cluster learns in one line why it was refused', async () => {
    const cluster = testCluster(1);
    await startReplica(cluster, 0);
    const client = startClient({ ...cluster, id: Buffer.alloc(32, 0x11) }, 0, SLOW);
    await until('a refusal', () => client.handler.refused.length >= 1);
    expect(client.handler.refused[0]).toMatch(/^refused by the other end: another cluster, 11111111/);
    expect(client.endpoint.counters.refusedConnections).toHaveProperty('refused');
    expect(client.handler.up).toEqual([]);
  });

  it('with another key than the registered one is refused', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const client = startClient(cluster, 0, SLOW, { role: 'client', id: 0, seed: Buffer.alloc(32, 0x55) });
    await until('a refusal', () => client.handler.refused.length >= 1 && replica.handler.refused.length >= 1);
    expect(replica.handler.refused[0]).toMatch(/signature is not by the key registered for client 0/);
    expect(client.handler.up).toEqual([]);
  });

  it('refuses a replica with another key, or that is another one', async () => {
    const cluster = testCluster(2);
    await startReplica(cluster, 0);
    const forged = new SigningKey(Buffer.alloc(32, 1)).publicKey;
    const distrustful = {
      ...cluster,
      replicas: cluster.replicas.map((r) => (r.id === 0 ? { ...r, publicKey: forged } : r)),
    };
    const first = startClient(distrustful, 0, SLOW);
    await until('a refusal', () => first.endpoint.counters.refusedConnections['bad-signature'] > 0);
    const crossed = {
      ...cluster,
      replicas: cluster.replicas.map((r) => (r.id === 1 ? { ...r, port: cluster.replicas[0].port } : r)),
    };
    const second = startClient(crossed, 0, SLOW);
    await until('a refusal', () =>
      second.handler.refused.some((line) => /replica 1 was dialed, this is replica 0/.test(line)),
    );
    expect(second.endpoint.replicas[1]).toBeUndefined();
  });

  it('keeps trying until the replica is there, without saying so each time', async () => {
    const cluster = testCluster(1);
    const client = startClient(cluster, 0, { firstRetryMs: 5, lastRetryMs: 20 });
    await until('failures', () => client.endpoint.counters.refusedConnections.disconnected >= 5);
    expect(client.handler.refused).toEqual(['no connection']);
    await startReplica(cluster, 0);
    await until('a link', () => client.handler.up.length === 1);
  });

  it('gives up on one who accepts and says nothing', async () => {
    const cluster = testCluster(1);
    const mute = createServer(() => undefined);
    const port = await new Promise<number>((resolve) => {
      mute.listen(0, '127.0.0.1', () => resolve((mute.address() as AddressInfo).port));
    });
    const detour = { ...cluster, replicas: [{ ...cluster.replicas[0], port }] };
    const client = startClient(detour, 0, { ...SLOW, handshakeMs: 50 });
    atEnd(() => {
      mute.close();
    });
    await until('a timeout', () => client.endpoint.counters.refusedConnections.timeout >= 1);
  });

  it('prints a stranger’s refusal as one harmless line', async () => {
    const cluster = testCluster(1);
    const liar = createServer((socket) => socket.end(record(5, Buffer.from('a\nb\u001b[31mc'))));
    const port = await new Promise<number>((resolve) => {
      liar.listen(0, '127.0.0.1', () => resolve((liar.address() as AddressInfo).port));
    });
    atEnd(() => {
      liar.close();
    });
    const client = startClient({ ...cluster, replicas: [{ ...cluster.replicas[0], port }] }, 0, SLOW);
    await until('a refusal', () => client.handler.refused.length >= 1);
    expect(client.handler.refused[0]).toBe('refused by the other end: a?b?[31mc');
  });
});
