import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Behaviour, behaviours } from './behaviours.js';
import { canMount, type FixtureOptions, nativeObstacle, TestMount } from './mounted.js';
import { beyondFuseNative } from './native-limits.js';

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

/** Cases that are a matter of timing fail within so many runs. */
const RUNS = 20;

async function failsSometimes(behaviour: Behaviour, parent: string): Promise<boolean> {
  for (let run = 0; run < RUNS; run++) {
    const dir = await freshDirectory(parent);
    const failed = await behaviour(dir).then(
      () => false,
      () => true,
    );
    if (failed) return true;
  }
  return false;
}

const obstacle = nativeObstacle();
const nativeMounts = [['session'], ['strict']] as const;
const nativeName = `a fuse-native mount, %s${obstacle === null ? '' : ` (skipped: ${obstacle})`}`;

describe.skipIf(!canMount() || obstacle !== null).each(nativeMounts)(nativeName, (profile) => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile, kernels: ['fuse-native'] });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });
  const beyond = beyondFuseNative();
  it('has limits that docs/FUSE-NATIVE.md lists by the names of cases here', () => {
    expect(beyond.filter((name) => !(name in behaviours))).toEqual([]);
    expect(new Set(beyond).size).toBe(beyond.length);
  });
  const within = Object.entries(behaviours).filter(([name]) => !beyond.includes(name));
  it.each(within)('%s', async (_, behaviour) => behaviour(await freshDirectory(mount.mountpoint)));
  it.each(beyond.filter((name) => name in behaviours))('cannot: %s', async (name) => {
    expect(await failsSometimes(behaviours[name], mount.mountpoint)).toBe(true);
  });
});
