import { afterEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/cluster/types.js';
import { Limits } from '../../../src/limits.js';
import type { Message } from '../../../src/pbft/messages.js';
import { encodeMessage } from '../../../src/wire/codec.js';
import {
  closeAll,
  type Recorder,
  startClient,
  startProxy,
  startReplica,
  type TamperingProxy,
  testCluster,
  until,
} from './harness.js';

afterEach(closeAll);

const prepare = (sequence: number): Message => ({ kind: 'prepare', view: 0, sequence, digest: Buffer.alloc(32, 1) });
const reply = (sequence: number, result = Buffer.alloc(0)): Message => ({
  kind: 'reply',
  tentative: false,
  view: 0,
  instance: 1,
  slot: 0,
  sequence,
  status: 0,
  result,
});
const FAST = { heartbeatMs: 20, firstRetryMs: 5, lastRetryMs: 50 };

/** Two replicas, the dialer reaching the acceptor through a proxy. */
async function throughProxy(timings = {}, encryption: Cluster['encryption'] = 'auto') {
  const cluster = { ...testCluster(2), encryption };
  const acceptor = await startReplica(cluster, 0, { ...FAST, ...timings });
  const proxy = await startProxy(cluster.replicas[0].port);
  const detour = { ...cluster, replicas: cluster.replicas.map((r) => (r.id === 0 ? { ...r, port: proxy.port } : r)) };
  const dialer = await startReplica(detour, 1, { ...FAST, ...timings });
  await until('the link', () => acceptor.handler.up.length > 0 && dialer.handler.up.length > 0);
  return { acceptor, dialer, proxy };
}

const sequences = (recorder: Recorder): number[] =>
  recorder.messages.map(({ message }) => (message as { sequence: number }).sequence);

describe('four replicas and two clients', () => {
  it('have one link per pair and one to each client process', async () => {
    const cluster = testCluster(4);
    const replicas: Awaited<ReturnType<typeof startReplica>>[] = [];
    for (let id = 0; id < 4; id++) replicas.push(await startReplica(cluster, id, FAST));
    // Two processes of client 0, one of client 1.
    const clients = [startClient(cluster, 0), startClient(cluster, 0), startClient(cluster, 1)];
    await until('all links', () =>
      replicas.every(({ endpoint }) => endpoint.clients.size === 3 && endpoint.replicas.filter(Boolean).length === 3),
    );
    await until('all client links', () =>
      clients.every(({ endpoint }) => endpoint.replicas.filter(Boolean).length === 4),
    );
    for (const { endpoint } of replicas) for (const link of endpoint.replicas) link?.send(encodeMessage(prepare(1)));
    await until('prepares', () => replicas.every(({ handler }) => handler.messages.length === 3));
    for (const { endpoint } of replicas)
      for (const link of endpoint.clients) link.send(encodeMessage(reply(link.peer.id)));
    await until('replies', () => clients.every(({ handler }) => handler.messages.length === 4));
    expect(clients.map(({ handler }) => sequences(handler)[0])).toEqual([0, 0, 1]);
    expect(replicas.map(({ handler }) => handler.up.length)).toEqual([6, 6, 6, 6]);
    expect(replicas[0].endpoint.counters.refusedConnections).toEqual({});
  });

  it('share an authenticator key per link', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const client = startClient(cluster, 1);
    await until('the link', () => replica.handler.up.length === 1 && client.handler.up.length === 1);
    const [mine] = client.handler.up[0].authenticatorKeys;
    const [theirs] = replica.handler.up[0].authenticatorKeys;
    const digest = Buffer.alloc(32, 5);
    expect(mine.mac(digest)).toEqual(theirs.mac(digest));
  });
});

