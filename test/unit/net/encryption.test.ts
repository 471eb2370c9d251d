import { afterEach, describe, expect, it } from 'vitest';
import { isLinkEncrypted } from '../../../src/cluster/encryption.js';
import type { Cluster } from '../../../src/cluster/types.js';
import { encodeMessage } from '../../../src/wire/codec.js';
import { closeAll, startClient, startProxy, startReplica, testCluster, until } from './harness.js';

afterEach(closeAll);

const SLOW = { firstRetryMs: 5_000, lastRetryMs: 5_000 };
const NAME = Buffer.from('a-name-that-nobody-is-to-read');
/** In the hello of a dialer, behind the header of its record, and in that of an acceptor. */
const ENCRYPTED_AT = 3 + 47;

const inspection = (text: Buffer) =>
  encodeMessage({ kind: 'inspection', json: JSON.stringify({ text: text.toString('latin1') }) });

/** A client and a replica, and a proxy between them. */
async function across(acceptors: Cluster['encryption'], dialers: Cluster['encryption'] = acceptors) {
  const cluster = testCluster(1);
  const replica = await startReplica({ ...cluster, encryption: acceptors }, 0);
  const proxy = await startProxy(cluster.replicas[0].port);
  const detour: Cluster = { ...cluster, replicas: [{ ...cluster.replicas[0], port: proxy.port }], encryption: dialers };
  return { replica, proxy, dial: () => startClient(detour, 0, SLOW) };
}

describe('which links are encrypted', () => {
  const hosts = ['10.1.0.1', '127.0.0.1', 'localhost', '::1'];
  const cluster = testCluster(4);
  const mixed = { ...cluster, replicas: cluster.replicas.map((each, i) => ({ ...each, host: hosts[i] })) };
  const client = { role: 'client', id: 0 } as const;
  const replica = (id: number) => ({ role: 'replica', id }) as const;

  it('is those that leave a machine, unless the cluster says otherwise', () => {
    expect(isLinkEncrypted(mixed, 0, client)).toBe(true);
    expect([1, 2, 3].map((id) => isLinkEncrypted(mixed, id, client))).toEqual([false, false, false]);
    expect(isLinkEncrypted(mixed, 1, replica(2))).toBe(false);
    expect(isLinkEncrypted(mixed, 0, replica(1))).toBe(true);
    expect(isLinkEncrypted(mixed, 1, replica(0))).toBe(true);
    const named = { ...mixed, replicas: mixed.replicas.map((each) => ({ ...each, host: '127.0.0.1.example.org' })) };
    expect(isLinkEncrypted(named, 0, client)).toBe(true);
    expect(isLinkEncrypted({ ...mixed, encryption: 'off' }, 0, client)).toBe(false);
    expect(isLinkEncrypted({ ...mixed, encryption: 'on' }, 1, client)).toBe(true);
  });
});

describe('what is seen on the way', () => {
  it.each([
    ['on', false],
    ['off', true],
  ] as const)('with encryption %s: whether what is said is in it is %s', async (encryption, isSeen) => {
    const { replica, proxy, dial } = await across(encryption);
    const seen: Buffer[] = [];
    const record = (chunk: Buffer): Buffer => {
      seen.push(Buffer.from(chunk));
      return chunk;
    };
    proxy.toAcceptor = record;
    proxy.toDialer = record;
    const client = dial();
    await until('the link', () => client.handler.up.length === 1 && replica.handler.up.length === 1);
    expect(client.handler.up[0].isEncrypted).toBe(!isSeen);
    replica.handler.up[0].send(inspection(NAME));
    // Above and below what is MACed by its digest.
    replica.handler.up[0].send(inspection(Buffer.concat([Buffer.alloc(5000, 0x2e), NAME])));
    await until('messages', () => client.handler.messages.length === 2);
    expect(Buffer.concat(seen).includes(NAME)).toBe(isSeen);
  });
});

describe('encryption is not switched off', () => {
  it('by the end that dials, or the one that is dialed', async () => {
    const { replica, dial } = await across('on', 'off');
    const client = dial();
    await until('a refusal', () => replica.handler.refused.length === 1 && client.handler.refused.length === 1);
    expect(replica.handler.refused[0]).toBe('client 0 means this link to be in the clear, it is to be encrypted');
    expect(replica.endpoint.counters.refusedConnections).toEqual({ encryption: 1 });
    expect([replica.handler.up, client.handler.up]).toEqual([[], []]);
  });

  it('by a replica that answers as if it were to be in the clear', async () => {
    const { proxy, dial } = await across('off', 'on');
    // The replica believes that the client agrees; the client reads what the replica says of itself.
    proxy.toAcceptor = (chunk) => flip(chunk);
    const client = dial();
    await until('a refusal', () => client.handler.refused.length === 1);
    // The replica signed other hellos than the client knows.
    expect(client.endpoint.counters.refusedConnections).toEqual({ 'bad-signature': 1 });
    expect(client.handler.up).toEqual([]);
  });

  it.each(['toAcceptor', 'toDialer'] as const)('by somebody between them, %s', async (way) => {
    const { replica, proxy, dial } = await across('on');
    proxy[way] = (chunk) => flip(chunk);
    const client = dial();
    await until('a refusal', () => client.handler.refused.length === 1);
    expect(client.handler.up).toEqual([]);
    expect(replica.handler.up).toEqual([]);
    const counters = way === 'toAcceptor' ? replica.endpoint.counters : client.endpoint.counters;
    const fault = way === 'toAcceptor' ? 'encryption' : 'bad-signature';
    expect(counters.refusedConnections).toEqual({ [fault]: 1 });
  });
});

/** A hello that says the opposite; all else passes. */
function flip(chunk: Buffer): Buffer {
  if (chunk.length < 100 || (chunk[2] !== 1 && chunk[2] !== 2)) return chunk;
  const copy = Buffer.from(chunk);
  copy[ENCRYPTED_AT] ^= 1;
  return copy;
}
