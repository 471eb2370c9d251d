/**
 * The bytes of a block row: the block up to its last non-zero byte. That is a function of the block's contents only,
 * so it does not matter in how many writes they came. The row of a block that is all zeros is empty; whether there is
 * one is another matter (space.ts).
 */
import { BLOCK_BYTES } from '../row-bytes.js';

const ZEROS = Buffer.alloc(1024);

/** Length without trailing zeros; compares 1 KiB at a time where there are many. */
function significantLength(data: Buffer): number {
  let length = data.length;
  while (length >= ZEROS.length && data[length - 1] === 0) {
    if (data.compare(ZEROS, 0, ZEROS.length, length - ZEROS.length, length) !== 0) break;
    length -= ZEROS.length;
  }
  while (length > 0 && data[length - 1] === 0) length--;
  return length;
}

/** In a buffer of its own where that is much smaller, so that a few bytes do not hold on to many. */
function trimmed(data: Buffer): Buffer {
  const length = significantLength(data);
  const part = data.subarray(0, length);
  return length < data.length / 2 ? Buffer.from(part) : part;
}

/** The block with `part` written at `start`: always a new buffer, since `part` is a view of a message. */
export function overlaid(data: Buffer | undefined, part: Uint8Array, start: number): Buffer {
  const end = start + part.length;
  if (data === undefined || (start === 0 && end >= data.length)) {
    const fresh = Buffer.allocUnsafe(end);
    fresh.fill(0, 0, start).set(part, start);
    return trimmed(fresh);
  }
  const merged = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(data.length, end)));
  const copied = data.copy(merged, 0, 0, data.length);
  merged.fill(0, copied, Math.max(copied, start)).set(part, start);
  return trimmed(merged);
}

/** A block that exists and is all zeros. */
export const NO_BYTES = Buffer.alloc(0);

/** The block with zeros from `start` up to `end`. */
export function zeroed(data: Buffer, start: number, end: number): Buffer {
  if (start >= data.length) return data;
  if (end >= data.length) return shortened(data, start);
  return Buffer.from(data).fill(0, start, end);
}

/** The block without what lies at `length` and beyond. */
export const shortened = (data: Buffer, length: number): Buffer =>
  data.length <= length ? data : trimmed(data.subarray(0, length));
