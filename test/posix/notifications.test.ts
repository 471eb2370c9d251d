/** Kernels told all the time that what they remember has changed, under load: nobody waits for anybody for ever. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMount, TestMount } from './mounted.js';

const ROUNDS = 80;
const WORKERS = ['reader', 'reader', 'writer', 'renamer', 'locker', 'lister', 'mapper'] as const;

/** One process, as it might hang: what it says when it is done. */
function worker(role: string, mountpoint: string): Promise<string> {
  const script = fileURLToPath(new URL('./notified.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, role, mountpoint, String(ROUNDS)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  return new Promise((resolve) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      resolve(`${role} hangs`);
    }, 200_000);
    child.on('exit', (status) => {
      clearTimeout(limit);
      resolve(`${role} ${status}${output}`);
    });
  });
}

describe.skipIf(!canMount())('two mounts that change each other’s files', { timeout: 240_000 }, () => {
  let mount: TestMount;
  beforeAll(async () => {
    // Calls that take a while, and overtake each other, are what notifications can get between.
    mount = await TestMount.start({ profile: 'session', second: true, shuffle: true, timeLimitMs: 220_000 });
  });
  afterAll(() => mount?.stop());

  it('readers, writers, renamers, listers and lockers all come to their end', async () => {
    expect(await worker('preparer', mount.mountpoint)).toBe('preparer 0');
    const before = (await mount.counters()).kernel.notifications;
    const both = [mount.mountpoint, mount.elsewhere];
    const done = await Promise.all(both.flatMap((mountpoint) => WORKERS.map((role) => worker(role, mountpoint))));
    expect(done).toEqual(both.flatMap(() => WORKERS.map((role) => `${role} 0`)));
    const { notifications } = (await mount.counters()).kernel;
    expect(notifications - before).toBeGreaterThan(20);
    expect(mount.log).toEqual([]);
  });
});
