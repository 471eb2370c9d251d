/** Runs processes that share a directory through several mounts, and checks what they saw. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { check, type Event, type Profile } from './checks.js';
import { FIRST } from './content.mjs';

const run = promisify(execFile);
const PROCESSES_A_MOUNT = 2;

const node = async (args: readonly string[]): Promise<string> =>
  (await run(process.execPath, args, { maxBuffer: 2 ** 30 })).stdout;

/**
 * @param mounts where the same empty directory is found, by different clients
 * @param operations of each mount
 * @returns how many operations were done
 */
export async function share(
  mounts: readonly string[],
  { profile, operations, seed }: { profile: Profile; operations: number; seed: number },
): Promise<number> {
  const worker = join(import.meta.dirname, 'worker.mjs');
  await node([worker, mounts[0]]);
  const each = Math.ceil(operations / PROCESSES_A_MOUNT);
  const starts = mounts.flatMap((mount, m) =>
    Array.from({ length: PROCESSES_A_MOUNT }, (_, p) => [
      worker,
      mount,
      `w${m}${p}`,
      String(seed * 100 + m * 10 + p),
      String(each),
    ]),
  );
  const outputs = await Promise.all(starts.map((args) => node(args)));
  const events = outputs.flatMap((output) => JSON.parse(output) as Event[]);
  const before = Object.entries(FIRST).map(([key, value]): Event => ['write', key, value, 0, 0]);
  const logs = await Promise.all(
    mounts.map((mount) => node(['-p', 'fs.readFileSync(process.argv[1], "latin1")', join(mount, 'log')])),
  );
  for (const log of logs) assert.equal(log, logs[0], 'the log as the mounts have it');
  check(
    profile,
    [...before, ...events],
    logs[0].split('\n').filter((line) => line !== ''),
  );
  return events.length;
}
