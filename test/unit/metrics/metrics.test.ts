import { beforeAll, describe, expect, it } from 'vitest';
import { Metrics } from '../../../src/metrics/metrics.js';
import { metricsRoute } from '../../../src/metrics/route.js';
import { type Family, readExposition } from './exposition.js';
import { cluster, mountExposition, replicaExposition } from './figures.js';

describe('metrics', () => {
  let replica: Map<string, Family>;
  let mount: Map<string, Family>;
  beforeAll(async () => {
    replica = readExposition(await replicaExposition());
    mount = readExposition(await mountExposition());
  });

  const sample = (families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number => {
    const family = families.get(name.replace(/_(bucket|sum|count)$/, '')) ?? families.get(name)!;
    const found = family.samples.filter(
      (each) => each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
    );
    expect(found, name).toHaveLength(1);
    return found[0].value;
  };

  it('are what the process counts', () => {
    expect(sample(replica, 'byzfs_view')).toBe(6);
    expect(sample(replica, 'byzfs_is_primary')).toBe(1);
    expect(sample(replica, 'byzfs_replica_state', { state: 'transferring' })).toBe(1);
    expect(sample(replica, 'byzfs_replica_state', { state: 'normal' })).toBe(0);
    expect(sample(replica, 'byzfs_calls_total', { kind: 'read' })).toBe(10);
    expect(sample(replica, 'byzfs_peer_bytes_total', { peer: '2', direction: 'received' })).toBe(400);
    expect(sample(replica, 'byzfs_peer_linked', { peer: '3' })).toBe(0);
    expect(sample(replica, 'byzfs_suspected_peer', { peer: '3' })).toBe(1);
    expect(sample(replica, 'byzfs_suspected_peer', { peer: '1' })).toBe(0);
    expect(sample(replica, 'byzfs_transfer_missing_rows')).toBe(20);
    expect(sample(replica, 'byzfs_scrub_last_pass_timestamp_seconds')).toBe(1_700_000_000);
    expect(sample(mount, 'byzfs_mount_failed_calls_total', { reason: 'deadline' })).toBe(1);
    expect(sample(mount, 'byzfs_mount_failed_calls_total', { reason: 'revoked' })).toBe(0);
    expect(sample(mount, 'byzfs_mount_cache_hits_total', { request: 'lookup' })).toBe(3);
    expect(sample(mount, 'byzfs_mount_replica_linked', { peer: '3' })).toBe(0);
  });

  it('have histograms whose buckets hold all that is not above them', () => {
    const at = (le: string) => sample(replica, 'byzfs_request_duration_seconds_bucket', { le });
    expect(['0.0005', '0.0025', '0.005', '30', '+Inf'].map(at)).toEqual([1, 1, 3, 3, 4]);
    expect(sample(replica, 'byzfs_request_duration_seconds_count')).toBe(4);
    expect(sample(replica, 'byzfs_request_duration_seconds_sum')).toBeCloseTo(60.0061);
    expect(sample(mount, 'byzfs_mount_call_duration_seconds_bucket', { op: 'write', le: '0.05' })).toBe(1);
  });

  it('have names, units and types as Prometheus wants them', () => {
    for (const [name, { type, help, samples, labels }] of [...replica, ...mount]) {
      if (!name.startsWith('byzfs_')) continue;
      expect(help, name).not.toBe('');
      expect(samples.length, name).toBeGreaterThan(0);
      expect(name, name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name, name).not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
      if (/duration/.test(name)) expect(name).toMatch(/_seconds$/);
      // Replicas, operations and reasons of our own: nothing that a client or a peer may name.
      const known = ['cluster', 'replica', 'client', 'peer', 'reason', 'state', 'kind', 'direction', 'op', 'request'];
      expect(
        [...labels].filter((label) => !known.includes(label)),
        name,
      ).toEqual([]);
    }
  });

  it('say of which cluster and process they are, and of what it takes of its machine', () => {
    const id = cluster.id.toString('hex').slice(0, 16);
    for (const [families, labels] of [
      [replica, { cluster: id, replica: '0' }],
      [mount, { cluster: id, client: 'mount' }],
    ] as const) {
      for (const { samples } of families.values())
        for (const each of samples) expect(each.labels).toMatchObject(labels);
      expect(sample(families, 'process_resident_memory_bytes')).toBeGreaterThan(1e6);
      expect(families.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
    }
  });

  it('are refused while there is nothing to tell, and computed once for those who ask at once', async () => {
    let taken = 0;
    let snapshot: object | undefined;
    const metrics = new Metrics<object>({}, () => {
      taken++;
      return snapshot;
    });
    metrics.gauge('taken', 'times', () => taken);
    expect(await metricsRoute(metrics)(new URLSearchParams())).toMatchObject({ refused: 503 });
    snapshot = {};
    const route = metricsRoute(metrics);
    const answers = await Promise.all([1, 2, 3].map(() => route(new URLSearchParams())));
    expect(answers.map((answer) => 'body' in answer && sample(readExposition(answer.body), 'taken'))).toEqual([
      2, 2, 2,
    ]);
  });
});
