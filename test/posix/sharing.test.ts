/** Two mounts of one directory, several processes on each: the promises of the profile, from both sides. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMount, TestMount } from './mounted.js';
import { checkCloseToOpen, checkLinearizable, type Event } from './sharing/checks.js';
import { share } from './sharing/processes.js';

describe.skipIf(!canMount()).each(['session', 'strict'] as const)('two %s mounts of one directory', (profile) => {
  let mount: TestMount;
  beforeAll(async () => {
    mount = await TestMount.start({ profile, second: true, shuffle: true });
  });
  afterAll(async () => {
    await mount?.stop();
    expect(mount.log).toEqual([]);
  });

  it('keep what the profile promises', { timeout: 120_000 }, async () => {
    const done = await share([mount.mountpoint, mount.elsewhere], { profile, operations: 1000, seed: 1 });
    expect(done).toBeGreaterThanOrEqual(2000);
  });
});

describe('the checks of what processes saw', () => {
  const write = (value: string, called: number, returned: number): Event => ['write', 'k', value, called, returned];
  const read = (value: string, called: number, returned: number): Event => ['read', 'k', value, called, returned];
  const writes = [write('a', 0, 1), write('b', 2, 3), write('c', 4, 9)];

  it('find a read of what was overwritten and closed', () => {
    checkCloseToOpen(writes, [read('b', 5, 6), read('c', 7, 8)]);
    expect(() => checkCloseToOpen(writes, [read('a', 5, 6)])).toThrow('did not see');
    expect(() => checkCloseToOpen(writes, [read('c', 2, 3)])).toThrow('not written');
  });

  it('find two reads that go back in time, which close-to-open allows', () => {
    const back = [read('c', 5, 6), read('b', 7, 8)];
    checkCloseToOpen(writes, back);
    expect(() => checkLinearizable(writes, back)).toThrow('value c while it was b');
    checkLinearizable(writes, [read('b', 5, 6), read('c', 7, 8)]);
  });
});
