/** When replicas have recovered proactively, by their own logs. */
import type { Happening } from './timeline.js';

/** @param log lines of pino JSON, and whatever else. @param beginMs of the timeline, milliseconds since 1970 */
export function recoveriesIn(id: number, log: string, beginMs: number, durationMs: number): Happening[] {
  return log
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('{')) return [];
      try {
        return [JSON.parse(line) as { time: number; msg?: string }];
      } catch {
        // The last line of a process that was killed.
        return [];
      }
    })
    .flatMap(({ time, msg = '' }) => {
      const begins = msg.startsWith('recovers: its turn');
      if (!begins && !msg.startsWith('has recovered')) return [];
      return [{ atMs: time - beginMs, name: `replica ${id} ${begins ? 'begins to recover' : 'has recovered'}` }];
    })
    .filter(({ atMs }) => atMs >= 0 && atMs < durationMs);
}
