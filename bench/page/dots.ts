/** Figures side by side on a logarithmic axis: a dot for the median, a line from the lowest run to the highest. */
import { logScale } from '../../src/drawing/scales.js';
import { colourOf } from '../../src/drawing/theme.js';
import { drawing, element, line, text, textWidth } from './svg.js';

export interface DotGroup {
  name: string;
  rows: { name: string; value: number; low: number; high: number }[];
}

export interface DotPlot {
  label: string;
  axis: string;
  format(value: number): string;
  groups: readonly DotGroup[];
  /** A line there: what figures are compared with. */
  reference?: number;
}

const WIDTH = 780;
const ROW = 19;
const HEADING = 30;
const AXIS = 46;

export function dotPlot({ label, axis, format, groups, reference }: DotPlot): string {
  const rows = groups.flatMap((group) => group.rows);
  const names = [...new Set(rows.map(({ name }) => name))];
  const left = Math.max(...names.map(textWidth), ...groups.map(({ name }) => textWidth(name))) + 16;
  const right = WIDTH - Math.max(...rows.map(({ value }) => textWidth(format(value)))) - 22;
  const values = [...rows.flatMap(({ low, high }) => [low, high]), ...(reference === undefined ? [] : [reference])];
  const x = logScale(Math.min(...values), Math.max(...values), [left, right]);
  const height = groups.reduce((sum, group) => sum + HEADING + group.rows.length * ROW, 0) + AXIS;
  const bottom = height - AXIS + 6;
  const content = x.ticks.flatMap((tick) => [
    line(x(tick), 8, x(tick), bottom, { class: 'grid' }),
    text(x(tick), bottom + 16, format(tick), { class: 'tick', 'text-anchor': 'middle' }),
  ]);
  if (reference !== undefined) content.push(line(x(reference), 8, x(reference), bottom, { class: 'axis' }));
  let y = 0;
  for (const group of groups) {
    content.push(text(0, y + 20, group.name, { class: 'group' }));
    y += HEADING;
    for (const { name, value, low, high } of group.rows) {
      const middle = y + ROW / 2;
      const colour = colourOf(name, names);
      content.push(text(left - 12, middle + 4, name, { class: 'name', 'text-anchor': 'end' }));
      content.push(line(x(low), middle, x(high), middle, { class: `range c${colour}` }));
      content.push(element('circle', { cx: x(value), cy: middle, r: 4.5, class: `dot f${colour}` }));
      content.push(text(x(high) + 10, middle + 4, format(value), { class: 'value' }));
      y += ROW;
    }
  }
  content.push(text((left + right) / 2, height - 4, axis, { 'text-anchor': 'middle' }));
  return drawing(WIDTH, height, label, content);
}
