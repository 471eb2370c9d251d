import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { clusterStatusOf } from '../../src/cli/status.js';
import { loadCluster } from '../../src/cluster/file.js';
import { freePorts } from '../ports.js';

const execute = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
export const CLI = path.join(root, 'dist/src/cli/main.js');

interface RunOptions {
  cwd?: string;
  timeoutMs?: number;
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** One run of a program, never of this process: what touches a mount must not be what a test runs in. */
export async function run(command: string, args: string[], options: RunOptions = {}): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(command, args, {
      cwd: options.cwd,
      timeout: options.timeoutMs ?? 180_000,
      killSignal: 'SIGKILL',
      maxBuffer: 256 * 1024 * 1024,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failure = error as { code?: number | string; stdout?: string; stderr?: string };
    const code = typeof failure.code === 'number' ? failure.code : 128;
    return { code, stdout: failure.stdout ?? '', stderr: failure.stderr ?? String(error) };
  }
}

/** Like `run`, but a failure is the test's. */
export async function must(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr || stdout}`);
  return stdout;
}

export const shell = (script: string, options: RunOptions = {}): Promise<string> =>
  must('bash', ['-euo', 'pipefail', '-c', script], options);

/** Where file systems are mounted on this machine: the kernel's table, which no dead mount can hold up. */
export const mountpoints = (): string[] =>
  fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ')[1]);

/** Waits until `condition` holds. */
export async function until(what: string, condition: () => boolean, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(20);
  }
}

export interface ReplicaStatus {
  id: number;
  up: boolean;
  incarnation: number;
  view: number;
  lastExecuted: number;
  stableCheckpoint: number;
  stateRoot: string;
  state: string;
  suspected: string | null;
  suspicions: { replica: number; why: string }[];
  transferred: { transfers: number; rows: number } | null;
  scrub: { passes: number; damaged: number; repaired: number; asked: boolean } | null;
  recovery: { phase: string; completed: number; last: number | null; missed: number } | null;
}

/** Replicas that have much to replay, on a machine with much to do. */
const READY_MS = 120_000;

/** A cluster made by the command, in a temporary directory, on ports of its own. */
export class TestCluster {
  readonly directory: string;
  readonly mountpoint: string;
  readonly scratch: string;
  private readonly children: ChildProcess[] = [];
  readonly basePort: number;

  constructor(private readonly replicas = 4) {
    this.scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-cluster-'));
    this.directory = path.join(this.scratch, 'cluster');
    this.mountpoint = path.join(this.scratch, 'mnt');
    this.basePort = freePorts(replicas);
  }

  byzfs(...args: string[]): Promise<Ran> {
    return run(process.execPath, [CLI, ...args], { timeoutMs: 180_000 });
  }

  private async mustByzfs(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.byzfs(...args);
    if (code !== 0) throw new Error(`byzfs ${args.join(' ')} ended with ${code}: ${stderr || stdout}`);
    return stdout;
  }

  init(...more: string[]): Promise<string> {
    const base = String(this.basePort);
    return this.mustByzfs('init', this.directory, '--replicas', String(this.replicas), '--base-port', base, ...more);
  }

  up(...more: string[]): Promise<string> {
    const args = ['--replicas', String(this.replicas), '--base-port', String(this.basePort)];
    return this.mustByzfs('up', '--detach', '--dir', this.directory, '--mount', this.mountpoint, ...args, ...more);
  }

  mount(mountpoint = this.mountpoint, ...more: string[]): Promise<string> {
    fs.mkdirSync(mountpoint, { recursive: true });
    return this.mustByzfs('mount', this.directory, mountpoint, ...more);
  }

  umount(mountpoint = this.mountpoint): Promise<string> {
    return this.mustByzfs('umount', mountpoint);
  }

  private pidFile(id: number): string {
    return path.join(this.directory, 'run', `replica-${id}.pid`);
  }

  /** The process that serves `mountpoint`, by its record in `run/`. */
  mountPid(mountpoint = this.mountpoint): number {
    const run = path.join(this.directory, 'run');
    const records = fs.readdirSync(run).filter((name) => /^mount-.*\.json$/.test(name));
    const found = records
      .map((name) => JSON.parse(fs.readFileSync(path.join(run, name), 'utf8')) as { pid: number; mountpoint: string })
      .find((record) => record.mountpoint === mountpoint);
    if (found === undefined) throw new Error(`no record of a mount at ${mountpoint}`);
    return found.pid;
  }

  kill(id: number, signal: NodeJS.Signals = 'SIGKILL'): void {
    process.kill(Number.parseInt(fs.readFileSync(this.pidFile(id), 'utf8'), 10), signal);
  }

  /** Has a replica end in its own time, and waits until it has. */
  async stop(id: number): Promise<void> {
    const file = this.pidFile(id);
    this.kill(id, 'SIGTERM');
    // The last that it does.
    await until(`replica ${id} has ended`, () => !fs.existsSync(file), 60_000);
  }

  /** Starts a replica by the command, or another program that takes its place. */
  startReplica(
    id: number,
    program = [CLI, 'replica', '--cluster', this.directory, '--id', String(id)],
    command = process.execPath,
  ): ChildProcess {
    const log = fs.openSync(path.join(this.scratch, `replica-${id}.log`), 'a');
    const child = spawn(command, program, { stdio: ['ignore', log, log] });
    this.children.push(child);
    return child;
  }

  /** What `byzfs status --json` says, asked from here: a process for each time costs more than all that is asked. */
  async status(how: { barrier?: boolean } = {}): Promise<{ quorum: boolean; view: number; replicas: ReplicaStatus[] }> {
    const status = await clusterStatusOf(this.directory, loadCluster(this.directory), how.barrier ?? false);
    return JSON.parse(JSON.stringify(status));
  }

  /** Waits until so many replicas answer and are in normal operation. */
  async ready(count = this.replicas): Promise<void> {
    for (const end = Date.now() + READY_MS; Date.now() < end; ) {
      const { quorum, replicas } = await this.status();
      if (quorum && replicas.filter(({ up, state }) => up && state === 'normal').length >= count) return;
      await delay(250);
    }
    throw new Error(`no ${count} replicas in normal operation: ${JSON.stringify(await this.status())}`);
  }

  /** Unmounts and stops everything, however it stands. */
  async destroy(): Promise<void> {
    await this.byzfs('down', '--dir', this.directory);
    for (const child of this.children) child.kill('SIGKILL');
    for (const mount of mountpoints()) if (mount.startsWith(`${this.scratch}/`)) await run('umount', ['-l', mount]);
    for (let id = 0; id < this.replicas; id++) {
      try {
        this.kill(id);
      } catch {
        // It has ended.
      }
    }
    fs.rmSync(this.scratch, { recursive: true, force: true });
  }
}
