/** The report directory: one file of figures a benchmark, the page of all of them, and the main plot of each by itself. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alone } from '../../src/drawing/theme.js';
import { BenchmarkError } from '../errors.js';
import type { BenchReport } from '../report.js';
import { figuresOf } from './figures.js';
import { ORDER, pageOf } from './page.js';

/**
 * Adds a benchmark to the directory, in the place of an earlier run of the same, and draws the page anew.
 * @returns path of the page
 * @throws BenchmarkError if there is something in the directory that is no report; system errors
 */
export function writeReport(directory: string, report: BenchReport): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${report.bench}.json`), `${JSON.stringify(report, null, 2)}\n`);
  const reports = ORDER.map((bench) => join(directory, `${bench}.json`))
    .filter(existsSync)
    .map(readReport);
  for (const each of reports) {
    const main = figuresOf(each).find(({ svg }) => svg !== '');
    if (main !== undefined) writeFileSync(join(directory, `${each.bench}.svg`), alone(main.svg));
  }
  const page = join(directory, 'index.html');
  writeFileSync(page, pageOf(reports));
  return page;
}

function readReport(path: string): BenchReport {
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as BenchReport;
    if (typeof report.bench !== 'string' || !Array.isArray(report.targets)) throw new Error('no report of a benchmark');
    return report;
  } catch (error) {
    throw new BenchmarkError(`${path}: ${(error as Error).message}`);
  }
}
