/** The plots of where the time goes. */

import { duration } from '../../src/drawing/scales.js';
import { PARTS } from '../../src/profiling/stopwatch.js';
import { hasMount, PART_NAMES, PROCESSES_CAPTION, processName, WALL_CAPTION } from '../profile/tables.js';
import type { BenchReport } from '../report.js';
import type { Figure } from './figures.js';
import { stackPlot } from './stacks.js';

const CPU_PARTS = [...PARTS, 'rest'] as const;

/** Kinds of requests that all together took less than this share of the time are in the table only. */
const WORTH_A_BAR = 0.002;

export function profileFigures({ bench, targets }: BenchReport): Figure[] {
  return targets.flatMap((target): Figure[] => {
    const { name, profile } = target;
    if (profile === undefined) return [];
    const all = profile.requests.reduce((sum, { count, meanUs }) => sum + count * meanUs, 0);
    const shown = profile.requests.filter(({ count, meanUs }) => count * meanUs >= WORTH_A_BAR * all);
    if (shown.length === 0) return [];
    const wall = `${bench}: what the time of one request goes to, ${name}`;
    const cpu = `${bench}: CPU time by process, ${name}`;
    return [
      {
        title: wall,
        svg: stackPlot({
          ...{ label: wall, axis: 'of the wall time of one request; at the end of each bar its mean', shares: true },
          parts: PARTS.map((part) => PART_NAMES[part]),
          rows: shown.map(({ kind, parts }) => ({ name: kind, values: PARTS.map((part) => parts[part] / 1e6) })),
          format: duration,
        }),
        caption: WALL_CAPTION,
      },
      {
        title: cpu,
        svg: stackPlot({
          ...{ label: cpu, axis: 'CPU time for one ordered operation', shares: false },
          parts: CPU_PARTS.map((part) => PART_NAMES[part]),
          rows: profile.processes.map((each) => ({
            name: processName(each.name, hasMount(target)),
            values: CPU_PARTS.map((part) => each.parts[part] / 1e6),
          })),
          format: duration,
        }),
        caption: PROCESSES_CAPTION,
      },
    ];
  });
}
