/** One large file by one process: written from begin to end, flushed, read, read again. */
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { Contents } from '../contents.js';
import { BenchmarkError } from '../errors.js';
import { CACHES, type MountedOptions, type PhaseTime, runMounted, type Turn } from '../mounted.js';
import type { BenchReport } from '../report.js';
import { writeAll } from './calls.js';

export interface LargeFile {
  /** Of the file. */
  bytes: number;
  /** Of each call. */
  callBytes: number;
}

const SEED = 128;
const WARM_UP_BYTES = 16 << 20;
/** Calls between two looks at the signal. */
const PART = 64;

export function runSequential(options: MountedOptions & LargeFile): Promise<BenchReport> {
  const { bytes, callBytes } = options;
  const short = Math.max(callBytes, Math.min(WARM_UP_BYTES, bytes));
  return runMounted(options, {
    name: 'sequential',
    parameters: {
      ...{ bytes, callBytes },
      write: 'open with O_CREAT, the calls, close',
      fsync: 'as a phase of its own, after the close: what it then still has to do',
      caches: CACHES,
      verified: 'every byte read back, both times',
    },
    steps: 3 * Math.ceil(Math.ceil(bytes / callBytes) / PART),
    withTotal: false,
    run: (turn) => sequentialTurn({ bytes: turn.warmUp ? short : bytes, callBytes }, turn),
  });
}

/** One run. @throws BenchmarkError if a byte read back is not what was written */
export async function sequentialTurn(
  { bytes, callBytes }: LargeFile,
  { work, step }: Pick<Turn, 'work' | 'step'>,
): Promise<PhaseTime[]> {
  const path = join(work, 'large');
  const contents = new Contents(SEED, callBytes);
  const buffer = Buffer.alloc(callBytes);
  const calls = Math.ceil(bytes / callBytes);
  const lengthOf = (call: number) => Math.min(callBytes, bytes - call * callBytes);

  /** Opening and closing count. */
  const timed = async (name: string, flags: string, each: (file: number, call: number) => () => void) => {
    const latencies: number[] = [];
    let start = performance.now();
    const file = openSync(path, flags);
    let elapsed = performance.now() - start;
    try {
      for (let call = 0; call < calls; call++) {
        start = performance.now();
        const verify = each(file, call);
        latencies.push(performance.now() - start);
        verify();
        if ((call + 1) % PART === 0 || call + 1 === calls) await step();
      }
    } finally {
      start = performance.now();
      closeSync(file);
      elapsed += performance.now() - start;
    }
    const seconds = (elapsed + latencies.reduce((sum, ms) => sum + ms, 0)) / 1000;
    return { name, seconds, operations: calls, bytes, latencies };
  };

  const write = (file: number, call: number) => {
    writeAll(file, contents.of(call, 0, lengthOf(call)), callBytes);
    return () => {};
  };
  const read = (file: number, call: number) => {
    const length = readSync(file, buffer, 0, lengthOf(call), null);
    return () => {
      if (length !== lengthOf(call))
        throw new BenchmarkError(`${path}: a read of ${lengthOf(call)} bytes read ${length}`);
      contents.check(`${path}, call ${call}`, buffer.subarray(0, length), call, 0, length);
    };
  };
  return [
    await timed('write', 'wx', write),
    flushed(path),
    await timed('read', 'r', read),
    await timed('read again', 'r', read),
  ];
}

function flushed(path: string): PhaseTime {
  const file = openSync(path, 'r+');
  try {
    const start = performance.now();
    fsyncSync(file);
    return { name: 'fsync', seconds: (performance.now() - start) / 1000, operations: 1 };
  } finally {
    closeSync(file);
  }
}
