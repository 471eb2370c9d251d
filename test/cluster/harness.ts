import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

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
      timeout: options.timeoutMs ?? 60_000,
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

export interface ReplicaStatus {
  id: number;
  up: boolean;
  view: number;
  lastExecuted: number;
  stableCheckpoint: number;
  stateRoot: string;
  state: string;
}

/** A cluster made by the command, in a temporary directory, on ports of its own. */
export class TestCluster {
  readonly directory: string;
  readonly mountpoint: string;
  readonly scratch: string;
  private readonly children: ChildProcess[] = [];
  private static nextPort = 21_000 + (process.pid % 400) * 40;
  readonly basePort: number;

  constructor(private readonly replicas = 4) {
    this.scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-cluster-'));
    this.directory = path.join(this.scratch, 'cluster');
    this.mountpoint = path.join(this.scratch, 'mnt');
    this.basePort = TestCluster.nextPort;
    TestCluster.nextPort += replicas + 1;
  }

  byzfs(...args: string[]): Promise<Ran> {
    return run(process.execPath, [CLI, ...args], { timeoutMs: 120_000 });
  }

  private async mustByzfs(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.byzfs(...args);
    if (code !== 0) throw new Error(`byzfs ${args.join(' ')} ended with ${code}: ${stderr || stdout}`);
    return stdout;
  }

  init(): Promise<string> {
    const base = String(this.basePort);
    return this.mustByzfs('init', this.directory, '--replicas', String(this.replicas), '--base-port', base);
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

  private pid(id: number): number {
    return Number.parseInt(fs.readFileSync(path.join(this.directory, 'run', `replica-${id}.pid`), 'utf8'), 10);
  }

  kill(id: number, signal: NodeJS.Signals = 'SIGKILL'): void {
    process.kill(this.pid(id), signal);
  }

  /** Starts a replica by the command, or another program that takes its place. */
  startReplica(id: number, program = [CLI, 'replica', '--cluster', this.directory, '--id', String(id)]): void {
    const log = fs.openSync(path.join(this.scratch, `replica-${id}.log`), 'a');
    this.children.push(spawn(process.execPath, program, { stdio: ['ignore', log, log] }));
  }

  async status(...more: string[]): Promise<{ quorum: boolean; view: number; replicas: ReplicaStatus[] }> {
    return JSON.parse(await this.mustByzfs('status', this.directory, '--json', ...more));
  }

  /** Waits until so many replicas answer and are in normal operation. */
  async ready(count = this.replicas): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const { quorum, replicas } = await this.status();
      if (quorum && replicas.filter(({ up, state }) => up && state === 'normal').length >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no ${count} replicas in normal operation: ${JSON.stringify(await this.status())}`);
  }

  /** Unmounts and stops everything, however it stands. */
  async destroy(): Promise<void> {
    await this.byzfs('down', '--dir', this.directory);
    for (const child of this.children) child.kill('SIGKILL');
    const mounts = fs
      .readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1]);
    for (const mount of mounts) if (mount?.startsWith(`${this.scratch}/`)) await run('umount', ['-l', mount]);
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
