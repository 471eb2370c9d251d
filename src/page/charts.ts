/// <reference lib="dom" />
/** Calls a second and their latency over the last minutes, as f+1 replicas have it. */
import { duration, linearScale, logScale, type Scale, short } from '../drawing/scales.js';
import type { Rates } from '../status/rates.js';
import { makeSvg } from './elements.js';

const WIDTH = 780;
const HEIGHT = 130;
const LEFT = 62;
const RIGHT = WIDTH - 70;
const TOP = 26;
const BOTTOM = HEIGHT - 20;
const SHOWN_SECONDS = 300;

interface Point {
  atMs: number;
  rates: Rates;
}

interface Curve {
  name: string;
  of(rates: Rates): number | null;
}

export class Charts {
  private points: Point[] = [];

  constructor(private readonly place: HTMLElement) {}

  add(atMs: number, rates: Rates): void {
    this.points = [...this.points, { atMs, rates }].filter((point) => point.atMs > atMs - SHOWN_SECONDS * 1000);
    const rate = [{ name: 'calls', of: (each: Rates) => each.callsPerSecond }];
    const latency = [
      { name: 'median', of: (each: Rates) => each.p50 },
      { name: '99 %', of: (each: Rates) => each.p99 },
    ];
    const highest = Math.max(0, ...this.valuesOf(rate));
    const times = this.valuesOf(latency);
    this.place.replaceChildren(
      this.chart('calls a second', rate, linearScale(highest, [BOTTOM, TOP], 3), short),
      this.chart(
        'latency',
        latency,
        logScale(Math.min(0.001, ...times), Math.max(0.1, ...times), [BOTTOM, TOP]),
        duration,
      ),
    );
  }

  private valuesOf(curves: readonly Curve[]): number[] {
    return curves.flatMap(({ of }) =>
      this.points.map(({ rates }) => of(rates)).filter((value) => value !== null && value > 0),
    ) as number[];
  }

  private chart(title: string, curves: readonly Curve[], y: Scale, format: (value: number) => string): Element {
    const svg = makeSvg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title} over time` });
    svg.append(makeSvg('text', { x: 0, y: 12, class: 'group' }, title));
    for (const tick of y.ticks) {
      svg.append(makeSvg('line', { x1: LEFT, x2: RIGHT, y1: y(tick), y2: y(tick), class: 'grid' }));
      svg.append(makeSvg('text', { x: LEFT - 8, y: y(tick) + 4, class: 'tick', 'text-anchor': 'end' }, format(tick)));
    }
    const now = this.points.at(-1)!.atMs;
    const x = (atMs: number) => RIGHT - ((now - atMs) / 1000 / SHOWN_SECONDS) * (RIGHT - LEFT);
    let lastLabel = Number.NEGATIVE_INFINITY;
    for (const [i, { name, of }] of curves.entries()) {
      const runs = runsOf(this.points, of);
      for (const run of runs) {
        const points = run.map(([atMs, value]) => `${x(atMs).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
        svg.append(makeSvg('polyline', { points, class: `curve c${i}` }));
      }
      const last = runs.at(-1)?.at(-1);
      if (last === undefined) continue;
      // One below the other where they would meet; the latencies rise from one to the next.
      const at = lastLabel - y(last[1]) < 14 ? lastLabel - 14 : y(last[1]);
      lastLabel = i === 0 ? y(last[1]) : at;
      svg.append(makeSvg('text', { x: RIGHT + 6, y: (i === 0 ? lastLabel : at) + 4, class: `f${i}` }, name));
    }
    for (let ago = 0; ago <= SHOWN_SECONDS; ago += 60) {
      const label = ago === 0 ? 'now' : `${ago / 60} min`;
      svg.append(
        makeSvg('text', { x: x(now - ago * 1000), y: HEIGHT - 4, class: 'tick', 'text-anchor': 'middle' }, label),
      );
    }
    return svg;
  }
}

/** Broken where nothing is known: nothing is drawn over a silence. */
function runsOf(points: readonly Point[], of: Curve['of']): [atMs: number, value: number][][] {
  const runs: [number, number][][] = [[]];
  for (const { atMs, rates } of points) {
    const value = of(rates);
    if (value === null) runs.push([]);
    else runs.at(-1)!.push([atMs, value]);
  }
  // One alone is a dot.
  return runs.filter((run) => run.length > 0).map((run) => (run.length === 1 ? [run[0], run[0]] : run));
}
