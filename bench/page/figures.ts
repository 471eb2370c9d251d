/** Which plots show what a benchmark found. */

import { duration, figure, linearScale, logScale, short } from '../../src/drawing/scales.js';
import type { BenchReport, Curve, PhaseReport } from '../report.js';
import { type DotGroup, dotPlot } from './dots.js';
import { linePlot, type Panel } from './lines.js';
import { profileFigures } from './profiles.js';
import { timelinePlot } from './timeline.js';

export interface Figure {
  title: string;
  svg: string;
  caption: string;
}

/** The first is the main one. */
export const figuresOf = (report: BenchReport): Figure[] => [...measuredFigures(report), ...profileFigures(report)];

function measuredFigures(report: BenchReport): Figure[] {
  switch (report.bench) {
    case 'micro':
      return [...throughput(report), ...distributions(report), ...variants(report)];
    case 'faults':
      return (report.timelines ?? []).map((timeline) => ({
        title: timeline.name,
        svg: timelinePlot(timeline),
        caption:
          `${timeline.operation}; ${timeline.outstanding} at a time; bins of ${timeline.binMs} ms. With each event, the longest ` +
          'time without any answer until the next: the service resumed within it. Shaded: nothing was answered for two bins or more.',
      }));
    case 'scale':
      return (report.curves ?? []).map(curveFigure);
    case 'sequential':
      return [rates(report), ...phases(report, ({ bytes }) => bytes === undefined, 'seconds')];
    case 'andrew':
      return phases(report, () => true, 'seconds');
    default:
      return [...phases(report, () => true, 'operation'), ...distributions(report)];
  }
}

const RUNS = 'Dot: median of the runs; line: from the lowest run to the highest. Logarithmic.';

type Row = DotGroup['rows'][number];

/** By phase, targets below one another. */
function byPhase(
  { targets }: BenchReport,
  wanted: (phase: PhaseReport) => boolean,
  of: (phase: PhaseReport) => Omit<Row, 'name'>,
): DotGroup[] {
  const names = [...new Set(targets.flatMap(({ phases }) => phases.filter(wanted).map(({ name }) => name)))];
  return names.map((name) => ({
    name,
    rows: targets.flatMap((target) => {
      const phase = target.phases.find((each) => each.name === name);
      return phase === undefined ? [] : [{ name: target.name, ...of(phase) }];
    }),
  }));
}

function phases(report: BenchReport, wanted: (phase: PhaseReport) => boolean, unit: 'seconds' | 'operation'): Figure[] {
  const groups = byPhase(report, wanted, ({ seconds, runs, operations }) => {
    const each = unit === 'seconds' ? 1 : operations;
    return { value: seconds / each, low: Math.min(...runs) / each, high: Math.max(...runs) / each };
  });
  if (groups.length === 0) return [];
  const what = unit === 'seconds' ? 'time of a phase' : 'time of an operation';
  const title = `${report.bench}: ${what}`;
  return [{ title, svg: dotPlot({ label: title, axis: what, format: duration, groups }), caption: RUNS }];
}

function rates(report: BenchReport): Figure {
  const groups = byPhase(
    report,
    ({ bytes }) => bytes !== undefined,
    ({ bytes, seconds, runs }) => ({
      value: bytes! / seconds / 1e6,
      low: bytes! / Math.max(...runs) / 1e6,
      high: bytes! / Math.min(...runs) / 1e6,
    }),
  );
  const title = `${report.bench}: throughput`;
  const format = (value: number) => `${figure(value)} MB/s`;
  return { title, svg: dotPlot({ label: title, axis: 'megabytes (10⁶) a second', format, groups }), caption: RUNS };
}

/** Nines: 0 at none of the operations, 1 at 90 %, 2 at 99 %, … */
const nines = (share: number): number => -Math.log10(1 - share);

const SHARES = [0.5, 0.9, 0.99, 0.999, 0.9999];

/** A panel would have curves that say nothing, of so many phases. */
const MOST_PANELS = 8;

