/** Throughput and latency over time, one above the other, with what happened. */

import { duration, linearScale, logScale, short } from '../../src/drawing/scales.js';
import type { Timeline } from '../report.js';
import { drawing, element, line, spread, text, textWidth } from './svg.js';

const WIDTH = 780;
const LEFT = 62;
const RIGHT = WIDTH - 62;
const LANE = 16;
const PANEL = 120;
const BETWEEN = 44;
const AXIS = 40;

/** In which line each label goes, so that none runs into another. @param labels from left to right */
export function lanesOf(labels: readonly { from: number; to: number }[]): number[] {
  const ends: number[] = [];
  return labels.map(({ from, to }) => {
    const free = ends.findIndex((end) => end <= from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = to;
    return lane;
  });
}

/** Fewer empty bins in a row may be chance, where operations take about as long as a bin. */
const FEWEST_SILENT = 2;

/** Bins in a row in which nothing was answered. */
export function silencesIn(bins: Timeline['bins']): { first: number; count: number }[] {
  const found: { first: number; count: number }[] = [];
  for (const [i, { operations }] of bins.entries()) {
    if (operations > 0) continue;
    const last = found.at(-1);
    if (last !== undefined && last.first + last.count === i) last.count++;
    else found.push({ first: i, count: 1 });
  }
  return found.filter(({ count }) => count >= FEWEST_SILENT);
}

export function timelinePlot({ name, binMs, bins, events }: Timeline): string {
  const seconds = (bins.length * binMs) / 1000;
  const rough = linearScale(seconds, [0, 1], 10);
  const x = (at: number) => LEFT + (at / seconds) * (RIGHT - LEFT);
  const labels = events.map(({ atMs, name: what, longestGapMs }) => {
    const words = `${what}: ${duration(longestGapMs / 1000)}`;
    const width = textWidth(words);
    // At the end a label goes to the left of its line.
    const turned = x(atMs / 1000) + width > WIDTH;
    const from = turned ? x(atMs / 1000) - width : x(atMs / 1000);
    return { words, at: x(atMs / 1000), turned, from, to: from + width };
  });
  const lanes = lanesOf(labels);
  const top = (Math.max(0, ...lanes) + 1) * LANE + 30;
  const middle = top + PANEL + BETWEEN;
  const bottom = middle + PANEL;

  const perSecond = bins.map(({ operations }) => (operations * 1000) / binMs);
  const rate = linearScale(Math.max(...perSecond), [top + PANEL, top], 4);
  const latencies = bins.flatMap(({ p50Ms, maxMs }) => (p50Ms === null ? [] : [p50Ms / 1000, maxMs! / 1000]));
  const latency = logScale(Math.min(...latencies, 1), Math.max(...latencies, 0.001), [bottom, middle]);

  const content: string[] = [];
  for (const { first, count } of silencesIn(bins)) {
    const from = x((first * binMs) / 1000);
    const width = x(((first + count) * binMs) / 1000) - from;
    content.push(element('rect', { x: from, y: top, width, height: bottom - top, class: 'silence' }));
  }
  const rows = [
    { scale: rate, format: short },
    { scale: latency, format: duration },
  ];
  for (const { scale, format } of rows) {
    for (const tick of scale.ticks) {
      content.push(line(LEFT, scale(tick), RIGHT, scale(tick), { class: 'grid' }));
      content.push(text(LEFT - 8, scale(tick) + 4, format(tick), { class: 'tick', 'text-anchor': 'end' }));
    }
  }
  content.push(text(0, top - 14, 'answers a second', { class: 'group' }));
  content.push(text(0, middle - 14, 'latency', { class: 'group' }));
  content.push(steps(perSecond, binMs, x, rate));
  content.push(
    ...curve(
      bins.map(({ maxMs }) => maxMs),
      binMs,
      x,
      latency,
      'curve thin c1',
    ),
  );
  content.push(
    ...curve(
      bins.map(({ p50Ms }) => p50Ms),
      binMs,
      x,
      latency,
      'curve c0',
    ),
  );
  const last = bins.findLast(({ p50Ms }) => p50Ms !== null);
  if (last !== undefined) {
    const ends = [last.p50Ms!, last.maxMs!].map((ms) => latency(ms / 1000));
    const [median, longest] = spread(ends, LANE, middle, bottom);
    content.push(
      text(RIGHT + 6, median + 4, 'median', { class: 'f0' }),
      text(RIGHT + 6, longest + 4, 'longest', { class: 'f1' }),
    );
  }
  for (const tick of rough.ticks.filter((each) => each <= seconds)) {
    content.push(line(x(tick), bottom, x(tick), bottom + 4, { class: 'axis' }));
    content.push(text(x(tick), bottom + 18, short(tick), { class: 'tick', 'text-anchor': 'middle' }));
  }
  content.push(line(LEFT, bottom, RIGHT, bottom, { class: 'axis' }));
  content.push(text((LEFT + RIGHT) / 2, bottom + 34, 'seconds', { 'text-anchor': 'middle' }));
  const laneY = (i: number) => lanes[i] * LANE + 12;
  for (const [i, { at }] of labels.entries()) content.push(line(at, laneY(i) - 9, at, bottom, { class: 'event' }));
  for (const [i, { words, at, turned }] of labels.entries()) {
    const anchor = turned ? 'end' : 'start';
    content.push(text(at + (turned ? -5 : 5), laneY(i), words, { class: 'name over', 'text-anchor': anchor }));
  }
  return drawing(WIDTH, bottom + AXIS, `${name}: throughput and latency over time`, content);
}

type Pixels = (value: number) => number;

/** Each bin as wide as it is. */
function steps(values: readonly number[], binMs: number, x: Pixels, y: Pixels): string {
  const points = values.flatMap((value, i) => [
    `${x((i * binMs) / 1000).toFixed(1)},${y(value).toFixed(1)}`,
    `${x(((i + 1) * binMs) / 1000).toFixed(1)},${y(value).toFixed(1)}`,
  ]);
  const end = x((values.length * binMs) / 1000).toFixed(1);
  const floor = y(0).toFixed(1);
  const area = [`${x(0).toFixed(1)},${floor}`, ...points, `${end},${floor}`].join(' ');
  return (
    element('polygon', { points: area, class: 'area f0' }) +
    element('polyline', { points: points.join(' '), class: 'curve c0', style: 'stroke-width:1.5' })
  );
}

/** Broken where there was no answer: nothing is drawn over a silence. @param values milliseconds */
function curve(values: readonly (number | null)[], binMs: number, x: Pixels, y: Pixels, style: string): string[] {
  const runs: string[][] = [[]];
  for (const [i, value] of values.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)!.push(`${x(((i + 0.5) * binMs) / 1000).toFixed(1)},${y(value / 1000).toFixed(1)}`);
  }
  return runs
    .filter((run) => run.length > 0)
    .map((run) => element('polyline', { points: (run.length === 1 ? [run[0], run[0]] : run).join(' '), class: style }));
}
