/** A slice of what `npm run soak:data` does for an hour: random operations on files, every byte checked (exerciser.c). */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { compiled } from './compiled.js';
import { canMount, type FixtureOptions, TestMount } from './mounted.js';

const run = promisify(execFile);
const OPERATIONS = 6000;
const LIMIT_MS = 180_000;

/** Fails with the last operations and the difference. */
async function exercise(directory: string, seed: number): Promise<void> {
  const program = await compiled('exerciser');
  const { stdout } = await run(program, [directory, String(OPERATIONS), String(seed)], { timeout: LIMIT_MS });
  expect(stdout).toContain(`${OPERATIONS} operations agree`);
}

const mounts: Record<string, FixtureOptions> = {
  'a session mount': { profile: 'session' },
  'a session mount whose calls are executed in any order': { profile: 'session', shuffle: true },
  'a strict mount': { profile: 'strict' },
};

describe('random operations on files agree with an image of them', () => {
  it(
    'on a local disk, as control',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'byzfs-exercised-'));
      await exercise(directory, 1);
      await rm(directory, { recursive: true });
    },
    LIMIT_MS,
  );

  it.skipIf(!canMount()).each(Object.entries(mounts))(
    'on %s',
    async (_, options) => {
      const mount = await TestMount.start({ ...options, timeLimitMs: LIMIT_MS });
      try {
        await exercise(mount.mountpoint, 2);
        expect(await mount.statistics()).toMatchObject({ usedBytes: 0, usedInodes: 1 });
      } finally {
        await mount.stop();
      }
      expect(mount.log).toEqual([]);
    },
    LIMIT_MS,
  );
});
