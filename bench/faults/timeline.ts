/** From single answers to a timeline: throughput and latency a bin, and the longest silence after each event. */
import type { Timeline, TimelineBin, TimelineEvent } from '../report.js';
import { percentile, round } from '../statistics.js';

/** One operation of the workload: when it was answered, from the begin, and how long it took. */
export interface Answer {
  atMs: number;
  latencyMs: number;
}

export interface Happening {
  atMs: number;
  name: string;
}

export function binsOf(answers: readonly Answer[], binMs: number, durationMs: number): TimelineBin[] {
  const latencies: number[][] = Array.from({ length: Math.ceil(durationMs / binMs) }, () => []);
  for (const { atMs, latencyMs } of answers) latencies[Math.floor(atMs / binMs)]?.push(latencyMs);
  return latencies.map((each) => {
    const sorted = each.sort((a, b) => a - b);
    if (sorted.length === 0) return { operations: 0, p50Ms: null, maxMs: null };
    return { operations: sorted.length, p50Ms: round(percentile(sorted, 0.5), 2), maxMs: round(sorted.at(-1)!, 2) };
  });
}

/**
 * Of each event the longest time without any answer that overlaps what is between it and the next event: a silence
 * that had begun before counts from the event on. One that goes on when the next event comes is counted to its end.
 */
export function gapsAfter(
  answers: readonly Answer[],
  happenings: readonly Happening[],
  durationMs: number,
): TimelineEvent[] {
  const times = [...answers.map(({ atMs }) => atMs).sort((a, b) => a - b), durationMs];
  return happenings.map(({ atMs, name }, i) => {
    const until = happenings[i + 1]?.atMs ?? durationMs;
    let longest = 0;
    let last = atMs;
    for (const time of times) {
      if (time <= atMs) continue;
      if (last >= until) break;
      longest = Math.max(longest, time - last);
      last = time;
    }
    return { atMs: round(atMs, 1), name, longestGapMs: round(longest, 1) };
  });
}

export function timelineOf(
  what: Pick<Timeline, 'name' | 'operation' | 'outstanding' | 'binMs'>,
  answers: readonly Answer[],
  happenings: readonly Happening[],
  durationMs: number,
): Timeline {
  const events = gapsAfter(answers, happenings, durationMs);
  return { ...what, bins: binsOf(answers, what.binMs, durationMs), events };
}
