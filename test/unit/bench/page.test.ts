import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dotPlot } from '../../../bench/page/dots.js';
import { figuresOf } from '../../../bench/page/figures.js';
import { pageOf } from '../../../bench/page/page.js';
import { element, escaped, spread } from '../../../bench/page/svg.js';
import { lanesOf, silencesIn } from '../../../bench/page/timeline.js';
import { writeReport } from '../../../bench/page/write.js';
import { duration, figure, linearScale, logScale, short } from '../../../src/drawing/scales.js';
import { colourOf } from '../../../src/drawing/theme.js';
import { REPORTS } from './reports.js';

/** @returns the names of elements that are left open: none, if every begin has its end */
function unbalanced(markup: string): string[] {
  const open: string[] = [];
  for (const [, closing, name, rest] of markup.matchAll(/<(\/?)([a-z0-9]+)((?:"[^"]*"|[^>"])*)>/g)) {
    if (name === 'meta' || rest.endsWith('/')) continue;
    if (closing === '') open.push(name);
    else if (open.pop() !== name) return [...open, `/${name}`];
  }
  return open;
}

describe('scales', () => {
  it('of powers of ten are logarithmic, with ticks from below the lowest to above the highest', () => {
    const scale = logScale(0.003, 40, [0, 500]);
    expect(scale.ticks).toEqual([0.001, 0.01, 0.1, 1, 10, 100]);
    expect(scale(0.001)).toBeCloseTo(0);
    expect(scale(100)).toBeCloseTo(500);
    expect(scale(1) - scale(0.1)).toBeCloseTo(100);
  });

  it('have finer ticks where there are few powers of ten', () => {
    expect(logScale(3, 40, [0, 1]).ticks).toEqual([2, 5, 10, 20, 50]);
    expect(logScale(7, 7, [0, 1]).ticks).toEqual([5, 10]);
  });

  it('hold whatever they were made for', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-7, max: 1e9, noNaN: true }),
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        (low, times) => {
          const high = low * times;
          const scale = logScale(low, high, [10, 110]);
          for (const value of [low, high]) {
            expect(scale(value)).toBeGreaterThan(9.99);
            expect(scale(value)).toBeLessThan(110.01);
          }
        },
      ),
    );
  });

  it('of whole steps begin at 0 and end above the highest', () => {
    expect(linearScale(0.27, [0, 1], 5).ticks).toEqual([0, 0.1, 0.2, 0.3]);
    expect(linearScale(4000, [200, 0], 4).ticks).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(linearScale(4000, [200, 0], 4)(1000)).toBe(150);
    expect(linearScale(0, [0, 1]).ticks.at(-1)).toBeGreaterThan(0);
  });

  it('write figures with three digits that count', () => {
    expect([0, 12345, 1.23456, 0.000123456].map(figure)).toEqual(['0', '12,345', '1.23', '0.000123']);
    expect([0, 3, 0.0421, 0.000012, 0.9999].map(duration)).toEqual(['0', '3 s', '42.1 ms', '12 µs', '1 s']);
    expect([5, 1500, 2e6].map(short)).toEqual(['5', '1.5k', '2M']);
  });
});

describe('labels', () => {
  it('keep their distance and their order, within the room there is', () => {
    expect(spread([10, 50], 14, 0, 100)).toEqual([10, 50]);
    expect(spread([50, 50], 14, 0, 100)).toEqual([43, 57]);
    expect(spread([99, 100, 98], 14, 0, 100)).toEqual([86, 100, 72]);
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 300, noNaN: true }), { minLength: 1, maxLength: 12 }), (wanted) => {
        const places = spread(wanted, 14, 0, 300);
        const sorted = [...places].sort((a, b) => a - b);
        for (const [i, place] of sorted.entries()) {
          expect(place).toBeGreaterThan(-1e-6);
          expect(place).toBeLessThan(300 + 1e-6);
          if (i > 0) expect(place - sorted[i - 1]).toBeGreaterThan(14 - 1e-6);
        }
        for (const [i, a] of wanted.entries()) {
          for (const [j, b] of wanted.entries()) if (a < b) expect(places[i]).toBeLessThan(places[j]);
        }
      }),
    );
  });

  it('of events take another line only where they would run into each other', () => {
    const labels = [
      { from: 0, to: 100 },
      { from: 50, to: 120 },
      { from: 110, to: 200 },
      { from: 115, to: 150 },
    ];
    expect(lanesOf(labels)).toEqual([0, 1, 0, 2]);
  });

  it('of the same name have the same colour beside any others, and of different names different ones', () => {
    const few = ['byzfs', 'x'];
    const many = ['x', 'byzfs', 'local', 'y'];
    expect(colourOf('byzfs', few)).toBe(colourOf('byzfs', many));
    expect(new Set(many.map((name) => colourOf(name, many))).size).toBe(many.length);
  });
});

