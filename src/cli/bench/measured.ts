/** One benchmark, from its begin to what is written of it. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BenchReport } from '../../../bench/report.js';
import { CommandError } from '../errors.js';
import { stopRequested } from '../signals.js';
import { describe } from './describe.js';
import { describeProfiles } from './profile.js';

export interface OutputGiven {
  json?: string;
  report?: string;
}

export interface Progress {
  start(total: number): void;
  step(what: string): void;
}

/** Runs a benchmark with a progress bar if somebody is watching; a signal ends it after it has cleaned up. */
export async function measured(
  { json, report: directory }: OutputGiven,
  run: (signal: AbortSignal, progress: Progress) => Promise<BenchReport>,
): Promise<void> {
  const aborted = new AbortController();
  stopRequested().then((signal) => aborted.abort(new CommandError(`interrupted by ${signal}`)));
  const { SingleBar, Presets } = (await import('cli-progress')).default;
  const watched = process.stderr.isTTY === true;
  const bar = new SingleBar(
    { format: '{bar} {value}/{total} {target}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  const progress: Progress = {
    start: (total) => watched && bar.start(total, 0, { target: '' }),
    step: (target) => watched && bar.increment({ target }),
  };
  let report: BenchReport;
  try {
    report = await run(aborted.signal, progress);
  } finally {
    if (watched) bar.stop();
  }
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (json === '-') process.stdout.write(text);
  else {
    if (json !== undefined) writeFileSync(json, text);
    process.stdout.write(describe(report) + (await describeProfiles(report)));
  }
  if (directory !== undefined) {
    const { writeReport } = await import('../../../bench/page/write.js');
    const page = writeReport(resolve(directory), report);
    if (json !== '-') process.stdout.write(`report: ${page}\n`);
  }
}
