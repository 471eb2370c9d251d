/** Clusters that a benchmark starts for itself, through the command line, and always takes down again. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf } from '../src/cluster/layout.js';
import { PROFILE_VARIABLE } from '../src/profiling/figures.js';
import { BenchmarkError } from './errors.js';

export interface BenchCluster {
  /** Of the cluster. */
  directory: string;
  /** Null if it was started without. */
  mountpoint: string | null;
  /** Where its processes offer what they measured of themselves, if they do. */
  profiles: string | undefined;
  stop(): Promise<void>;
}

export interface BenchClusterOptions {
  /** Command line of `byzfs`. */
  command: readonly string[];
  replicas: number;
  /** Options of `byzfs init`, where they differ from its defaults. */
  init?: readonly string[];
  mount: boolean;
  /** Its processes measure where their time goes. */
  profile?: boolean;
}

/** A call without a quorum fails after this: a benchmark must not wait for ever for what it started itself. */
const DEADLINE_SECONDS = 20;

function run(
  command: readonly string[],
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((done, fail) => {
    // In a process group of its own: a Ctrl-C is for the benchmark, which then takes down what it started.
    const child = spawn(command[0], [...command.slice(1), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', fail);
    child.on('exit', (status, signal) => {
      child.stderr.destroy();
      if (status === 0) return done();
      const line = stderr
        .trim()
        .split('\n')
        .at(-1)
        ?.replace(/^byzfs: /, '');
      fail(new BenchmarkError(line || `byzfs ${args[0]} ended with ${signal ?? `status ${status}`}`));
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Start of `count` free ports in a row, below those that the kernel gives to outgoing connections. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 20_000 + Math.floor(Math.random() * (12_000 - count));
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new BenchmarkError(`no ${count} free ports in a row from 20000 to 32000`);
}

export async function startCluster({
  command,
  replicas,
  init = [],
  mount,
  profile = false,
}: BenchClusterOptions): Promise<BenchCluster> {
  const home = mkdtempSync(join(tmpdir(), 'byzfs-bench-'));
  const directory = join(home, 'cluster');
  const mountpoint = mount ? join(home, 'mnt') : null;
  const profiles = profile ? join(home, 'profiles') : undefined;
  const making = ['init', directory, '--replicas', String(replicas), ...init];
  making.push('--base-port', String(await freePorts(replicas)));
  const args = ['up', '--detach', '--dir', directory];
  args.push(...(mountpoint === null ? ['--no-mount'] : ['--mount', mountpoint, '-o', `deadline=${DEADLINE_SECONDS}`]));
  const stop = async () => {
    // The home is removed only when nothing is mounted in it any more: else the removal would reach into the mount.
    await run(command, ['down', '--dir', directory]);
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await run(command, making);
    await run(command, args, profiles === undefined ? {} : { [PROFILE_VARIABLE]: profiles });
  } catch (error) {
    if (existsSync(layoutOf(directory).clusterFile)) await stop().catch(() => undefined);
    else rmSync(home, { recursive: true, force: true });
    throw error;
  }
  return { directory, mountpoint, profiles, stop };
}
