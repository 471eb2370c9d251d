/** `byzfs bench`: measurements, side by side. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Scene } from '../../bench/faults/faults.js';
import type { MountedOptions } from '../../bench/mounted.js';
import type { BenchReport } from '../../bench/report.js';
import { Limits } from '../limits.js';
import type { AllGiven } from './bench/all.js';
import { measured, type OutputGiven } from './bench/measured.js';
import {
  ANDREW_PRESETS,
  axisLimit,
  bias,
  FAULT_SCENES,
  FAULT_WORKLOADS,
  list,
  MICRO_CLUSTERS,
  namedPath,
  SCALE_AXES,
  sizes,
  TARGETS,
} from './bench/options.js';
import { CommandError, UsageError } from './errors.js';
import { mountObstacle } from './host.js';
import { collect, integerIn, names } from './options.js';
import { BYZFS } from './processes.js';
import { connect, openQuietLog } from './rooms.js';

/** A call of a benchmark that takes longer than this has failed. */
const CALL_MS = 30_000;

const output = (command: Command): Command =>
  command
    .option('--json <file>', 'write the figures there; - for standard output')
    .option('--report <dir>', 'add the figures to the page DIR/index.html, with plots');

const PROFILE = 'say where the time of each kind of operation goes, in the clusters that are started';

/** A benchmark of file systems: which, how often, where the figures go. */
const mounted = (command: Command, targets: readonly string[], runs: number): Command =>
  output(
    command
      .option('--runs <n>', 'of everything, interleaved', integerIn(1, 100), runs)
      .option('--target <name=path>', 'a directory to measure besides, repeatable', collect(namedPath))
      .addOption(
        new Option('--targets <names>', `of ${TARGETS.join(', ')}; none: only what --target names`)
          .argParser((text: string) => (text === 'none' ? [] : names(TARGETS)(text)))
          .default([...targets], targets.join(',')),
      )
      .addOption(new Option('--only <names>').argParser(names(TARGETS)).hideHelp())
      .option('--profile', PROFILE),
  );

const EXAMPLES = `
Examples:
  byzfs bench micro --outstanding 1,16 --profile                without a mount; where the time goes
  byzfs bench andrew --copies 10 --target nfs=/mnt/nfs          beside a directory of yours
  byzfs bench postmark --transactions 2000 --targets byzfs,local
  byzfs bench small --files 200 --json -
  byzfs bench sequential --size 256 --runs 3 --report out       out/index.html
  byzfs bench faults --on micro --pause 4
  byzfs bench scale --axes files --up-to files=100000
  byzfs bench all --report out                                  everything, in some hours
`;