function distributions({ bench, targets }: BenchReport): Figure[] {
  const names = [...new Set(targets.flatMap(({ phases }) => phases.map(({ name }) => name)))].slice(0, 100);
  const shown = bench === 'micro' ? names.filter((name) => /^(0\/0|4\/0)( read-only)?, (1|64) /.test(name)) : names;
  const panels = shown.slice(0, MOST_PANELS).flatMap((name): Panel[] => {
    const series = targets.flatMap((target) => {
      const quantilesUs = target.phases.find((phase) => phase.name === name)?.quantilesUs;
      if (quantilesUs === undefined) return [];
      return [{ name: target.name, points: quantilesUs.map(([share, us]) => [nines(share), us / 1e6] as const) }];
    });
    // Targets that were measured beside another group are not in this panel's.
    const points = series.flatMap((each) => each.points);
    if (points.length === 0) return [];
    const ys = points.map(([, y]) => Math.max(y, 1e-6));
    const most = Math.max(...points.map(([x]) => x));
    return [
      {
        ...{ title: name, xLabel: 'of the operations, so many at most', yLabel: 'latency', series, dots: false },
        x: ([from, to]) =>
          Object.assign((value: number) => from + (value / most) * (to - from), {
            ticks: SHARES.map(nines).filter((x) => x <= most + 1e-9),
          }),
        y: (pixels) => logScale(Math.min(...ys), Math.max(...ys), pixels),
        xFormat: (x) => `${Number((100 * (1 - 10 ** -x)).toFixed(2))} %`,
        yFormat: duration,
      },
    ];
  });
  if (panels.length === 0) return [];
  const title = `${bench}: latency distributions`;
  const caption =
    'Of each share the median over the runs. The axis of shares widens towards the slowest, latency is logarithmic.';
  return [{ title, svg: linePlot(title, panels), caption }];
}

/** As many calls at a time as the name of a phase of `micro` says. */
function micro(name: string): { operation: string; outstanding: number } | null {
  const match = /^(.+), (\d+) outstanding$/.exec(name);
  return match === null ? null : { operation: match[1], outstanding: Number(match[2]) };
}

const COMPARED = ['byzfs', 'byzfs-f0', 'floor'];

function throughput({ targets }: BenchReport): Figure[] {
  const compared = targets.filter(({ name }) => COMPARED.includes(name));
  const operations = [
    ...new Set(compared.flatMap(({ phases }) => phases.map(({ name }) => micro(name)?.operation ?? name))),
  ];
  const panels = operations.map((operation): Panel => {
    const series = compared.map(({ name, phases }) => ({
      name,
      points: phases.flatMap((phase) => {
        const calls = micro(phase.name);
        return calls?.operation === operation ? [[calls.outstanding, phase.opsPerSecond!] as const] : [];
      }),
    }));
    const points = series.flatMap((each) => each.points);
    const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
    const ys = points.map(([, y]) => y);
    return {
      ...{ title: operation, xLabel: 'calls outstanding', yLabel: 'operations a second', series, dots: true },
      x: (pixels) => Object.assign(logScale(xs[0], Math.max(xs.at(-1)!, 2 * xs[0]), pixels), { ticks: xs }),
      y: (pixels) => logScale(Math.min(...ys), Math.max(...ys), pixels),
      xFormat: String,
      yFormat: short,
    };
  });
  if (panels.length === 0) return [];
  const title = 'micro: throughput';
  const caption =
    'Null operations without a mount, argument/result in KiB. Medians of the runs; both axes logarithmic.';
  return [{ title, svg: linePlot(title, panels), caption }];
}

/** What it takes longer without: ratios of a run to the one beside it. */
function variants({ ratios }: BenchReport): Figure[] {
  const groups = Object.entries(ratios).flatMap(([pair, quotients]): DotGroup[] => {
    const [name, other] = pair.split('/');
    if (other !== 'byzfs' || COMPARED.includes(name)) return [];
    const rows = Object.entries(quotients).map(([phase, value]) => ({ name: phase, value, low: value, high: value }));
    return rows.length === 0 ? [] : [{ name, rows }];
  });
  if (groups.length === 0) return [];
  const title = 'micro: time of each variant, over that of the default';
  const format = (value: number) => `${figure(value)} ×`;
  const svg = dotPlot({
    label: title,
    axis: 'time of the variant / time of the default beside it',
    format,
    groups,
    reference: 1,
  });
  return [
    { title, svg, caption: 'Median of the quotients within one run. To the right of 1: slower than the default.' },
  ];
}

function curveFigure({ axis, xLabel, yLabel, series, skipped }: Curve): Figure {
  const points = series.flatMap((each) => each.points);
  const title = `scale: ${axis}, ${yLabel.split(',')[0]}`;
  const caption = `Single runs.${skipped === undefined ? '' : ` ${skipped}.`}`;
  if (points.length === 0) return { title, svg: '', caption };
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const ys = points.map(([, y]) => y);
  const isTime = yLabel.endsWith('µs');
  const panel: Panel = {
    ...{ title: '', xLabel, yLabel: isTime ? yLabel.replace(/, µs$/, '') : yLabel, series, dots: true },
    x: (pixels) =>
      xs[0] > 0 && xs.at(-1)! / xs[0] >= 16
        ? Object.assign(logScale(xs[0], xs.at(-1)!, pixels), { ticks: xs })
        : Object.assign(linearScale(xs.at(-1)!, pixels), { ticks: xs }),
    y: (pixels) => logScale(Math.min(...ys), Math.max(...ys), pixels),
    xFormat: short,
    yFormat: isTime ? (value) => duration(value / 1e6) : short,
  };
  return { title, svg: linePlot(title, [panel], 300), caption };
}
