/** Small files by one process: create, write, close; the same with fsync; read; remove. */
import { closeSync, fsyncSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Contents } from '../contents.js';
import { CACHES, type MountedOptions, type PhaseTime, runMounted, type Turn } from '../mounted.js';
import type { BenchReport } from '../report.js';
import { readFile, writeAll, writeFile } from './calls.js';

export interface SmallFiles {
  files: number;
  /** Of each file, written and read in one call. */
  bytes: number;
}

const SEED = 4096;
/** One in so many is made with fsync, besides. */
const SYNCED_SHARE = 10;
const PART = 100;

export function runSmall(options: MountedOptions & SmallFiles): Promise<BenchReport> {
  const { files, bytes } = options;
  const synced = Math.ceil(files / SYNCED_SHARE);
  return runMounted(options, {
    name: 'small',
    parameters: {
      ...{ files, bytes, syncedFiles: synced },
      create: 'open with O_CREAT and O_EXCL, one write, close; all in one directory',
      caches: CACHES,
      fsync: 'in create+fsync only, before each close',
      verified: 'every byte read back',
    },
    steps: 3 * Math.ceil(files / PART) + Math.ceil(synced / PART),
    withTotal: false,
    run: (turn) => smallTurn({ files: turn.warmUp ? synced : files, bytes }, turn),
  });
}

/** One run. @throws BenchmarkError if a byte read back is not what was written */
export async function smallTurn(
  { files, bytes }: SmallFiles,
  { work, step }: Pick<Turn, 'work' | 'step'>,
): Promise<PhaseTime[]> {
  const contents = new Contents(SEED, bytes);
  const buffer = Buffer.alloc(bytes + 1);
  const timed = async (
    name: string,
    count: number,
    action: (path: string, data: Buffer) => Buffer | undefined,
  ): Promise<PhaseTime> => {
    const prefix = name === 'create+fsync' ? 'synced-' : '';
    const latencies: number[] = [];
    for (let i = 0; i < count; i++) {
      const path = join(work, `${prefix}${i}`);
      const data = contents.of(i, 0, bytes);
      const start = performance.now();
      const read = action(path, data);
      latencies.push(performance.now() - start);
      if (read !== undefined) contents.check(path, read, i, 0, bytes);
      if ((i + 1) % PART === 0 || i + 1 === count) await step();
    }
    const seconds = latencies.reduce((sum, each) => sum + each, 0) / 1000;
    return { name, seconds, operations: count, latencies };
  };
  return [
    await timed('create', files, (path, data) => void writeFile(path, 'wx', data, bytes)),
    await timed('create+fsync', Math.ceil(files / SYNCED_SHARE), (path, data) => void writeDurably(path, data)),
    await timed('read', files, (path) => readFile(path, buffer, bytes + 1)),
    await timed('remove', files, (path) => void unlinkSync(path)),
  ];
}

function writeDurably(path: string, data: Buffer): void {
  const file = openSync(path, 'wx');
  try {
    writeAll(file, data, data.length);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