export function register(program: Command): void {
  const bench = program
    .command('bench')
    .description('measure byzfs beside other file systems')
    .addHelpText('afterAll', EXAMPLES);
  mounted(bench.command('andrew'), ['byzfs', 'byzfs-f0', 'local'], 3)
    .description('make, copy, stat, read and compile a source tree; starts and stops the clusters it needs')
    .option('--copies <n>', 'of the tree (default 1)', integerIn(1, 1000))
    .addOption(
      new Option('--preset <name>', 'a number of copies: those of the paper')
        .choices(Object.keys(ANDREW_PRESETS))
        .conflicts('copies'),
    )
    .action(andrew);
  mounted(bench.command('postmark'), TARGETS, 5)
    .description('transactions on a pool of small files: read or append, create or delete')
    .option('--files <n>', 'made before the transactions', integerIn(1, 1_000_000), 500)
    .option('--transactions <n>', 'in each run', integerIn(1, 10_000_000), 500)
    .option('--size <low-high>', 'bytes of a file', sizes, { low: 500, high: 10_000 })
    .option('--read-bias <n>', 'of 10, how often a file is read and not appended to; -1: neither', bias, 5)
    .option('--create-bias <n>', 'of 10, how often a file is created and not deleted; -1: neither', bias, 5)
    .option('--read-block <bytes>', 'of a call', integerIn(1, 16 * 2 ** 20), 512)
    .option('--write-block <bytes>', 'of a call', integerIn(1, 16 * 2 ** 20), 512)
    .option('--subdirectories <n>', '0: all files in one directory', integerIn(0, 10_000), 0)
    .option('--no-buffering', 'calls as they are, not collected to 4 KiB as stdio does')
    .option('--seed <n>', 'of the mix', integerIn(0, 2 ** 32 - 1), 42)
    .action(postmark);
  mounted(bench.command('small'), TARGETS, 5)
    .description('create, write and close small files one after the other; with fsync; read; remove')
    .option('--files <n>', 'in each run', integerIn(1, 1_000_000), 1000)
    .option('--bytes <n>', 'of each file', integerIn(1, 2 ** 20), 4096)
    .action(small);
  mounted(bench.command('sequential'), TARGETS, 5)
    .description('write, fsync and read twice one large file')
    .option('--size <mib>', 'of the file', integerIn(1, 65_536), 1024)
    .option('--call <kib>', 'of each call', integerIn(1, 16_384), 128)
    .action(sequential);
  output(bench.command('micro'))
    .description('latency and throughput of null operations, without a mount')
    .option('--outstanding <n,...>', 'calls at a time', list(1, 64), [1, 4, 16, 64])
    .option('--operations <n>', 'in each run', integerIn(1, 10_000_000), 2000)
    .option('--runs <n>', 'of everything, interleaved', integerIn(1, 100), 5)
    .option(
      '--only <names>',
      `of ${MICRO_CLUSTERS.join(', ')}; all but the first two beside byzfs (default: all)`,
      names(MICRO_CLUSTERS),
    )
    .option('--floor <program>', 'a program to run in turn, as node PROGRAM outstanding operations bytes --json')
    .option('--profile', PROFILE)
    .action(micro);
  output(bench.command('faults'))
    .description('throughput and latency over time, while replicas are killed, lie, come back and recover')
    .option('--scenes <names>', `of ${FAULT_SCENES.join(', ')}`, names(FAULT_SCENES), FAULT_SCENES)
    .option('--on <names>', `of ${FAULT_WORKLOADS.join(', ')}`, names(FAULT_WORKLOADS), FAULT_WORKLOADS)
    .option('--outstanding <n>', 'calls at a time, without a mount', integerIn(1, 64), 64)
    .option('--pause <seconds>', 'between two events', integerIn(1, 600), 8)
    .option('--recovery-period <seconds>', 'in which each replica recovers once', integerIn(10, 3600), 48)
    .action(faults);
  output(bench.command('scale'))
    .description('single runs along one axis at a time, an hour at most in all')
    .option('--axes <names>', `of ${SCALE_AXES.join(', ')}`, names(SCALE_AXES), SCALE_AXES)
    .option('--up-to <axis=n>', 'leave out the points above, repeatable', collect(axisLimit))
    .option('--operations <n>', 'measured of each kind at each point', integerIn(10, 1_000_000), 200)
    .action(scale);
  bench
    .command('all')
    .description('all of them with their defaults, andrew with 10 copies and 5 runs, into one report')
    .requiredOption('--report <dir>', 'where the page and the figures go')
    .option('--target <name=path>', 'a directory to measure besides, repeatable', collect(namedPath))
    .action(async (given: AllGiven) => {
      const { runAll } = await import('./bench/all.js');
      await runAll({ ...given, report: resolve(given.report) });
    });
  bench
    .command('liar', { hidden: true })
    .argument('<dir>', 'cluster directory')
    .argument('<id>', 'which replica', integerIn(0, 3 * Limits.maxFaults))
    .action(async (dir: string, id: number) => {
      const { runLiar } = await import('./bench/liar.js');
      await runLiar(dir, id);
    });
}

interface MountedGiven extends OutputGiven {
  runs: number;
  target?: { name: string; path: string }[];
  targets: string[];
  /** The older name of `targets`. */
  only?: string[];
  profile?: boolean;
}

async function onTargets(given: MountedGiven, run: (options: MountedOptions) => Promise<BenchReport>): Promise<void> {
  const builtIn = given.only ?? given.targets;
  const paths = given.target ?? [];
  const all = [...builtIn, ...paths.map(({ name }) => name)];
  if (all.length === 0) throw new UsageError('no target: give some with --target NAME=PATH');
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UsageError(`target ${twice} is there twice: give it another name, or leave it out of --targets`);
  const obstacle = builtIn.some((name) => name !== 'local') ? await mountObstacle() : null;
  if (obstacle !== null)
    throw new CommandError(`byzfs cannot be mounted: ${obstacle}; --targets local measures the rest`);
  await measured(given, (signal, progress) =>
    run({ command: BYZFS, runs: given.runs, builtIn, paths, profile: given.profile, signal, progress }),
  );
}

