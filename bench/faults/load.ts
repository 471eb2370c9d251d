/** A closed loop without an end, that remembers when each operation was answered. */
import type { Answer } from './timeline.js';

export interface Load {
  /** Milliseconds since it began. */
  now(): number;
  answers: readonly Answer[];
  /** Rejects as soon as an operation fails: none may. */
  failed: Promise<never>;
  /** Starts no more, waits for those under way. @throws what an operation has failed with */
  stop(): Promise<void>;
}

/** @param operation number of the worker, 0 … outstanding − 1 */
export function startLoad(operation: (worker: number) => Promise<unknown>, outstanding: number): Load {
  const answers: Answer[] = [];
  const begin = performance.now();
  const now = () => performance.now() - begin;
  let stopped = false;
  const worker = async (number: number) => {
    while (!stopped) {
      const start = now();
      await operation(number);
      const atMs = now();
      answers.push({ atMs, latencyMs: atMs - start });
    }
  };
  const workers = Array.from({ length: outstanding }, (_, number) => worker(number));
  const failed = new Promise<never>((_, reject) => {
    for (const each of workers) each.catch(reject);
  });
  failed.catch(() => undefined);
  const stop = async () => {
    stopped = true;
    await Promise.all(workers);
  };
  return { now, answers, failed, stop };
}
