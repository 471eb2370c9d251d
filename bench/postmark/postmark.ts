/** PostMark: a pool of small files, then transactions on it, then its removal (TR-3022). One process, one call at a time. */
import { mkdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Contents } from '../contents.js';
import { readFile, writeFile } from '../files/calls.js';
import { CACHES, type MountedOptions, type PhaseTime, runMounted, type Turn } from '../mounted.js';
import type { BenchReport } from '../report.js';
import { type Action, type PostmarkParameters, planPostmark } from './plan.js';

/** The program's own defaults, version 1.5. */
export const DEFAULTS = {
  ...{ files: 500, transactions: 500, size: { low: 500, high: 10_000 }, readBias: 5, createBias: 5 },
  ...{ subdirectories: 0, seed: 42, readBytes: 512, writeBytes: 512, buffered: true },
} as const;

export interface PostmarkRun extends PostmarkParameters {
  /** `set read`, `set write`: bytes of a call. */
  readBytes: number;
  writeBytes: number;
  /** `set buffering`: through stdio, which collects them to calls of its own. */
  buffered: boolean;
}

/** What stdio collects to on file systems whose blocks are not larger than its buffer. */
const STDIO_BYTES = 4096;

/** Parts of the work between two looks at the signal. */
const PART = 100;

export function runPostmark(options: MountedOptions & PostmarkRun): Promise<BenchReport> {
  const { files, transactions, size, readBias, createBias, subdirectories, seed } = options;
  const { readBytes, writeBytes, buffered } = options;
  const parameters = { files, transactions, size, readBias, createBias, subdirectories, seed };
  const whole: PostmarkRun = { ...parameters, readBytes, writeBytes, buffered };
  return runMounted(options, {
    name: 'postmark',
    parameters: {
      ...whole,
      transaction: 'read a whole file or append to one, then create one or delete one',
      caches: CACHES,
      fsync: false,
      verified: 'every byte read back, and in the end every byte of all files, untimed',
    },
    steps: 2 * Math.ceil(files / PART) + Math.ceil(transactions / PART),
    withTotal: true,
    run: (turn) => postmarkTurn(turn.warmUp ? shortened(whole) : whole, turn),
  });
}

const shortened = (whole: PostmarkRun): PostmarkRun => ({
  ...whole,
  files: Math.ceil(whole.files / 10),
  transactions: Math.ceil(whole.transactions / 10),
});

/** One run. @throws BenchmarkError if a byte read back is not what was written */
export async function postmarkTurn(
  run: PostmarkRun,
  { work, step }: Pick<Turn, 'work' | 'step'>,
): Promise<PhaseTime[]> {
  const { initial, transactions, final } = planPostmark(run);
  const pool = new Pool(run, work);
  pool.makeDirectories();
  const timed = async (name: string, parts: readonly (readonly Action[])[]): Promise<PhaseTime> => {
    const latencies: number[] = [];
    let bytes = 0;
    for (const [i, actions] of parts.entries()) {
      let elapsed = 0;
      for (const action of actions) {
        const done = pool.perform(action);
        elapsed += done.milliseconds;
        bytes += done.bytes;
      }
      latencies.push(elapsed);
      if ((i + 1) % PART === 0 || i + 1 === parts.length) await step();
    }
    const seconds = latencies.reduce((sum, each) => sum + each, 0) / 1000;
    return { name, seconds, operations: parts.length, bytes, latencies };
  };
  const created = await timed(
    'create',
    initial.map((action) => [action]),
  );
  const mixed = await timed('transactions', transactions);
  for (const { file, size } of final) pool.perform({ kind: 'read', file, size });
  const deleted = await timed(
    'delete',
    final.map(({ file }) => [{ kind: 'delete', file }]),
  );
  return [created, mixed, deleted];
}

class Pool {
  private readonly contents: Contents;
  private readonly buffer: Buffer;
  private readonly readBytes: number;
  private readonly writeBytes: number;

  constructor(
    private readonly run: PostmarkRun,
    private readonly work: string,
  ) {
    const { seed, size, buffered, readBytes, writeBytes } = run;
    this.contents = new Contents(seed, size.high);
    this.buffer = Buffer.alloc(size.high + 1);
    this.readBytes = buffered ? Math.max(STDIO_BYTES, readBytes) : readBytes;
    this.writeBytes = buffered ? Math.max(STDIO_BYTES, writeBytes) : writeBytes;
  }

  makeDirectories(): void {
    for (let i = 0; i < this.run.subdirectories; i++) mkdirSync(join(this.work, `s${i}`));
  }

  private path(file: number): string {
    const { subdirectories } = this.run;
    return join(this.work, ...(subdirectories === 0 ? [] : [`s${file % subdirectories}`]), String(file));
  }

  /** What was read is checked when the clock has stopped. */
  perform(action: Action): { milliseconds: number; bytes: number } {
    const path = this.path(action.file);
    const { kind, file } = action;
    const data =
      kind === 'create'
        ? this.contents.of(file, 0, action.size)
        : kind === 'append'
          ? this.contents.of(file, action.from, action.to)
          : undefined;
    const start = performance.now();
    const read = kind === 'read' ? readFile(path, this.buffer, this.readBytes) : undefined;
    if (data !== undefined) writeFile(path, kind === 'create' ? 'wx' : 'a', data, this.writeBytes);
    if (kind === 'delete') unlinkSync(path);
    const milliseconds = performance.now() - start;
    if (kind === 'read') this.contents.check(path, read!, file, 0, action.size);
    return { milliseconds, bytes: read?.length ?? data?.length ?? 0 };
  }
}
