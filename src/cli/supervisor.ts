/** Keeps processes running: one that ended is started again, later and later if it keeps ending. */
import { setTimeout as delay } from 'node:timers/promises';
import { oneLine } from './errors.js';
import { isRunning } from './proc.js';

export interface Supervised {
  name: string;
  pid: number;
  /** Starts it again. @returns the new pid, or null if it is not to run any more */
  restart(): Promise<number | null>;
}

export interface BackOff {
  firstMs: number;
  limitMs: number;
  /** One that ran this long is forgiven its past. */
  forgivenMs: number;
  pollMs: number;
}

export const BACK_OFF: BackOff = { firstMs: 500, limitMs: 30_000, forgivenMs: 60_000, pollMs: 200 };

/** @param report gets a line for people for each event */
export async function supervise(
  process: Supervised,
  signal: AbortSignal,
  report: (line: string) => void,
  backOff: BackOff = BACK_OFF,
): Promise<void> {
  let waitMs = backOff.firstMs;
  let startedAt = Date.now();
  let pid: number | null = process.pid;
  const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => undefined);
  while (!signal.aborted) {
    if (pid !== null && isRunning(pid)) {
      await pause(backOff.pollMs);
      continue;
    }
    if (Date.now() - startedAt > backOff.forgivenMs) waitMs = backOff.firstMs;
    if (pid !== null) report(`${process.name} (pid ${pid}) ended: starting it again in ${waitMs / 1000} s`);
    await pause(waitMs);
    waitMs = Math.min(2 * waitMs, backOff.limitMs);
    if (signal.aborted) return;
    startedAt = Date.now();
    try {
      pid = await process.restart();
      if (pid === null) return report(`${process.name} was ended on purpose: leaving it so`);
      report(`${process.name} runs again (pid ${pid})`);
    } catch (error) {
      pid = null;
      report(`${process.name} cannot be started: ${oneLine(error)}: trying again in ${waitMs / 1000} s`);
    }
  }
}
