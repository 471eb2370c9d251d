/**
 * Latency as the round trip grows, by netem (tc-netem(8)) on the loopback of a network namespace of its own: nothing
 * else on this machine is slowed down. The whole micro-benchmark, replicas and client, runs inside.
 */
import { spawn } from 'node:child_process';
import { BenchmarkError } from '../errors.js';
import type { BenchReport } from '../report.js';
import { type Axis, type AxisContext, OUT_OF_TIME, Series } from './axis.js';

const SHOWN = ['0/0', '4/0', '0/0 read-only'];
/** Packets underway; netem drops what is more. */
const LIMIT_PACKETS = 100_000;
/** Each takes some round trips, and warming up needs many times as many. */
const OPERATIONS = 20;

export const roundTripAxis: Axis = {
  name: 'round-trip',
  points: [0, 1, 5, 10, 20, 50],
  measure: async (points, context) => {
    const what = { axis: 'round-trip', xLabel: 'round trip between any two, ms', yLabel: 'latency, p50, µs' };
    const series = new Series();
    const namespace = `byzfs-bench-${process.pid}`;
    const obstacle = await obstacleTo(namespace, context.signal);
    if (obstacle !== null) return [series.curve({ ...what, skipped: `not measured: ${obstacle}` })];
    for (const point of points) {
      if (performance.now() > context.deadline) return [series.curve({ ...what, skipped: OUT_OF_TIME })];
      const report = await withDelay(namespace, point, context);
      for (const name of SHOWN) {
        const phase = report.targets[0].phases.find((each) => each.name === `${name}, 1 outstanding`);
        if (phase?.p50Us !== undefined) series.add(name, point, phase.p50Us);
      }
      context.step(`${point} ms`);
    }
    return [series.curve(what)];
  },
};

interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** @param signal asks it to end; it is awaited nonetheless */
function run(command: string, args: readonly string[], signal?: AbortSignal): Promise<Ran> {
  return new Promise((resolve) => {
    // In a process group of its own: a Ctrl-C is for this process, which then ends what it started.
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const end = () => child.kill('SIGTERM');
    signal?.addEventListener('abort', end, { once: true });
    const done = (status: number | null, more = '') => {
      signal?.removeEventListener('abort', end);
      resolve({ status, stdout, stderr: stderr + more });
    };
    child.on('error', (error) => done(null, error.message));
    child.on('close', (status) => done(status));
  });
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

/** The commands that make a network whose loopback has a round trip of so many milliseconds. */
export function setUp(namespace: string, roundTripMs: number): string[][] {
  const inside = ['ip', 'netns', 'exec', namespace];
  const delay = ['delay', `${roundTripMs / 2}ms`, 'limit', String(LIMIT_PACKETS)];
  return [
    ['ip', 'netns', 'add', namespace],
    [...inside, 'ip', 'link', 'set', 'lo', 'up'],
    [...inside, 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', ...delay],
  ];
}

/** @returns what went wrong, or null. The namespace is there in either case, unless it could not be made. */
async function make(namespace: string, roundTripMs: number): Promise<string | null> {
  for (const [command, ...args] of setUp(namespace, roundTripMs)) {
    const { status, stderr } = await run(command, args);
    if (status === 0) continue;
    const hint = stderr.includes('qdisc kind is unknown') ? ': this kernel has no netem (CONFIG_NET_SCH_NETEM)' : '';
    return `${command} ${args.join(' ')}: ${lastLine(stderr)}${hint}`;
  }
  return null;
}

const remove = (namespace: string): Promise<Ran> => run('ip', ['netns', 'delete', namespace]);

async function obstacleTo(namespace: string, signal: AbortSignal): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'root is needed to make a network namespace';
  for (const program of ['ip', 'tc']) {
    const { status } = await run(program, ['-V']);
    if (status !== 0) return `${program} is missing (Debian: iproute2)`;
  }
  signal.throwIfAborted();
  const failed = await make(namespace, 1);
  await remove(namespace);
  return failed;
}

async function withDelay(
  namespace: string,
  roundTripMs: number,
  { command, signal }: AxisContext,
): Promise<BenchReport> {
  signal.throwIfAborted();
  try {
    const failed = await make(namespace, roundTripMs);
    if (failed !== null) throw new BenchmarkError(failed);
    const micro = ['bench', 'micro', '--only', 'byzfs', '--outstanding', '1', '--runs', '1'];
    const args = ['netns', 'exec', namespace, ...command, ...micro, '--operations', String(OPERATIONS), '--json', '-'];
    const { status, stdout, stderr } = await run('ip', args, signal);
    signal.throwIfAborted();
    if (status !== 0) throw new BenchmarkError(`bench micro at ${roundTripMs} ms: ${lastLine(stderr)}`);
    return JSON.parse(stdout) as BenchReport;
  } finally {
    await remove(namespace);
  }
}
