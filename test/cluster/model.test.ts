/**
 * Random calls on a cluster whose replicas are killed have the outcomes that they have in a local directory, in either
 * profile. `npm run soak:model` does this for ten minutes; BYZFS_SOAK_SECONDS says how long.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller } from '../posix/model/caller.js';
import { compare } from '../posix/model/operations.js';
import { canMount } from '../posix/mounted.js';
import { TestCluster } from './harness.js';

const SECONDS = Number(process.env.BYZFS_SOAK_SECONDS ?? 12);

describe.skipIf(!canMount())('random calls on a cluster', () => {
  const cluster = new TestCluster();
  const local = path.join(cluster.scratch, 'local');
  const strict = path.join(cluster.scratch, 'strict');
  let caller: Caller;

  beforeAll(async () => {
    await cluster.init('--client', 'mount', '--client', 'other');
    await cluster.up();
    await cluster.mount(strict, '--client', 'other', '-o', 'profile=strict');
    fs.mkdirSync(local);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noatime,mode=755', 'byzfs-model', local]);
    fs.chmodSync(cluster.scratch, 0o755);
    const roots = [path.join(local, 'r'), path.join(cluster.mountpoint, 'session'), path.join(strict, 'strict')];
    for (const root of roots) fs.mkdirSync(root);
    caller = new Caller(roots);
  }, 120_000);
  afterAll(async () => {
    await caller?.stop();
    execFileSync('umount', ['-l', local]);
    await cluster.destroy();
  }, 180_000);

  it('have the outcomes that they have in a local directory, while replicas are killed', {
    timeout: (SECONDS + 240) * 1000,
  }, async () => {
    const seed = Date.now() % 2 ** 31;
    let ended = false;
    const compared = compare(caller, { sequences: 1_000_000, calls: 60, seed, milliseconds: SECONDS * 1000 }).finally(
      () => {
        ended = true;
      },
    );
    let kills = 0;
    const { view } = await cluster.status();
    while (!ended) {
      await Promise.race([delay(500 + Math.random() * 3000), compared]);
      if (ended) break;
      // Now and then all of them: nothing is forgotten by a process that is killed.
      const victims = Math.random() < 0.2 ? [0, 1, 2, 3] : [Math.floor(Math.random() * 4)];
      for (const id of victims) cluster.kill(id);
      kills += victims.length;
      await delay(Math.random() * 1500);
      await cluster.up();
    }
    await compared;
    const { replicas, view: last } = await cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`)).size).toBe(1);
    expect(kills).toBeGreaterThan(0);
    process.stdout.write(`${caller.performed} calls, ${kills} replicas killed, ${last - view} view changes\n`);
  });
});