describe('the plots', () => {
  it('say what they are given, escaped', () => {
    expect(escaped('<a & "b">')).toBe('&lt;a &amp; &quot;b&quot;&gt;');
    expect(element('text', { x: 1.26, class: 'a"b' }, 'c')).toBe('<text x="1.3" class="a&quot;b">c</text>');
  });

  it('place a dot further to the right for a larger figure, and its range around it', () => {
    const svg = dotPlot({
      label: 'l',
      axis: 'time',
      format: duration,
      groups: [
        {
          name: 'copy',
          rows: [
            { name: 'a', value: 1, low: 0.5, high: 4 },
            { name: 'b', value: 0.1, low: 0.1, high: 0.1 },
          ],
        },
      ],
    });
    const dots = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x));
    const [from, to] = /<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)" y2="[\d.]+" class="range/
      .exec(svg)!
      .slice(1)
      .map(Number);
    expect(dots[0]).toBeGreaterThan(dots[1]);
    expect(from).toBeLessThan(dots[0]);
    expect(to).toBeGreaterThan(dots[0]);
    for (const words of ['copy', '>a<', '>b<', '>1 s<', '>100 ms<', '>time<']) expect(svg).toContain(words);
  });

  it.each(REPORTS.map((report) => [report.bench, report] as const))(
    'of %s have no figure that is none',
    (_, report) => {
      const figures = figuresOf(report);
      expect(figures.length).toBeGreaterThan(0);
      for (const { svg } of figures) {
        expect(svg).not.toMatch(/NaN|undefined|Infinity|null/);
        expect(unbalanced(svg)).toEqual([]);
      }
    },
  );

  it('show every target of every phase, and every event with how long the silence was', () => {
    const [andrew] = figuresOf(REPORTS[0]);
    expect(andrew.svg.match(/<circle/g)).toHaveLength(5 * 8);
    const [timeline] = figuresOf(REPORTS.find(({ bench }) => bench === 'faults')!);
    expect(timeline.svg).toContain('event number 3: 300 ms');
    expect(timeline.svg.match(/class="silence"/g)).toHaveLength(1);
  });

  it('shade silences, not single empty bins', () => {
    const bins = [1, 0, 2, 0, 0, 0, 3, 0, 0].map((operations) => ({ operations, p50Ms: null, maxMs: null }));
    expect(silencesIn(bins)).toEqual([
      { first: 3, count: 3 },
      { first: 7, count: 2 },
    ]);
  });

  it('show what the time goes to, as shares of each bar or as lengths, for targets that were profiled', () => {
    const figures = figuresOf(REPORTS.find(({ bench }) => bench === 'small')!).slice(-4);
    expect(figures.map(({ title }) => title)).toEqual(
      ['byzfs', 'byzfs-f0'].flatMap((name) => [
        `small: what the time of one request goes to, ${name}`,
        `small: CPU time by process, ${name}`,
      ]),
    );
    const [wall, cpu] = figures;
    const segments = (svg: string) =>
      [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="14" class="part f(\d)"/g)].map(
        (match) => match.slice(1).map(Number),
      );
    // Nine kinds, one of which has two parts only.
    expect(segments(wall.svg)).toHaveLength(8 * 7 + 2);
    expect(segments(cpu.svg)).toHaveLength(4 * 8);
    const lengths = (svg: string): number[] => {
      const bars = new Map<number, number>();
      for (const [, y, width] of segments(svg)) bars.set(y, (bars.get(y) ?? 0) + width);
      return [...bars.values()];
    };
    for (const length of lengths(wall.svg)) expect(length).toBeCloseTo(lengths(wall.svg)[0], -1);
    const [mount, replicas] = lengths(cpu.svg);
    expect(replicas / mount).toBeCloseTo(2, 1);
    expect(wall.caption).toMatch(/^Wall time of one request/);
    expect(cpu.caption).toMatch(/^CPU time of processes/);
  });

  it('say why there is nothing to see', () => {
    const figures = figuresOf(REPORTS.find(({ bench }) => bench === 'scale')!);
    expect(figures.find(({ title }) => title.includes('round-trip'))).toMatchObject({
      svg: '',
      caption: 'Single runs. not measured: no netem.',
    });
  });
});

describe('the page', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is complete in itself, with all that was measured in a fixed order', () => {
    const page = pageOf([...REPORTS].reverse());
    expect(unbalanced(page.replace(/<!doctype html>|<style>.*?<\/style>/gs, ''))).toEqual([]);
    expect([...page.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id)).toEqual(REPORTS.map(({ bench }) => bench));
    expect(page).not.toMatch(/<script|<link|<img|@import|url\(|(src|href)=/);
    expect(page).toContain('as they are, &amp; &lt;not&gt; &quot;dropped&quot;');
    expect(page).toContain('files per copy');
    expect(page.match(/<summary>Where the time goes: byzfs<\/summary>/g)).toHaveLength(2);
  });

  it('gathers what is in the directory; a newer run takes the place of an older one', () => {
    for (const report of REPORTS) writeReport(directory, report);
    const changed = { ...REPORTS[2], parameters: { newer: 'run' } };
    const path = writeReport(directory, changed);
    expect(path).toBe(join(directory, 'index.html'));
    expect(readFileSync(path, 'utf8')).toBe(
      pageOf(REPORTS.map((report) => (report.bench === changed.bench ? changed : report))),
    );
    expect(readdirSync(directory)).toContain('andrew.svg');
    expect(readFileSync(join(directory, 'andrew.svg'), 'utf8')).toMatch(
      /^<svg [^>]*><style>.*prefers-color-scheme:dark/s,
    );
  });

  it('is not drawn from anything else', () => {
    writeFileSync(join(directory, 'micro.json'), '{}');
    expect(() => writeReport(directory, REPORTS[0])).toThrow(/micro\.json: no report of a benchmark/);
  });
});