describe('a link', () => {
  it('sends all messages of a turn as one frame, and delivers them in order', async () => {
    const { acceptor, dialer } = await throughProxy({ heartbeatMs: 10_000 });
    const before = dialer.endpoint.counters.sent.frames;
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    for (const i of numbers) dialer.handler.up[0].send(encodeMessage(prepare(i)));
    await until('messages', () => acceptor.handler.messages.length === 500);
    expect(sequences(acceptor.handler)).toEqual(numbers);
    expect(dialer.endpoint.counters.sent.frames - before).toBe(1);
  });

  it('carries large messages among small ones, and more in a turn than a frame holds', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const client = startClient(cluster, 0);
    await until('the link', () => replica.handler.up.length === 1 && client.handler.up.length === 1);
    const sizes = [0, 100, 3000, 1024 * 1024, 5, 2048, 2049, ...Array(12).fill(1024 * 1024), 1];
    sizes.forEach((size, i) => {
      replica.handler.up[0].send(encodeMessage(reply(i, Buffer.alloc(size, i))));
    });
    await until('replies', () => client.handler.messages.length === sizes.length);
    client.handler.messages.forEach(({ message }, i) => {
      if (message.kind !== 'reply') throw new Error(message.kind);
      expect(message.sequence).toBe(i);
      expect(Buffer.compare(message.result!, Buffer.alloc(sizes[i], i))).toBe(0);
    });
  });

  it('drops and counts what its peer may not say, and goes on', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const client = startClient(cluster, 0);
    await until('the link', () => client.handler.up.length === 1);
    const [link] = client.handler.up;
    link.send(encodeMessage(prepare(1)));
    link.send(Buffer.from([99, 1, 2]));
    link.send(Buffer.alloc(0));
    link.send(Buffer.from([3, 0xff, 0xff]));
    link.send(encodeMessage({ kind: 'attach', instance: 7 }));
    await until('attach', () => replica.handler.messages.length === 1);
    expect(replica.endpoint.counters.droppedMessages).toEqual({
      'unexpected-message': 1,
      'unknown-type': 1,
      malformed: 2,
    });
    expect(replica.handler.down).toEqual([]);
  });

  it('closes once, and its peer hears what was sent before', async () => {
    const { acceptor, dialer } = await throughProxy();
    const [link] = acceptor.handler.up;
    link.send(encodeMessage(prepare(5)));
    link.close();
    link.close();
    expect(link.send(encodeMessage(prepare(6)))).toBe(false);
    expect(acceptor.handler.down.map(({ reason }) => reason)).toEqual(['closed']);
    await until('the last message', () => dialer.handler.messages.length === 1);
    await until('the end', () => dialer.handler.down.length === 1);
    expect(dialer.handler.down[0].reason).toBe('disconnected');
  });

  it('is given up when its peer does not read', async () => {
    const { acceptor, dialer, proxy } = await throughProxy();
    for (const socket of proxy.sockets) socket.pause();
    const bytes = encodeMessage(reply(1, Buffer.alloc(1024 * 1024)));
    const [link] = dialer.handler.up;
    let sent = 0;
    while (link.send(bytes)) {
      link.flush();
      sent++;
      if (sent > 200) throw new Error('never full');
    }
    expect(link.queuedBytes).toBeLessThanOrEqual(Limits.linkQueueBytes);
    expect(sent).toBeGreaterThan(50);
    expect(dialer.handler.down).toEqual([]);
    await until('the end', () => dialer.handler.down.length === 1);
    expect(dialer.handler.down[0].reason).toBe('queue-overflow');
    expect(dialer.endpoint.counters.closedLinks['queue-overflow']).toBe(1);
    expect(acceptor.handler.messages.length).toBe(0);
  });

  it('is given up when its peer falls silent', async () => {
    const { acceptor, dialer, proxy } = await throughProxy();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(acceptor.handler.down).toEqual([]);
    proxy.toAcceptor = () => undefined;
    proxy.toDialer = () => undefined;
    await until('the end', () => acceptor.handler.down.length >= 1 && dialer.handler.down.length >= 1);
    expect(['silent', 'disconnected']).toContain(acceptor.handler.down[0].reason);
    expect(acceptor.handler.down[0].reason === 'silent' || dialer.handler.down[0].reason === 'silent').toBe(true);
  });
});

