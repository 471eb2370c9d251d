import fs from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../ports.js';
import { type Family, readExposition } from '../unit/metrics/exposition.js';
import { mountExposition, replicaExposition } from '../unit/metrics/figures.js';
import { shell, TestCluster } from './harness.js';

describe('metrics of a running cluster', { timeout: 240_000 }, () => {
  const cluster = new TestCluster();
  const ports = freePorts(5);
  const scrape = async (port: number): Promise<Map<string, Family>> => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return readExposition(await response.text());
  };
  const value = (families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number =>
    families
      .get(name)!
      .samples.filter((each) => Object.entries(labels).every(([label, wanted]) => each.labels[label] === wanted))
      .reduce((sum, each) => sum + each.value, 0);
  /** Asks until what is told is so. */
  async function until(what: string, port: number, isSo: (families: Map<string, Family>) => boolean): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      if (isSo(await scrape(port).catch(() => new Map()))) return;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    throw new Error(`never: ${what}`);
  }

  beforeAll(async () => {
    await cluster.up('--http', String(ports), '-o', `metrics=127.0.0.1:${ports + 4},deadline=8,actimeo=60`);
  }, 120_000);
  afterAll(() => cluster.destroy(), 120_000);

  it.each([
    ['a replica', ports, replicaExposition],
    ['a mount', ports + 4, mountExposition],
  ])('of %s are those that dashboard and rules were checked against', async (_, port, expected) => {
    const real = await scrape(port);
    const model = readExposition(await expected());
    expect([...real.keys()].sort()).toEqual([...model.keys()].sort());
    for (const [name, { type, labels, samples }] of real) {
      expect(type, name).toBe(model.get(name)!.type);
      if (name.startsWith('byzfs_') && samples.length > 0)
        expect([...labels].sort(), name).toEqual([...model.get(name)!.labels].sort());
    }
  });

  it('follow what is done on the mount', async () => {
    const [replica, mount] = [await scrape(ports), await scrape(ports + 4)];
    const file = path.join(cluster.mountpoint, 'file');
    await shell(
      `echo content > ${file}; sync ${file}; for i in $(seq 50); do stat ${file} > /dev/null; done; ls -l ${cluster.mountpoint}/gone || true`,
    );
    await new Promise((resolve) => setTimeout(resolve, 600));
    const [replicaAfter, mountAfter] = [await scrape(ports), await scrape(ports + 4)];
    const grown = (name: string, labels = {}) => value(replicaAfter, name, labels) - value(replica, name, labels);
    expect(grown('byzfs_calls_total', { kind: 'ordered' })).toBeGreaterThanOrEqual(2);
    expect(grown('byzfs_batches_total')).toBeGreaterThanOrEqual(1);
    expect(grown('byzfs_peer_messages_total', { peer: '1', direction: 'sent' })).toBeGreaterThan(0);
    expect(grown('byzfs_peer_bytes_total', { peer: '1', direction: 'received' })).toBeGreaterThan(0);
    expect(value(replicaAfter, 'byzfs_peer_linked')).toBe(3);
    expect(value(replicaAfter, 'byzfs_state_used_inodes')).toBeGreaterThanOrEqual(2);
    await until(
      'normal operation',
      ports,
      (families) => value(families, 'byzfs_replica_state', { state: 'normal' }) === 1,
    );
    const count = (families: Map<string, Family>, op: string): number =>
      families
        .get('byzfs_mount_call_duration_seconds')!
        .samples.find(({ name, labels }) => name.endsWith('_count') && labels.op === op)?.value ?? 0;
    expect(count(mountAfter, 'fsync') - count(mount, 'fsync')).toBe(1);
    expect(value(mountAfter, 'byzfs_mount_kernel_requests_total')).toBeGreaterThan(
      value(mount, 'byzfs_mount_kernel_requests_total'),
    );
    expect(value(mountAfter, 'byzfs_mount_replica_linked')).toBe(4);
    expect(value(mountAfter, 'byzfs_mount_outage')).toBe(0);
  });

  it('tell of strangers on the port of agreement', async () => {
    const strangers = 5;
    for (let i = 0; i < strangers; i++) {
      await new Promise((resolve) => {
        const socket = connect(cluster.basePort, '127.0.0.1', () => socket.write(Buffer.alloc(64, i + 1)));
        socket.resume().on('error', resolve).on('close', resolve);
      });
    }
    await until(
      'refused connections',
      ports,
      (families) => value(families, 'byzfs_refused_connections_total') >= strangers,
    );
  });

  it('tell of a view change, and of calls that are not answered', async () => {
    cluster.kill(0);
    await shell(`echo more > ${path.join(cluster.mountpoint, 'other')}`);
    await until('the view has changed', ports + 1, (families) => {
      const changed = value(families, 'byzfs_view') >= 1 && value(families, 'byzfs_view_changes_total') >= 1;
      return changed && value(families, 'byzfs_peer_linked') === 2;
    });
    cluster.kill(3);
    // Nobody is left to make a quorum.
    await shell(`timeout -s KILL 60 touch ${path.join(cluster.mountpoint, 'third')} || true`, { timeoutMs: 90_000 });
    await until('an outage', ports + 4, (families) => {
      const failed = value(families, 'byzfs_mount_failed_calls_total', { reason: 'deadline' });
      return (
        value(families, 'byzfs_mount_outages_total') === 1 && failed >= 1 && value(families, 'byzfs_mount_outage') === 1
      );
    });
    expect(value(await scrape(ports + 4), 'byzfs_mount_replica_linked')).toBe(2);
    // Of a level that says that someone must act now.
    const log = path.join(cluster.directory, 'run', 'replica-1.log');
    const lines = () =>
      fs
        .readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { level: number; msg: string });
    await until('an error in the log', ports + 1, () =>
      lines().some(({ level, msg }) => level === 50 && msg.startsWith('no quorum')),
    );
    expect(lines().filter(({ level, msg }) => level === 50 && !msg.startsWith('no quorum'))).toEqual([]);
  });

  it('are refused where they cannot be served, and the mount is not made', async () => {
    const elsewhere = path.join(cluster.scratch, 'elsewhere');
    fs.mkdirSync(elsewhere);
    const taken = await cluster.byzfs('mount', cluster.directory, elsewhere, '-o', `metrics=127.0.0.1:${ports + 1}`);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/^byzfs: metrics cannot be served at 127\.0\.0\.1:\d+: .*EADDRINUSE[^\n]*\n$/);
    const wrong = await cluster.byzfs('mount', cluster.directory, elsewhere, '-o', 'metrics=0:x');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/mount option metrics is 0:x: HOST:PORT, or PORT on the loopback interface, expected/);
  });
});