interface AndrewGiven extends MountedGiven {
  copies?: number;
  preset?: string;
}

async function andrew({ copies, preset, ...given }: AndrewGiven): Promise<void> {
  const { runAndrew } = await import('../../bench/andrew/andrew.js');
  const number = copies ?? (preset === undefined ? 1 : ANDREW_PRESETS[preset]);
  await onTargets(given, (options) => runAndrew({ ...options, copies: number }));
}

interface PostmarkGiven extends MountedGiven {
  files: number;
  transactions: number;
  size: { low: number; high: number };
  readBias: number;
  createBias: number;
  readBlock: number;
  writeBlock: number;
  subdirectories: number;
  buffering: boolean;
  seed: number;
}

async function postmark(given: PostmarkGiven): Promise<void> {
  const { runPostmark } = await import('../../bench/postmark/postmark.js');
  const { files, transactions, size, readBias, createBias, subdirectories, seed } = given;
  const { readBlock, writeBlock, buffering } = given;
  const mix = { files, transactions, size, readBias, createBias, subdirectories, seed };
  const calls = { readBytes: readBlock, writeBytes: writeBlock, buffered: buffering };
  await onTargets(given, (options) => runPostmark({ ...options, ...mix, ...calls }));
}

async function small({ files, bytes, ...given }: MountedGiven & { files: number; bytes: number }): Promise<void> {
  const { runSmall } = await import('../../bench/files/small.js');
  await onTargets(given, (options) => runSmall({ ...options, files, bytes }));
}

async function sequential({ size, call, ...given }: MountedGiven & { size: number; call: number }): Promise<void> {
  const { runSequential } = await import('../../bench/files/sequential.js');
  await onTargets(given, (options) => runSequential({ ...options, bytes: size * 2 ** 20, callBytes: call * 1024 }));
}

interface MicroGiven extends OutputGiven {
  outstanding: number[];
  operations: number;
  runs: number;
  only?: string[];
  floor?: string;
  profile?: boolean;
}

async function micro({
  outstanding,
  operations,
  runs,
  only = MICRO_CLUSTERS,
  floor,
  profile,
  ...to
}: MicroGiven): Promise<void> {
  const { runMicro } = await import('../../bench/micro/micro.js');
  const log = await openQuietLog('bench');
  await measured(to, (signal, progress) =>
    runMicro({
      command: BYZFS,
      connect: (cluster, identity) => connect({ cluster, identity, log, deadlineMs: CALL_MS }),
      outstanding,
      operations,
      warmUp: Math.min(operations, 500),
      runs,
      clusters: only,
      floor: floor === undefined ? null : resolve(floor),
      profile,
      signal,
      progress,
    }),
  );
}

interface FaultsGiven extends OutputGiven {
  scenes: Scene[];
  on: ('micro' | 'mount')[];
  outstanding: number;
  pause: number;
  recoveryPeriod: number;
}

async function faults({ scenes, on, outstanding, pause, recoveryPeriod, ...to }: FaultsGiven): Promise<void> {
  const obstacle = on.includes('mount') ? await mountObstacle() : null;
  if (obstacle !== null) throw new CommandError(`byzfs cannot be mounted: ${obstacle}; --on micro does the rest`);
  const { runFaults } = await import('../../bench/faults/faults.js');
  const log = await openQuietLog('bench');
  await measured(to, (signal, progress) =>
    runFaults({
      command: BYZFS,
      connect: (cluster, identity) => connect({ cluster, identity, log, deadlineMs: CALL_MS }),
      scenes,
      workloads: on,
      outstanding,
      pauseSeconds: pause,
      recoverySeconds: recoveryPeriod,
      signal,
      progress,
    }),
  );
}

interface ScaleGiven extends OutputGiven {
  axes: string[];
  upTo?: [string, number][];
  operations: number;
}

async function scale({ axes, upTo = [], operations, ...to }: ScaleGiven): Promise<void> {
  const { runScale } = await import('../../bench/scale/scale.js');
  const log = await openQuietLog('bench');
  await measured(to, (signal, progress) =>
    runScale({
      command: BYZFS,
      connect: (cluster, identity) => connect({ cluster, identity, log, deadlineMs: CALL_MS }),
      axes,
      upTo: new Map(upTo),
      operations,
      signal,
      progress,
    }),
  );
}
