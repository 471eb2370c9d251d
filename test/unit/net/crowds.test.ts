import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { ClientLinks } from '../../../src/net/client-links.js';
import { connectionLimit } from '../../../src/net/descriptors.js';
import { HandshakeError } from '../../../src/net/exchange.js';
import type { Link } from '../../../src/net/link.js';
import { STRANGERS, Strangers } from '../../../src/net/strangers.js';
import { encodeMessage } from '../../../src/wire/codec.js';
import { atEnd, closeAll, startClient, startProxy, startReplica, testCluster, until } from './harness.js';

afterEach(closeAll);

/** So many connections from one address. What becomes of each is for the other end to say. */
function crowd(count: number, port: number, localAddress: string): Socket[] {
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', localAddress }));
  for (const socket of sockets) socket.on('error', () => undefined).resume();
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

describe('strangers', () => {
  const arrived = (strangers: Strangers, address: string, sent: string[], id: string): void => {
    const socket = {} as Socket;
    strangers.add(socket, address, (error) => {
      expect(error.code).toBe('busy');
      strangers.remove(socket);
      sent.push(id);
    });
  };

  it('of the address with most of them make room, the oldest first', () => {
    const strangers = new Strangers();
    const sent: string[] = [];
    for (let i = 0; i < 10; i++) arrived(strangers, '10.0.0.1', sent, `few ${i}`);
    for (let i = 0; i < 200; i++) arrived(strangers, '10.0.0.2', sent, `many ${i}`);
    expect(sent.length).toBe(210 - STRANGERS);
    expect(sent).toEqual(Array.from({ length: 210 - STRANGERS }, (_, i) => `many ${i}`));
  });

  it('are listened to a number of times a second, each address for itself', () => {
    const strangers = new Strangers(() => 0);
    const listened = (address: string): number => {
      let count = 0;
      while (count < 1000 && strangers.mayCome(address)) count++;
      return count;
    };
    for (const address of ['10.0.0.1', '10.0.0.2', '2001:db8::1', '::1']) {
      expect(listened(address), address).toBe(200);
    }
    // One network.
    expect(listened('2001:db8:0:0:5::9')).toBe(0);
    expect(listened('2001:db8:0:1::1')).toBe(200);
  });

  it('from more addresses than are told apart share what is left', () => {
    let now = 0;
    const strangers = new Strangers(() => now);
    const address = (i: number): string => `10.1.${i >> 8}.${i & 255}`;
    const listened = (from: number): number => {
      let count = 0;
      for (let i = from; i < from + 500; i++) if (strangers.mayCome(address(i))) count++;
      return count;
    };
    for (let i = 0; i < 1024; i++) expect(strangers.mayCome(address(i))).toBe(true);
    expect(listened(2000)).toBe(200);
    expect(listened(2500)).toBe(0);
    // Those that have been quiet are forgotten.
    now = 60_000;
    expect(listened(3000)).toBe(500);
  });

  it('by the thousand, who say nothing or nonsense, keep nobody of another address out', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const { port } = cluster.replicas[0];
    const silent = crowd(500, port, '127.0.0.66');
    const noisy = crowd(500, port, '127.0.0.67');
    for (const socket of noisy) socket.write(Buffer.alloc(1000, Math.random() * 256));
    const client = startClient(cluster, 0);
    await until('a link', () => client.handler.up.length === 1);
    const { refusedConnections } = replica.endpoint.counters;
    const refused = () => Object.values(refusedConnections).reduce((sum, each) => sum + each, 0);
    await until('all were dealt with', () => refused() >= 1000 - STRANGERS);
    await until('they see it', () => silent.filter((socket) => !socket.destroyed).length <= STRANGERS);
    expect(Object.keys(refusedConnections).sort()).toEqual(expect.arrayContaining(['busy', 'malformed']));
    const second = startClient(cluster, 1);
    await until('another link', () => second.handler.up.length === 1);
    expect(client.handler.down).toEqual([]);
  });

  it('who send a byte at a time are sent away when their time is over', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0, { handshakeMs: 300 });
    const slow = crowd(20, cluster.replicas[0].port, '127.0.0.66');
    const hello = Buffer.from([0, 112, 1, ...Buffer.alloc(112)]);
    let at = 0;
    const trickle = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write(hello.subarray(at, at + 1));
      at++;
    }, 20);
    atEnd(() => clearInterval(trickle));
    await until('the end', () => slow.every((socket) => socket.destroyed));
    expect(replica.endpoint.counters.refusedConnections.timeout).toBe(20);
  });
});

describe('links of clients', () => {
  const linkOf = (links: ClientLinks, client: number): Link => {
    const link = { peer: { role: 'client', id: client }, close: () => links.remove(link) } as unknown as Link;
    expect(links.refusal(client)).toBeUndefined();
    links.add(link);
    return link;
  };

  it('are so many of each client, and where there is no room the client with most of them makes it', () => {
    const links = new ClientLinks(100);
    for (let i = 0; i < Limits.sessionsPerClient; i++) linkOf(links, 1);
    expect(links.refusal(1)).toMatchObject({ code: 'busy', message: 'client 1 has 64 connections already' });
    for (let i = 0; i < 36; i++) linkOf(links, 2);
    expect(links.all().length).toBe(100);
    linkOf(links, 3);
    linkOf(links, 3);
    const held = (client: number): number => links.all().filter(({ peer }) => peer.id === client).length;
    expect([1, 2, 3].map(held)).toEqual([62, 36, 2]);
    for (let client = 4; client < 102; client++) if (links.refusal(client) === undefined) linkOf(links, client);
    expect(links.all().length).toBe(100);
    expect(links.refusal(200)).toBeInstanceOf(HandshakeError);
  });

  it('queue no more for one client, on all of them, than for one link', async () => {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0);
    const proxy = await startProxy(cluster.replicas[0].port);
    const detour = { ...cluster, replicas: [{ ...cluster.replicas[0], port: proxy.port }] };
    const LAST = { firstRetryMs: 60_000, lastRetryMs: 60_000 };
    for (let i = 0; i < 4; i++) startClient(detour, 0, LAST);
    await until('links', () => replica.handler.up.length === 4);
    for (const socket of proxy.sockets) socket.pause();
    const answer = encodeMessage({ kind: 'inspection', json: 'x'.repeat(1024 * 1024) });
    const queued = (): number => replica.handler.up.reduce((sum, link) => sum + (link.isUp ? link.queuedBytes : 0), 0);
    let most = 0;
    for (let i = 0; i < 60; i++) {
      for (const link of replica.handler.up) {
        link.send(answer);
        link.flush();
      }
      most = Math.max(most, queued());
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(most).toBeLessThanOrEqual(Limits.linkQueueBytes);
    expect(most).toBeGreaterThan(Limits.linkQueueBytes / 2);
    expect(replica.endpoint.counters.closedLinks['queue-overflow']).toBeGreaterThan(0);
    const other = startClient(cluster, 1);
    await until('another client', () => other.handler.up.length === 1);
  });
});

describe('descriptors', () => {
  it('are for files first', () => {
    expect(connectionLimit(100, 1024)).toBe(896);
    expect(connectionLimit(100, Number.POSITIVE_INFINITY)).toBe(4096);
    expect(() => connectionLimit(100, 200)).toThrow('only 200 descriptors may be open: 228 at least are needed');
  });
});
