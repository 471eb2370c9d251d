/** `byzfs bench`: measurements, side by side. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { BenchReport } from '../../bench/report.js';
import { CommandError, UsageError } from './errors.js';
import { mountObstacle } from './host.js';
import { collect, integerIn, names } from './options.js';
import { BYZFS } from './processes.js';
import { connect, openQuietLog } from './rooms.js';
import { stopRequested } from './signals.js';
import { table } from './table.js';

/** A call of a benchmark that takes longer than this has failed. */
const CALL_MS = 30_000;

function namedPath(text: string): { name: string; path: string } {
  const match = /^([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('NAME=PATH expected.');
  return { name: match[1], path: resolve(match[2]) };
}

function numbers(text: string): number[] {
  return text.split(',').map(integerIn(1, 64));
}

const ANDREW_TARGETS = ['byzfs', 'byzfs-f0', 'local'];
const MICRO_CLUSTERS = [
  ...['byzfs', 'byzfs-f0', 'no-batching', 'no-tentative-execution', 'no-digest-replies', 'no-deferred-commits'],
  ...['no-direct-reads', 'no-separate-requests', 'mac', 'synced'],
];

export function register(program: Command): void {
  const bench = program.command('bench').description('measure byzfs beside other file systems');
  bench
    .command('andrew')
    .description('make, copy, stat, read and compile a source tree; starts and stops the clusters it needs')
    .option('--copies <n>', 'of the tree', integerIn(1, 1000), 1)
    .option('--runs <n>', 'of everything, interleaved', integerIn(1, 100), 3)
    .option('--target <name=path>', 'a directory to measure besides, repeatable', collect(namedPath))
    .option('--only <names>', `of ${ANDREW_TARGETS.join(', ')}`, names(ANDREW_TARGETS), ANDREW_TARGETS)
    .option('--json <file>', 'write the figures there; - for standard output')
    .action(andrew);
  bench
    .command('micro')
    .description('latency and throughput of null operations, without a mount')
    .option('--outstanding <n,...>', 'calls at a time', numbers, [1, 4, 16, 64])
    .option('--operations <n>', 'in each run', integerIn(1, 10_000_000), 2000)
    .option('--runs <n>', 'of everything, interleaved', integerIn(1, 100), 5)
    .option(
      '--only <names>',
      `of ${MICRO_CLUSTERS.join(', ')}; all but the first two beside byzfs (default: all)`,
      names(MICRO_CLUSTERS),
    )
    .option('--floor <program>', 'a program to run in turn, as node PROGRAM outstanding operations bytes --json')
    .option('--json <file>', 'write the figures there; - for standard output')
    .action(micro);
}

interface AndrewGiven {
  copies: number;
  runs: number;
  target?: { name: string; path: string }[];
  only: string[];
  json?: string;
}

async function andrew(given: AndrewGiven): Promise<void> {
  const paths = given.target ?? [];
  const all = [...given.only, ...paths.map(({ name }) => name)];
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UsageError(`target ${twice} is there twice: give it another name, or leave it out of --only`);
  const obstacle = given.only.some((name) => name !== 'local') ? await mountObstacle() : null;
  if (obstacle !== null) throw new CommandError(`byzfs cannot be mounted: ${obstacle}; --only local measures the rest`);
  const { runAndrew } = await import('../../bench/andrew/andrew.js');
  await measured(given.json, (signal, progress) =>
    runAndrew({ command: BYZFS, copies: given.copies, runs: given.runs, builtIn: given.only, paths, signal, progress }),
  );
}

interface MicroGiven {
  outstanding: number[];
  operations: number;
  runs: number;
  only?: string[];
  floor?: string;
  json?: string;
}

async function micro({ outstanding, operations, runs, only = MICRO_CLUSTERS, floor, json }: MicroGiven): Promise<void> {
  const { runMicro } = await import('../../bench/micro/micro.js');
  const log = await openQuietLog('bench');
  await measured(json, (signal, progress) =>
    runMicro({
      command: BYZFS,
      connect: (cluster, identity) => connect({ cluster, identity, log, deadlineMs: CALL_MS }),
      outstanding,
      operations,
      warmUp: Math.min(operations, 500),
      runs,
      clusters: only,
      floor: floor === undefined ? null : resolve(floor),
      signal,
      progress,
    }),
  );
}

interface Progress {
  start(total: number): void;
  step(target: string): void;
}

/** Runs a benchmark with a progress bar if somebody is watching; a signal ends it after it has cleaned up. */
async function measured(
  json: string | undefined,
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
    process.stdout.write(describe(report));
  }
}

function describe(report: BenchReport): string {
  const micro = report.bench === 'micro';
  return micro ? describeMicro(report) : describeAndrew(report);
}

const seconds = (value: number): string => `${value.toFixed(3)} s`;

function describeAndrew({ parameters, targets, ratios }: BenchReport): string {
  const phases = targets[0].phases.map(({ name }) => name);
  const rows = [...phases, 'total'].map((phase) => [
    phase,
    ...targets.map((target) =>
      seconds(phase === 'total' ? target.totalSeconds : target.phases.find(({ name }) => name === phase)!.seconds),
    ),
    ...Object.values(ratios).map((quotients) => `${quotients[phase].toFixed(2)}x`),
  ]);
  const header = ['phase', ...targets.map(({ name }) => name), ...Object.keys(ratios)];
  const what = `andrew, ${parameters.copies} copies of ${parameters.filesPerCopy} files, ${Math.round(Number(parameters.bytesPerCopy) / 1000)} kB; medians of ${parameters.runs} runs`;
  return `${what}\n${table(header, rows)}caches: ${parameters.caches}\n`;
}

function describeMicro({ parameters, targets, ratios }: BenchReport): string {
  const labels = [...new Set(targets.flatMap(({ phases }) => phases.map(({ name }) => name)))];
  const rows = labels.flatMap((label) =>
    targets.flatMap((target) => {
      const phase = target.phases.find(({ name }) => name === label);
      if (phase === undefined) return [];
      const { opsPerSecond, p50Us, p99Us } = phase;
      return [
        [label, target.name, String(opsPerSecond), `${p50Us} µs`, `${p99Us} µs`, timesOfDefault(target.name, label)],
      ];
    }),
  );
  const header = ['operation', 'target', 'op/s', 'p50', 'p99', 'time of this/byzfs'];
  const what = `micro, ${parameters.operations} operations a run; medians of ${parameters.runs} runs; argument/result in KiB`;
  return `${what}\n${table(header, rows)}`;

  function timesOfDefault(name: string, label: string): string {
    const inverse = ratios[`byzfs/${name}`]?.[label];
    const ratio = ratios[`${name}/byzfs`]?.[label] ?? (inverse === undefined ? undefined : 1 / inverse);
    return ratio === undefined ? '-' : `${ratio.toFixed(2)}x`;
  }
}
