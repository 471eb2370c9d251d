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
 * `p50Us` and `p99Us`. TENT=0 asks it to answer what is committed, not tentatively. Whatever it has started ends with it.
 */
export function runFloor(
  path: string,
  outstanding: number,
  operations: number,
  argumentBytes: number,
  signal: AbortSignal,
  limitMs = LIMIT_MS,
): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const args = [path, outstanding, operations, argumentBytes].map(String);
    const child = spawn(process.execPath, [...args, '--json'], {
      env: { ...process.env, TENT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      // In a process group of its own, so that none of it is left behind: it would be in the way of the next.
      detached: true,
    });
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      killGroup(child.pid);
    };
    const giveUp = (why: Error): void => {
      end();
      child.stdout.destroy();
      reject(why);
    };
    const onAbort = (): void => giveUp(signal.reason);
    signal.addEventListener('abort', onAbort);
    // Not AbortSignal.timeout in AbortSignal.any: in Node 20 that may be collected, and then never fires.
    const timer = setTimeout(
      () => giveUp(new BenchmarkError(`${path} had not ended after ${limitMs / 1000} s`)),
      limitMs,
    );
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', giveUp);
    child.on('exit', end);
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

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}
