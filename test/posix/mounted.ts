/** Mounts for tests: each served by a process of its own (fixture.mjs), and gone afterwards whatever happened. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');

export interface FixtureOptions {
  profile: 'strict' | 'session';
  /** Before each call, milliseconds. */
  delayMs?: number;
  /** Concurrent calls are executed in any order. */
  shuffle?: boolean;
  capacityBytes?: number;
  timeLimitMs?: number;
}

export interface Counters {
  calls: Record<string, number>;
  kernel: { requests: Record<string, number>; notifications: number };
}

/** Processes that serve mounts run the built program. The compiler's opinion is the concern of another check. */
export async function build(): Promise<void> {
  await run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', root]).catch(() => {});
}

/** Whether this machine can mount at all. */
export const canMount = (): boolean => process.getuid?.() === 0 && hasDevice();

function hasDevice(): boolean {
  try {
    return /\bfuse$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  } catch {
    return false;
  }
}

export class TestMount {
  private readonly answers: ((line: Record<string, unknown>) => void)[] = [];
  readonly log: string[] = [];
  /** Why the mount ended, once it has. */
  readonly unmounted: Promise<string>;
  readonly exited: Promise<number | null>;

  private constructor(
    readonly mountpoint: string,
    private readonly base: string,
    private readonly child: ChildProcess,
    onReady: () => void,
  ) {
    let ended: (reason: string) => void = () => {};
    this.unmounted = new Promise((resolve) => {
      ended = resolve;
    });
    createInterface({ input: child.stdout! }).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      if ('ready' in line) onReady();
      else if ('unmounted' in line) ended(String(line.unmounted));
      else this.answers.shift()?.(line);
    });
    createInterface({ input: child.stderr! }).on('line', (text) => this.log.push(text));
    this.exited = new Promise((resolve) => {
      child.on('exit', resolve);
    });
  }

  static async start(options: FixtureOptions): Promise<TestMount> {
    const base = await mkdtemp(join(tmpdir(), 'byzfs-posix-'));
    // Other users have to come through.
    await chmod(base, 0o755);
    const mountpoint = join(base, 'mnt');
    const directory = join(base, 'state');
    await run('mkdir', [mountpoint, directory]);
    const argument = JSON.stringify({ timeLimitMs: 120_000, ...options, mountpoint, directory });
    const child = spawn(process.execPath, [join(here, 'fixture.mjs'), argument], { stdio: 'pipe' });
    let ready: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const mount = new TestMount(mountpoint, base, child, ready);
    const outcome = await Promise.race([started.then(() => 'ready'), mount.exited]);
    if (outcome !== 'ready') {
      await mount.stop();
      throw new Error(`the fixture did not mount: ${mount.log.join('\n')}`);
    }
    return mount;
  }

  ask(command: string): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      this.answers.push(resolve);
      this.child.stdin!.write(`${command}\n`);
    });
  }

  async counters(): Promise<Counters> {
    return (await this.ask('counters')) as unknown as Counters;
  }

  /** Calls of the service that `work` caused, by operation. */
  async callsOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
    const before = (await this.counters()).calls;
    await work();
    const after = (await this.counters()).calls;
    const made = Object.entries(after).map(([op, count]) => [op, count - (before[op] ?? 0)] as const);
    return Object.fromEntries(made.filter(([, count]) => count > 0));
  }

  /** Ends the server as a crash does. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Unmounts, by force if need be, and removes everything. Never waits for a mount that hangs. */
  async stop(): Promise<void> {
    this.child.stdin!.end();
    const limit = new Promise((resolve) => setTimeout(resolve, 5000, 'late').unref());
    if ((await Promise.race([this.exited, limit])) === 'late') {
      await this.abort();
      this.child.kill('SIGKILL');
      await this.exited;
    }
    if (this.connection() !== undefined) await run('umount', ['-l', this.mountpoint]).catch(() => {});
    if (this.connection() === undefined) await rm(this.base, { recursive: true, force: true });
  }

  /** The FUSE connection's number, while mounted. */
  private connection(): number | undefined {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const line = lines.findLast((l) => l.split(' ')[4] === this.mountpoint);
    return line === undefined ? undefined : Number(line.split(' ')[2].split(':')[1]);
  }

  private async abort(): Promise<void> {
    const connection = this.connection();
    if (connection === undefined) return;
    await writeFile(`/sys/fs/fuse/connections/${connection}/abort`, '1').catch(() => {});
    await run('umount', ['-l', this.mountpoint]).catch(() => {});
  }
}
