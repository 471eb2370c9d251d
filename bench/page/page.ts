/** One page from what benchmarks found: complete in itself, nothing is fetched and no script runs. */

import { duration, figure } from '../../src/drawing/scales.js';
import { PAGE_STYLE } from '../../src/drawing/theme.js';
import { hasMount, profileTables } from '../profile/tables.js';
import type { BenchReport, PhaseReport } from '../report.js';
import { figuresOf } from './figures.js';
import { element, escaped } from './svg.js';

/** In which order they are shown. */
export const ORDER = ['andrew', 'postmark', 'small', 'sequential', 'micro', 'faults', 'scale'];

export const TITLES: Readonly<Record<string, string>> = {
  andrew: 'Andrew: a source tree is made, copied, looked at, read and compiled',
  postmark: 'PostMark: transactions on a pool of small files',
  small: 'Small files: create, write, close; read; remove',
  sequential: 'One large file, written and read from begin to end',
  micro: 'Null operations, without a mount',
  faults: 'While replicas fail and recover',
  scale: 'How cost grows',
};

export function pageOf(reports: readonly BenchReport[]): string {
  const ordered = [...reports].sort((a, b) => ORDER.indexOf(a.bench) - ORDER.indexOf(b.bench));
  const sections = ordered.map((report) => element('section', { id: report.bench }, ...sectionOf(report)));
  const head =
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>byzfs: measured</title>' +
    `<style>${PAGE_STYLE}</style>`;
  const intro =
    'Every figure is of one run of the benchmark that stands above it, with the settings and on the machine given there. ' +
    'Machines wander: compare figures of one plot only.';
  const body = [element('h1', {}, 'byzfs: measured'), element('p', {}, intro), ...sections];
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body>\n${body.join('\n')}\n</body></html>\n`;
}

function sectionOf(report: BenchReport): string[] {
  const figures = figuresOf(report).map(({ title, svg, caption }) =>
    element(
      'figure',
      {},
      element('h3', {}, escaped(title)),
      ...(svg === '' ? [] : [element('div', { class: 'scroll' }, svg)]),
      element('figcaption', {}, escaped(caption)),
    ),
  );
  return [
    element('h2', {}, escaped(TITLES[report.bench] ?? report.bench)),
    element('p', {}, escaped(machineOf(report))),
    ...figures,
    settingsTable(report),
    figuresTable(report),
    ...profilesOf(report),
    element(
      'details',
      {},
      element('summary', {}, 'How it was measured'),
      element(
        'dl',
        {},
        ...Object.entries(report.parameters).flatMap(([name, value]) => [
          element('dt', {}, escaped(words(name))),
          element('dd', {}, escaped(typeof value === 'string' ? value : JSON.stringify(value))),
        ]),
      ),
    ),
  ];
}

/** filesPerCopy: files per copy. */
const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function machineOf({ machine }: BenchReport): string {
  const { cpus, model, memoryBytes, kernel, node } = machine;
  const memory = `${Math.round(Number(memoryBytes) / 2 ** 30)} GiB`;
  return `${cpus} × ${model}, ${memory}, Linux ${kernel}, Node ${node}; everything on this machine.`;
}

const row = (tag: 'th' | 'td', cells: readonly string[], numeric: (i: number) => boolean): string =>
  element('tr', {}, ...cells.map((cell, i) => element(tag, numeric(i) ? { class: 'n' } : {}, escaped(cell))));

const table = (
  header: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: (i: number) => boolean,
): string =>
  element(
    'div',
    { class: 'scroll' },
    element(
      'table',
      {},
      element('thead', {}, row('th', header, numeric)),
      element('tbody', {}, ...rows.map((cells) => row('td', cells, numeric))),
    ),
  );

function settingsTable({ targets }: BenchReport): string {
  const known = targets.filter(({ settings }) => settings !== undefined);
  if (known.length === 0) return '';
  const rows = known.map(({ name, settings }) => {
    const { replicas, durability, requestAuthentication, cacheProfile, fsync, fileSystem } = settings!;
    const what = [replicas === undefined ? '–' : String(replicas), durability, requestAuthentication, cacheProfile];
    return [name, ...what.map((each) => each ?? '–'), fileSystem === undefined ? fsync : `${fileSystem}; ${fsync}`];
  });
  const header = ['target', 'replicas', 'durability', 'requests by', 'cache profile', 'close and fsync'];
  return table(header, rows, () => false);
}

/** The same as the plots, in digits; with the ratios to the first target. */
function figuresTable({ targets, ratios }: BenchReport): string {
  if (targets.length === 0) return '';
  const phases = [...new Set(targets.flatMap(({ phases: each }) => each.map(({ name }) => name)))];
  const first = targets[0].name;
  const rows = phases.flatMap((name) =>
    targets.flatMap((target) => {
      const phase = target.phases.find((each) => each.name === name);
      return phase === undefined ? [] : [[name, target.name, ...cellsOf(phase), ratioOf(target.name, name)]];
    }),
  );
  const header = ['phase', 'target', 'seconds', 'operations', 'operations/s', 'p50', 'p99', `${first} takes`];
  return element(
    'details',
    {},
    element('summary', {}, 'Figures'),
    table(header, rows, (i) => i >= 2),
  );

  function ratioOf(target: string, phase: string): string {
    const ratio = ratios[`${first}/${target}`]?.[phase];
    return ratio === undefined ? '–' : `${figure(ratio)} ×`;
  }
}

function profilesOf({ targets }: BenchReport): string[] {
  return targets.flatMap((target) => {
    if (target.profile === undefined) return [];
    const tables = profileTables(target.profile, hasMount(target)).flatMap(({ caption, header, rows }) => [
      element('p', {}, escaped(caption)),
      table(header, rows, (i) => i >= 1),
    ]);
    return [
      element(
        'details',
        { class: 'profile' },
        element('summary', {}, escaped(`Where the time goes: ${target.name}`)),
        ...tables,
      ),
    ];
  });
}

function cellsOf({ seconds, operations, opsPerSecond, p50Us, p99Us }: PhaseReport): string[] {
  const time = (us: number | undefined) => (us === undefined ? '–' : duration(us / 1e6));
  const rate = opsPerSecond ?? operations / seconds;
  return [figure(seconds), String(operations), figure(rate), time(p50Us), time(p99Us)];
}
