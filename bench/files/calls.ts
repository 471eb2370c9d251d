/** Whole files in calls of some size, as programs read and write them: one system call after the other. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { BenchmarkError } from '../errors.js';

/** @throws system errors; BenchmarkError on a short write */
export function writeAll(file: number, data: Uint8Array, callBytes: number): void {
  for (let at = 0; at < data.length; at += callBytes) {
    const length = Math.min(callBytes, data.length - at);
    const written = writeSync(file, data, at, length);
    if (written !== length) throw new BenchmarkError(`a write of ${length} bytes wrote ${written}`);
  }
}

/** @param flags as of open(2): wx creates, a appends */
export function writeFile(path: string, flags: 'wx' | 'a', data: Uint8Array, callBytes: number): void {
  const file = openSync(path, flags);
  try {
    writeAll(file, data, callBytes);
  } finally {
    closeSync(file);
  }
}

/** Reads up to the end of the file into `into`, which must be longer. @returns what was read, a view of it */
export function readFile(path: string, into: Buffer, callBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    let at = 0;
    for (;;) {
      const length = Math.min(callBytes, into.length - at);
      const read = readSync(file, into, at, length, null);
      at += read;
      if (read === 0 || length === 0) return into.subarray(0, at);
    }
  } finally {
    closeSync(file);
  }
}
