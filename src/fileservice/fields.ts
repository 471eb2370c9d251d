/** What the encodings of operations, results and rights have in common. */
import { type ByteReader, type ByteWriter, MalformedBytes } from '../bytes.js';
import type { Handle, Time } from './types.js';

export function writeHandle(w: ByteWriter, handle: Handle): void {
  w.u64(handle.ino).u32(handle.generation);
}

export function readHandle(r: ByteReader): Handle {
  return { ino: r.u64(), generation: r.u32() };
}

export function writeTime(w: ByteWriter, time: Time): void {
  w.i64(time.seconds).u32(time.nanoseconds);
}

export function readTime(r: ByteReader): Time {
  const seconds = r.i64();
  const nanoseconds = r.u32();
  if (nanoseconds >= 1_000_000_000) throw new MalformedBytes(`${nanoseconds} nanoseconds`);
  return { seconds, nanoseconds };
}
