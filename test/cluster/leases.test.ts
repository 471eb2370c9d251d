import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEASE_SECONDS, RENEWAL_SECONDS } from '../../src/fileservice/types.js';
import { EAGAIN, withLockers } from '../posix/locker.js';
import { shell, TestCluster } from './harness.js';

describe('what a mount holds when its process is killed', { timeout: 180_000 }, () => {
  const cluster = new TestCluster();
  const second = path.join(cluster.scratch, 'second');

  beforeAll(async () => {
    await cluster.up();
    await cluster.mount(second);
  }, 180_000);
  afterAll(() => cluster.destroy(), 60_000);

  /** statfs is answered from what was heard a second ago, and asks then. */
  const filesUsed = async (): Promise<number> => {
    await shell(`sleep 1.1; stat -f ${second}; sleep 0.3`);
    return Number(await shell(`df --output=iused ${second} | tail -1`));
  };

  it('is free for others within the time of its lease, and not before', () =>
    withLockers(2, async ([theirs, mine]) => {
      await theirs.expect(`open f ${cluster.mountpoint}/f`, 'ok');
      await theirs.expect(`open temporary ${cluster.mountpoint}/temporary`, 'ok');
      await shell(`rm ${cluster.mountpoint}/temporary`);
      await theirs.expect('lock f write 0 0', 'ok');
      await theirs.expect('flock f write', 'ok');
      await mine.expect(`open f ${second}/f`, 'ok');
      const before = await filesUsed();

      process.kill(cluster.mountPid(), 'SIGKILL');
      const killed = Date.now();
      await mine.expect('lock f write 0 0', EAGAIN);
      expect(await mine.tell('wait f write 0 0')).toBe('ok');
      const seconds = (Date.now() - killed) / 1000;
      expect(seconds).toBeGreaterThan(LEASE_SECONDS - RENEWAL_SECONDS - 1);
      expect(seconds).toBeLessThan(LEASE_SECONDS + RENEWAL_SECONDS);
      await mine.expect('flock f write', 'ok');
      expect(await filesUsed()).toBe(before - 1);
    }));
});
