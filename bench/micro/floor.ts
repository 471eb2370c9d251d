/** An external program that does less, run in turn with ours: what this machine allows at this hour. */
import { spawn } from 'node:child_process';
import { BenchmarkError } from '../errors.js';
import type { LoadResult } from './load.js';

/** Longer arguments are not asked of it: it need not be made for more than the papers' operations. */
export const FLOOR_ARGUMENT_BYTES = 4096;

/** No run takes so long: it has stopped, or stands still. */
const LIMIT_MS = 120_000;

/**
 * Runs `node PATH outstanding operations bytes --json`, which prints one JSON object with `operations`, `opsPerSecond`,
 * `p50Us` and `p99Us`. TENT=0 asks it to answer what is committed, not tentatively.
 */
export function runFloor(
  path: string,
  outstanding: number,
  operations: number,
  argumentBytes: number,
  signal: AbortSignal,
): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const args = [path, outstanding, operations, argumentBytes].map(String);
    const child = spawn(process.execPath, [...args, '--json'], {
      env: { ...process.env, TENT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status !== 0) return reject(new BenchmarkError(`${path} ended with status ${status}`));
      try {
        const figures = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Omit<LoadResult, 'seconds'>;
        resolve({ ...figures, seconds: figures.operations / figures.opsPerSecond });
      } catch {
        reject(new BenchmarkError(`${path}: its last line is no JSON object`));
      }
    });
  });
}
