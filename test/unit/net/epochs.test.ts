import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../src/wire/codec.js';
import { closeAll, startClient, startReplica, testCluster, until } from './harness.js';

afterEach(closeAll);

const TIMINGS = { firstRetryMs: 5, lastRetryMs: 20 };
const commit = encodeMessage({ kind: 'commit', view: 0, sequence: 1, digest: Buffer.alloc(32) });

describe('a process of a replica that a later one has taken the place of', () => {
  it('has its link closed at once, and its messages and its next handshakes refused', async () => {
    const cluster = testCluster(2);
    const acceptor = await startReplica(cluster, 0, TIMINGS);
    const elsewhere = { ...cluster, replicas: [cluster.replicas[0], { ...cluster.replicas[1], port: 0 }] };
    const old = await startReplica(elsewhere, 1, TIMINGS, 10);
    await until('a link', () => acceptor.endpoint.replicas[1] !== undefined && old.handler.up.length === 1);
    const [stolen] = old.handler.up;
    const later = await startReplica(elsewhere, 1, TIMINGS, 11);
    await until('the later one', () => later.handler.up.length === 1);
    expect(acceptor.handler.down.map(({ link, reason }) => [link === acceptor.handler.up[0], reason])).toEqual([
      [true, 'replaced'],
    ]);
    stolen.send(commit);
    await until('refusals', () => acceptor.endpoint.counters.refusedConnections['old-epoch'] > 2);
    expect(acceptor.handler.messages).toEqual([]);
    expect(acceptor.handler.up.length).toBe(2);
    expect(acceptor.endpoint.replicas[1]).toBe(acceptor.handler.up[1]);
    expect(old.handler.refused.at(-1)).toMatch(/a later process of replica 1 is known/);
  });

  it('is refused by those who dial it, clients too', async () => {
    const cluster = testCluster(2);
    const later = await startReplica(cluster, 0, TIMINGS, 11);
    const dialer = await startReplica(cluster, 1, TIMINGS);
    const client = startClient(cluster, 0, TIMINGS);
    await until('links', () => [dialer, client].every(({ endpoint }) => endpoint.replicas[0] !== undefined));
    await later.endpoint.close();
    await startReplica(cluster, 0, TIMINGS, 10);
    for (const { endpoint, handler } of [dialer, client]) {
      await until('refusals', () => endpoint.counters.refusedConnections['old-epoch'] > 2);
      expect(handler.up.filter(({ peer }) => peer.role === 'replica' && peer.id === 0).length).toBe(1);
    }
  });

  it('cannot have shut out the later ones with an epoch in the future', async () => {
    const cluster = testCluster(2);
    const acceptor = await startReplica(cluster, 0, TIMINGS);
    await startReplica(cluster, 1, TIMINGS, Date.now() + 3_600_000);
    await until('refusals', () => acceptor.endpoint.counters.refusedConnections['future-epoch'] > 2);
    expect(acceptor.handler.up).toEqual([]);
  });
});
