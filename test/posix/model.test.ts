/** Random sequences of calls have the same outcomes on a mount as in a local directory. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller } from './model/caller.js';
import { compare } from './model/operations.js';
import { canMount, type FixtureOptions, TestMount } from './mounted.js';

const mounts: Record<string, FixtureOptions> = {
  session: { profile: 'session' },
  'session, calls executed in any order': { profile: 'session', shuffle: true },
  strict: { profile: 'strict' },
};

describe.skipIf(!canMount()).each(Object.entries(mounts))('random calls on a mount, %s', (_, options) => {
  let mount: TestMount;
  let local: string;
  let caller: Caller;
  beforeAll(async () => {
    mount = await TestMount.start(options);
    // Without reads that set atime, as on the mount.
    local = mkdtempSync(join(tmpdir(), 'byzfs-model-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noatime,mode=755', 'byzfs-model', local]);
    caller = new Caller([local, mount.mountpoint]);
  });
  afterAll(async () => {
    await caller?.stop();
    await mount?.stop();
    execFileSync('umount', ['-l', local]);
    rmdirSync(local);
    expect(mount.log).toEqual([]);
  });

  it('have the outcomes that they have in a local directory', { timeout: 120_000 }, async () => {
    await compare(caller, {
      sequences: Number(process.env.BYZFS_MODEL_SEQUENCES ?? 60),
      calls: 60,
      seed: Number(process.env.BYZFS_MODEL_SEED ?? 1),
      milliseconds: 60_000,
    });
  });
});
