import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { behaviours } from './behaviours.js';
import { canMount, type FixtureOptions, TestMount } from './mounted.js';

let made = 0;

async function freshDirectory(parent: string): Promise<string> {
  const dir = join(parent, `case-${made++}`);
  await mkdir(dir);
  return dir;
}

describe('a local disk, as control', () => {
  let parent: string;
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'byzfs-control-'));
    await chmod(parent, 0o755);
  });
  afterAll(() => rm(parent, { recursive: true, force: true }));
  it.each(Object.entries(behaviours))('%s', async (_, behaviour) => behaviour(await freshDirectory(parent)));
});

const mounts: Record<string, FixtureOptions> = {
  'a dev-fuse mount, session': { profile: 'session' },
  'a dev-fuse mount, session, calls executed in any order': { profile: 'session', shuffle: true },
  'a dev-fuse mount, session, read on the thread pool': { profile: 'session', reader: 'thread-pool' },
  'a dev-fuse mount, strict': { profile: 'strict' },
};

describe.skipIf(!canMount()).each(Object.entries(mounts))('%s', (_, options) => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start(options);
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });
  it.each(Object.entries(behaviours))('%s', async (_, behaviour) => behaviour(await freshDirectory(mount.mountpoint)));
});
