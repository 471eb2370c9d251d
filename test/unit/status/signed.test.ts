import { describe, expect, it } from 'vitest';
import { newCluster } from '../../../src/cluster/create.js';
import { formatCluster } from '../../../src/cluster/file.js';
import { clusterId } from '../../../src/cluster/id.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';
import { Signables } from '../../../src/crypto/signables.js';
import { readCluster } from '../../../src/status/known-cluster.js';
import { newNonce, openStatus, type SignedStatus } from '../../../src/status/signed.js';

const { cluster, replicaSeeds: seeds } = newCluster({
  ...{ replicas: 4, hosts: ['127.0.0.1'], basePort: 7400, clientNames: ['admin', 'mount'] },
  ...{ rootUid: 1000, rootGid: 1000, createdSeconds: 1_700_000_000 },
});
const known = readCluster(formatCluster(cluster));
const nonce = '0123456789abcdef0123456789abcdef';

function statusOf(replica: number, more: Partial<SignedStatus> = {}, seed = seeds[replica]): SignedStatus {
  const said = { replica, time: 1_700_000_000_123, nonce, report: '{"view":3,"why":"ä𝄞"}', ...more };
  const digest = new Signables(cluster.id).status(
    ...([said.replica, said.time, Buffer.from(said.nonce, 'hex'), Buffer.from(said.report)] as const),
  );
  return { ...said, signature: new SigningKey(seed).sign(digest).toString('hex') };
}

const open = (status: object, replica = 1) => openStatus(known, JSON.stringify(status), { replica, nonce });
const fault = (why: string) => ({ answer: { kind: 'fault', why }, time: null });

describe('the cluster file in a browser', () => {
  it('has the digest that the cluster has, whatever is set in it', () => {
    const { id: _, ...content } = cluster;
    const others = [
      {},
      { recoveryPeriodSeconds: 86_400, ownerSignatures: 3 },
      { durability: 'synced', requestAuthentication: 'mac', capacityBytes: 2 ** 50 },
      { optimizations: { ...cluster.optimizations, batching: false } },
    ] as const;
    for (const other of others) {
      const changed = { ...content, ...other };
      const text = formatCluster({ id: clusterId(changed), ...changed });
      expect(Buffer.from(readCluster(text).id).toString('hex')).toBe(clusterId(changed).toString('hex'));
    }
  });

  it.each([
    ['f', { f: 1.0000001 }],
    ['f', { f: '1' }],
    ['replicas', { replicas: [] }],
    ['replicas.0.port', { replicas: [{ ...JSON.parse(formatCluster(cluster)).replicas[0], port: 65_537 }] }],
    ['capacityBytes', { capacityBytes: 2 ** 53 }],
    ['optimizations.batching', { optimizations: { ...cluster.optimizations, batching: 1 } }],
    ['recoveryPeriodSeconds', { recoveryPeriodSeconds: undefined }],
  ])('is refused where %s is not what it is in bytes', (field, change) => {
    const text = JSON.stringify({ ...JSON.parse(formatCluster(cluster)), ...change });
    expect(() => readCluster(text)).toThrow(field);
  });
});

describe('a signed status', () => {
  it('is a report, with the clock of its replica', () => {
    expect(open(statusOf(1))).toEqual({
      answer: { kind: 'report', report: { view: 3, why: 'ä𝄞' } },
      time: 1_700_000_000_123,
    });
  });

  it('counts for nothing but the replica, time, nonce, report and cluster that were signed', () => {
    const unsigned = fault('what answers at its address has not signed with its key');
    const status = statusOf(1);
    expect(open({ ...status, time: status.time + 1 })).toEqual(unsigned);
    expect(open({ ...status, report: '{"view":4,"why":"ä𝄞"}' })).toEqual(unsigned);
    expect(open({ ...statusOf(1, { nonce: newNonce() }), nonce })).toEqual(unsigned);
    expect(open({ ...statusOf(2), replica: 1 })).toEqual(unsigned);
    expect(open(statusOf(1, {}, seeds[2]))).toEqual(unsigned);
    expect(open({ ...status, replica: 7 })).toEqual(unsigned);
    const elsewhere = { ...known, id: Uint8Array.from(known.id, (byte) => byte ^ 1) };
    expect(openStatus(elsewhere, JSON.stringify(status), { replica: 1, nonce })).toEqual(unsigned);
  });

  it('tells what is wrong with one that is signed', () => {
    expect(open(statusOf(2))).toEqual(fault('replica 2 answers at its address'));
    expect(open(statusOf(1, { nonce: 'f'.repeat(32) }))).toEqual(fault('it repeats an old answer'));
    expect(open(statusOf(1, { report: 'not JSON' }))).toEqual(fault('its report makes no sense'));
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a short signature', JSON.stringify({ ...statusOf(1), signature: '00' })],
    ['a report that is no text', JSON.stringify({ ...statusOf(1), report: {} })],
    ['a report too long', JSON.stringify({ ...statusOf(1), report: 'x'.repeat(70_000) })],
  ])('is none where there is %s', (_, content) => {
    expect(openStatus(known, content, { replica: 1, nonce })).toEqual(
      fault('what answers at its address is no replica'),
    );
  });
});
