/** The replicas of a cluster that runs here: killed, started again, replaced by one that lies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { layoutOf } from '../../src/cluster/layout.js';
import { BenchmarkError } from '../errors.js';

/** What replicas say of themselves, asked by a client: null where one does not answer. */
export interface ReplicaView {
  view: number;
  state: string;
}

export type Inspect = (id: number) => Promise<ReplicaView | null>;

const READY_MS = 60_000;
const NORMAL_MS = 120_000;
const POLL_MS = 250;

export class Replicas {
  /** Started here in place of those that `byzfs up` started. */
  private readonly children = new Map<number, ChildProcess>();

  constructor(
    private readonly directory: string,
    readonly n: number,
    private readonly command: readonly string[],
    private readonly inspect: Inspect,
  ) {}

  private pid(id: number): number {
    const child = this.children.get(id);
    if (child !== undefined) return child.pid!;
    return Number.parseInt(readFileSync(layoutOf(this.directory).replicaPid(id), 'utf8'), 10);
  }

  kill(id: number): void {
    process.kill(this.pid(id), 'SIGKILL');
    this.children.delete(id);
  }

  /** Starts a replica in the place of one that was killed. @returns when it listens */
  start(id: number, ...more: string[]): Promise<void> {
    return this.spawn(id, ['replica', '--cluster', this.directory, '--id', String(id), ...more]);
  }

  /** The same with a new disk: only its key is left. */
  startWithoutDisk(id: number): Promise<void> {
    rmSync(layoutOf(this.directory).replica(id), { recursive: true, force: true });
    return this.start(id, '--rejoin');
  }

  /** One that takes part in agreement, and answers clients what is not so. */
  startLiar(id: number): Promise<void> {
    return this.spawn(id, ['bench', 'liar', this.directory, String(id)]);
  }

  private spawn(id: number, args: readonly string[]): Promise<void> {
    const log = openSync(layoutOf(this.directory).replicaLog(id), 'a');
    const child = spawn(this.command[0], [...this.command.slice(1), ...args], {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    this.children.set(id, child);
    return new Promise((ready, fail) => {
      const timer = setTimeout(() => fail(new BenchmarkError(`replica ${id} did not start`)), READY_MS);
      const settle = (outcome: () => void) => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (child.connected) child.disconnect();
        child.unref();
        outcome();
      };
      child.on('message', (notice: { ready?: true; failed?: string }) =>
        settle(notice.ready ? ready : () => fail(new BenchmarkError(`replica ${id}: ${notice.failed}`))),
      );
      child.on('error', (error) => settle(() => fail(error)));
      child.on('exit', (status) => settle(() => fail(new BenchmarkError(`replica ${id} ended with status ${status}`))));
    });
  }

  private describe(): Promise<(ReplicaView | null)[]> {
    return Promise.all(Array.from({ length: this.n }, (_, id) => this.inspect(id)));
  }

  /** That of the view in which most are. @throws BenchmarkError if nobody answers */
  async primary(): Promise<number> {
    const views = (await this.describe()).flatMap((each) => (each === null ? [] : [each.view]));
    if (views.length === 0) throw new BenchmarkError('no replica answers');
    const count = (view: number) => views.filter((each) => each === view).length;
    return views.reduce((best, view) => (count(view) > count(best) ? view : best)) % this.n;
  }

  /** Until all take part again, which the next fault must not come before: more than f at a time are not tolerated. */
  async allNormal(signal: AbortSignal): Promise<void> {
    for (const end = performance.now() + NORMAL_MS; ; ) {
      signal.throwIfAborted();
      const all = await this.describe();
      const view = all[0]?.view;
      if (all.every((each) => each?.state === 'normal' && each.view === view)) return;
      if (performance.now() > end) {
        const states = all.map((each, id) => `${id}: ${each?.state ?? 'down'}`).join(', ');
        throw new BenchmarkError(`not all replicas came back within ${NORMAL_MS / 1000} s: ${states}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Ends what was started here. Those of `byzfs up` are ended by `byzfs down`. */
  end(): void {
    for (const child of this.children.values()) child.kill('SIGKILL');
    this.children.clear();
  }
}
