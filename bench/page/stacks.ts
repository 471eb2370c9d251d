/** What a whole is made of: bars of parts, one below the other, with the colours of the parts above them. */
import { linearScale } from '../../src/drawing/scales.js';
import { drawing, element, line, text, textWidth } from './svg.js';

export interface StackPlot {
  label: string;
  axis: string;
  /** In order, at most as many as there are colours. */
  parts: readonly string[];
  rows: readonly { name: string; values: readonly number[] }[];
  format(value: number): string;
  /** Every bar is as long as the others, and the axis one of shares; otherwise lengths compare. */
  shares: boolean;
}

const WIDTH = 780;
const ROW = 24;
const BAR = 14;
const KEY = 22;
const AXIS = 46;

export function stackPlot({ label, axis, parts, rows, format, shares }: StackPlot): string {
  const content: string[] = [];
  let keyX = 0;
  let keyY = 12;
  for (const [i, part] of parts.entries()) {
    const width = textWidth(part) + 36;
    if (keyX + width > WIDTH) {
      keyX = 0;
      keyY += KEY;
    }
    content.push(element('rect', { x: keyX, y: keyY - 9, width: 10, height: 10, class: `part f${i}` }));
    content.push(text(keyX + 16, keyY, part, { class: 'name' }));
    keyX += width;
  }
  const top = keyY + 16;
  const bottom = top + rows.length * ROW + 4;
  const sums = rows.map(({ values }) => values.reduce((all, value) => all + value, 0));
  const left = Math.max(...rows.map(({ name }) => textWidth(name))) + 16;
  const right = WIDTH - Math.max(...sums.map((sum) => textWidth(format(sum)))) - 14;
  const x = linearScale(shares ? 1 : Math.max(...sums), [left, right]);
  const tick = shares ? (value: number) => `${Math.round(value * 100)} %` : format;
  for (const value of x.ticks) {
    content.push(line(x(value), top, x(value), bottom, { class: 'grid' }));
    content.push(text(x(value), bottom + 16, tick(value), { class: 'tick', 'text-anchor': 'middle' }));
  }
  for (const [r, { name, values }] of rows.entries()) {
    const y = top + r * ROW + (ROW - BAR) / 2;
    content.push(text(left - 12, y + BAR - 3, name, { class: 'name', 'text-anchor': 'end' }));
    const whole = shares ? sums[r] : 1;
    let before = 0;
    for (const [i, value] of values.entries()) {
      if (value > 0 && whole > 0) {
        const from = x(before / whole);
        const width = x((before + value) / whole) - from;
        content.push(element('rect', { x: from, y, width, height: BAR, class: `part f${i}` }));
      }
      before += value;
    }
    const end = shares ? right : x(sums[r]);
    content.push(text(end + 8, y + BAR - 3, format(sums[r]), { class: 'value' }));
  }
  content.push(text((left + right) / 2, bottom + 36, axis, { 'text-anchor': 'middle' }));
  return drawing(WIDTH, bottom + AXIS, label, content);
}
