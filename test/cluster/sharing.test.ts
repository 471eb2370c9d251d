/**
 * Two mounts of a cluster, of different clients: what their processes see is what the profile promises.
 * `npm run soak:sharing` does 20,000 operations on each; BYZFS_SHARING_OPERATIONS says how many.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMount } from '../posix/mounted.js';
import { share } from '../posix/sharing/processes.js';
import { TestCluster } from './harness.js';

const OPERATIONS = Number(process.env.BYZFS_SHARING_OPERATIONS ?? 200);

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('two %s mounts of one cluster', (profile) => {
  const cluster = new TestCluster();
  const elsewhere = path.join(cluster.scratch, 'elsewhere');

  beforeAll(async () => {
    await cluster.init('--client', 'mount', '--client', 'other');
    await cluster.up('-o', `profile=${profile}`);
    await cluster.mount(elsewhere, '--client', 'other', '-o', `profile=${profile}`);
  }, 120_000);
  afterAll(() => cluster.destroy(), 60_000);

  it('keep what the profile promises', { timeout: 120_000 + OPERATIONS * 200 }, async () => {
    const start = performance.now();
    fs.mkdirSync(path.join(cluster.mountpoint, 'shared'));
    const mounts = [cluster.mountpoint, elsewhere].map((mount) => path.join(mount, 'shared'));
    const done = await share(mounts, { profile, operations: OPERATIONS, seed: Date.now() % 1000 });
    expect(done).toBeGreaterThanOrEqual(2 * OPERATIONS);
    const seconds = Math.round((performance.now() - start) / 1000);
    process.stdout.write(`${profile}: ${done} operations in ${seconds} s keep what is promised\n`);
  });
});