describe.each(['off', 'on'] as const)('a hostile network, encryption %s', (encryption) => {
  /** The next chunk towards the acceptor that passes `tamper` is changed by it; all others pass. */
  const once = (proxy: TamperingProxy, tamper: (chunk: Buffer) => Buffer | undefined): void => {
    proxy.toAcceptor = (chunk) => {
      proxy.toAcceptor = (other) => other;
      return tamper(chunk);
    };
  };

  const attacks: Record<string, (chunk: Buffer) => Buffer> = {
    'flips a bit of the MAC': (chunk) => flip(chunk, 4),
    'cuts a frame short': (chunk) => {
      const short = Buffer.from(chunk.subarray(0, chunk.length - 1));
      short.writeUInt32BE(short.length - 20, 0);
      return short;
    },
    'flips a bit of the kind': (chunk) => flip(chunk, 20),
    'flips the last bit': (chunk) => flip(chunk, chunk.length - 1),
    'repeats a frame': (chunk) => Buffer.concat([chunk, chunk]),
    'claims a huge frame': () => Buffer.alloc(64, 0xff),
    'claims an empty frame': () => Buffer.alloc(64, 0),
    'puts garbage between frames': (chunk) =>
      Buffer.concat([Buffer.from('0000000142424242424242424242424242424242ff', 'hex'), chunk]),
  };

  const flip = (chunk: Buffer, at: number): Buffer => {
    const copy = Buffer.from(chunk);
    copy[at] ^= 1;
    return copy;
  };

  it.each(Object.entries(attacks))(
    '%s: the link ends, nothing false is delivered, a new one comes',
    async (name, tamper) => {
      const { acceptor, dialer, proxy } = await throughProxy({ heartbeatMs: 5_000 }, encryption);
      once(proxy, tamper);
      dialer.handler.up[0].send(encodeMessage(prepare(1)));
      await until('a fault', () => acceptor.handler.down.length === 1);
      const expected = name.includes('huge')
        ? 'oversized-frame'
        : name.includes('empty')
          ? 'malformed-frame'
          : name.includes('short') && encryption === 'off'
            ? 'malformed-frame'
            : 'bad-mac';
      expect(acceptor.handler.down[0].reason).toBe(expected);
      expect(acceptor.endpoint.counters.closedLinks).toEqual({ [expected]: 1 });
      expect(acceptor.handler.messages.length).toBe(name.includes('repeats') ? 1 : 0);
      await until('a new link', () => acceptor.handler.up.length === 2 && dialer.handler.up.length === 2);
      dialer.handler.up[1].send(encodeMessage(prepare(2)));
      await until('a message', () => sequences(acceptor.handler).includes(2));
    },
  );

  it('drops a frame: the next one is not accepted', async () => {
    const { acceptor, dialer, proxy } = await throughProxy({ heartbeatMs: 5_000 }, encryption);
    once(proxy, () => undefined);
    dialer.handler.up[0].send(encodeMessage(prepare(1)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    dialer.handler.up[0].send(encodeMessage(prepare(2)));
    await until('a fault', () => acceptor.handler.down.length === 1);
    expect(acceptor.handler.down[0].reason).toBe('bad-mac');
    expect(acceptor.handler.messages).toEqual([]);
  });

  it('sends a frame back to where it came from', async () => {
    const { acceptor, dialer, proxy } = await throughProxy({ heartbeatMs: 5_000 }, encryption);
    const seen: Buffer[] = [];
    once(proxy, (chunk) => {
      seen.push(chunk);
      return chunk;
    });
    proxy.toDialer = (chunk) => Buffer.concat([...seen, chunk]);
    dialer.handler.up[0].send(encodeMessage(prepare(1)));
    await until('the frame', () => acceptor.handler.messages.length === 1);
    // The first frame of the other direction: the counters of both are 0, only the keys differ.
    acceptor.handler.up[0].send(encodeMessage(prepare(2)));
    await until('a fault', () => dialer.handler.down.length === 1);
    expect(dialer.handler.down[0].reason).toBe('bad-mac');
    expect(dialer.handler.messages).toEqual([]);
  });

  it('cuts the connection at any moment: links come back', async () => {
    const { acceptor, dialer, proxy } = await throughProxy({}, encryption);
    for (let round = 1; round <= 5; round++) {
      proxy.cut();
      await until(
        `link ${round}`,
        () => acceptor.handler.up.length > round && dialer.endpoint.replicas[0] !== undefined,
      );
      await until('both ends', () => acceptor.endpoint.replicas[1] !== undefined);
    }
    dialer.endpoint.replicas[0]!.send(encodeMessage(prepare(9)));
    await until('a message', () => acceptor.handler.messages.length === 1);
  });
});

describe('a new connection of a replica', () => {
  it('replaces the old one, which may be half-open', async () => {
    const { acceptor, dialer, proxy } = await throughProxy({ heartbeatMs: 5_000 });
    // The dialer loses its end; the acceptor's stays open behind a proxy that tells nobody.
    const [near] = proxy.sockets;
    near.removeAllListeners('close');
    near.destroy();
    await until('the second link', () => acceptor.handler.up.length === 2);
    expect(acceptor.handler.down.map(({ reason }) => reason)).toEqual(['replaced']);
    expect(acceptor.endpoint.replicas[1]).toBe(acceptor.handler.up[1]);
    await until('its other end', () => dialer.handler.up.length === 2);
  });
});

describe.each(['off', 'on'] as const)('session keys, encryption %s', (encryption) => {
  it('change while messages flow both ways, in order and without loss', async () => {
    const { acceptor, dialer } = await throughProxy({ heartbeatMs: 4, silentHeartbeats: 500, rekeyMs: 4 }, encryption);
    const total = 2000;
    for (let i = 0; i < total; i++) {
      dialer.handler.up[0].send(encodeMessage(prepare(i)));
      acceptor.handler.up[0].send(encodeMessage(prepare(i)));
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const numbers = Array.from({ length: total }, (_, i) => i);
    await until('all', () => acceptor.handler.messages.length === total && dialer.handler.messages.length === total);
    expect(sequences(acceptor.handler)).toEqual(numbers);
    expect(sequences(dialer.handler)).toEqual(numbers);
    expect(dialer.endpoint.counters.rekeys).toBeGreaterThan(5);
    expect(acceptor.handler.down).toEqual([]);
  });

  it('leave the authenticator key before the current one valid for a grace period', async () => {
    const cluster = { ...testCluster(1), encryption };
    const timings = { heartbeatMs: 10, silentHeartbeats: 500, rekeyMs: 300, graceMs: 100 };
    const replica = await startReplica(cluster, 0, timings);
    const client = startClient(cluster, 0, timings);
    await until('the link', () => replica.handler.up.length === 1 && client.handler.up.length === 1);
    const digest = Buffer.alloc(32, 5);
    const [first] = client.handler.up[0].authenticatorKeys;
    const tag = first.mac(digest);
    const accepted = (): boolean => replica.handler.up[0].authenticatorKeys.some((key) => key.verify(digest, tag));
    expect(accepted()).toBe(true);
    await until('the change', () => replica.endpoint.counters.rekeys === 1);
    expect(replica.handler.up[0].authenticatorKeys.length).toBe(2);
    expect(accepted()).toBe(true);
    await until('the end of grace', () => !accepted());
    await until('the client too', () => client.endpoint.counters.rekeys >= 1);
  });
});
