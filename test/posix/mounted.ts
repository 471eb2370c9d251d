/** Mounts for tests: each served by a process of its own (fixture.mjs), and gone afterwards whatever happened. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadFuseNative } from '../../fs-client/kernel/fuse-native/package.js';
import { asUser, USER } from './as-user.js';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));

export interface FixtureOptions {
  profile: 'strict' | 'session';
  /** Of each mount; default: dev-fuse. */
  kernels?: readonly ('dev-fuse' | 'fuse-native')[];
  /** Further mount options. */
  options?: string;
  reader?: 'epoll' | 'thread-pool';
  readOnly?: boolean;
  allowOther?: boolean;
  /** Served and owned by the user nobody, in a mount namespace of its own (as-user.sh). */
  asUser?: boolean;
  /** A second mount of the same files, as another machine's. */
  second?: boolean;
  /** Where to mount instead of on a new directory. */
  mountpoint?: string;
  /** Before each call, milliseconds. */
  delayMs?: number;
  /** Concurrent calls are executed in any order. */
  shuffle?: boolean;
  capacityBytes?: number;
  timeLimitMs?: number;
}

export interface Counters {
  calls: Record<string, number>;
  sessionsLost: number;
  kernel: { requests: Record<string, number>; notifications: number };
}

/** Why fuse-native does not load here; null if it does. */
export function nativeObstacle(): string | null {
  try {
    loadFuseNative();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
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
    private readonly mountpoints: string[],
    private readonly base: string,
    private readonly child: ChildProcess,
    private readonly owner: typeof USER | undefined,
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

  /** Of the process that serves it. */
  get pid(): number {
    return this.child.pid!;
  }

  get mountpoint(): string {
    return this.mountpoints[0];
  }

  /** The second mount of the same files. */
  get elsewhere(): string {
    return this.mountpoints[1];
  }

  static async start(options: FixtureOptions): Promise<TestMount> {
    const base = await mkdtemp(join(tmpdir(), 'byzfs-posix-'));
    // Other users have to come through.
    await chmod(base, 0o755);
    const { second, mountpoint = join(base, 'mnt'), asUser: unprivileged, ...rest } = options;
    const mountpoints = second ? [mountpoint, join(base, 'mnt2')] : [mountpoint];
    const directory = join(base, 'state');
    const added = mountpoints.filter((path) => path !== options.mountpoint);
    const owner = unprivileged ? USER : undefined;
    for (const path of [...added, directory]) {
      await mkdir(path);
      if (owner) await chown(path, owner.uid, owner.gid);
    }
    const argument = JSON.stringify({ timeLimitMs: 300_000, rootUid: owner?.uid, ...rest, mountpoints, directory });
    const plain = [join(here, 'fixture.mjs'), argument] as const;
    const devices = join(base, 'devices');
    if (unprivileged) await mkdir(devices);
    const [command, args] = unprivileged
      ? asUser(devices, [process.execPath, ...plain])
      : ([process.execPath, plain] as const);
    const child = spawn(command, args, { stdio: 'pipe' });
    let ready: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const mount = new TestMount(mountpoints, base, child, owner, ready);
    const outcome = await Promise.race([started.then(() => 'ready'), mount.exited]);
    if (outcome !== 'ready') {
      await mount.stop();
      throw new Error(`the fixture did not mount: ${mount.log.join('\n')}`);
    }
    return mount;
  }

  /** Another mount of the same files; returns where it is. */
  async also(options: string): Promise<string> {
    const mountpoint = join(this.base, `mnt${this.mountpoints.length + 1}`);
    await mkdir(mountpoint);
    if (this.owner) await chown(mountpoint, this.owner.uid, this.owner.gid);
    this.mountpoints.push(mountpoint);
    const { error } = await this.ask(`mount ${JSON.stringify({ mountpoint, options })}`);
    if (error !== null) throw new Error(String(error));
    return mountpoint;
  }

  ask(command: string): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      this.answers.push(resolve);
      this.child.stdin!.write(`${command}\n`);
    });
  }

  /** Of the state behind all mounts. */
  async statistics(): Promise<{ usedBytes: number; usedInodes: number }> {
    return (await this.ask('statistics')) as { usedBytes: number; usedInodes: number };
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
    const left = this.mountpoints.filter((path) => connectionOf(path) !== undefined);
    for (const path of left) await run('umount', ['-l', path]).catch(() => {});
    if (left.every((path) => connectionOf(path) === undefined)) await rm(this.base, { recursive: true, force: true });
  }

  /** Every request under way, and every later one, fails: whoever waits for the mount goes on. */
  private async abort(): Promise<void> {
    for (const path of this.mountpoints) {
      const connection = connectionOf(path);
      if (connection === undefined) continue;
      await writeFile(`/sys/fs/fuse/connections/${connection}/abort`, '1').catch(() => {});
      // Where fusectl is not mounted. It says that the mount is busy, but aborts it.
      await run('umount', ['-i', '-c', '-f', path], { timeout: 10_000 }).catch(() => {});
    }
  }
}

/** The FUSE connection's number, while mounted. */
function connectionOf(mountpoint: string): number | undefined {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const line = lines.findLast((l) => l.split(' ')[4] === mountpoint);
  return line === undefined ? undefined : Number(line.split(' ')[2].split(':')[1]);
}
