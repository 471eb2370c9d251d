/** Curves with their names at their ends: small ones in rows of two, or one alone. */
import type { Scale } from '../../src/drawing/scales.js';
import { colourOf } from '../../src/drawing/theme.js';
import { drawing, element, line, spread, text, textWidth } from './svg.js';

export interface Panel {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly { name: string; points: readonly (readonly [x: number, y: number])[] }[];
  /** Told the pixels that it has. */
  x(pixels: readonly [number, number]): Scale;
  y(pixels: readonly [number, number]): Scale;
  xFormat(value: number): string;
  yFormat(value: number): string;
  /** Each point is a figure, and none between them is. */
  dots: boolean;
}

const WIDTH = 780;
const GAP = 28;
const LEFT = 62;
const TOP = 44;
const BOTTOM = 40;
const LABEL_GAP = 14;
const LEADER = 14;

/** @param height of each panel */
export function linePlot(label: string, panels: readonly Panel[], height = 250): string {
  const columns = panels.length > 1 ? 2 : 1;
  const width = (WIDTH - (columns - 1) * GAP) / columns;
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const content = panels.map((panel, i) => {
    const at = `translate(${(i % columns) * (width + GAP)} ${Math.floor(i / columns) * (height + 12)})`;
    return element('g', { transform: at }, ...panelOf(panel, width, height, names));
  });
  return drawing(WIDTH, Math.ceil(panels.length / columns) * (height + 12), label, content);
}

function panelOf(panel: Panel, width: number, height: number, names: readonly string[]): string[] {
  const drawn = panel.series.filter(({ points }) => points.length > 0);
  const right = width - Math.max(0, ...drawn.map(({ name }) => textWidth(name))) - LEADER - 8;
  const bottom = height - BOTTOM;
  const x = panel.x([LEFT, right]);
  const y = panel.y([bottom, TOP]);
  const content = [
    text(0, 14, panel.title, { class: 'group' }),
    text(0, 32, panel.yLabel),
    ...y.ticks.flatMap((tick) => [
      line(LEFT, y(tick), right, y(tick), { class: 'grid' }),
      text(LEFT - 8, y(tick) + 4, panel.yFormat(tick), { class: 'tick', 'text-anchor': 'end' }),
    ]),
    line(LEFT, bottom, right, bottom, { class: 'axis' }),
    ...x.ticks.flatMap((tick) => [
      line(x(tick), bottom, x(tick), bottom + 4, { class: 'axis' }),
      text(x(tick), bottom + 18, panel.xFormat(tick), { class: 'tick', 'text-anchor': 'middle' }),
    ]),
    text((LEFT + right) / 2, height - 4, panel.xLabel, { 'text-anchor': 'middle' }),
  ];
  const ends = drawn.map(({ points }) => y(points.at(-1)![1]));
  const places = spread(ends, LABEL_GAP, TOP, bottom);
  for (const [i, { name, points }] of drawn.entries()) {
    const colour = colourOf(name, names);
    const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ');
    content.push(element('polyline', { points: path, class: `curve c${colour}` }));
    if (panel.dots) {
      for (const [px, py] of points) {
        content.push(element('circle', { cx: x(px), cy: y(py), r: 4, class: `dot f${colour}` }));
      }
    }
    const end = x(points.at(-1)![0]);
    // Leads from the end of the curve to its name, where that had to give way to another.
    content.push(line(end + 4, ends[i], end + LEADER, places[i], { class: `leader c${colour}` }));
    content.push(text(end + LEADER + 4, places[i] + 4, name, { class: 'name' }));
  }
  return content;
}
