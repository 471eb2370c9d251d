/**
 * Space: which blocks a file has, what they are charged for, and how much of the agreed capacity is left.
 *
 * The rule: a block exists from when something is written into it, be it zeros, or when it is reserved (ALLOCATE), until
 * the file is cut before it or a hole is punched over all of it; to be all zeros does not end it. What exists is charged,
 * is data to SEEK and can be written to whatever else is full. What does not exist is a hole: it costs nothing and reads
 * as zeros. Copying a hole leaves a hole where there was one, and zeros where there was a block.
 */
import type { Call } from './nodes.js';
import { BLOCK_BYTES } from './row-bytes.js';
import type { InodeRow } from './rows.js';
import type { Store } from './store.js';

/** Space is handed out in units of 4 KiB, as disk file systems do. */
const ALLOCATION_BYTES = 4096;

/** Blocks that so many bytes, from a file's start, lie in. */
export const blocksIn = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES);

/** Where a file's space ends: with the file, or beyond it where more was reserved. */
export const spaceEnd = ({ size, reserved }: Pick<InodeRow, 'size' | 'reserved'>): number => Math.max(size, reserved);

/**
 * What a block that exists is charged for where a file's space ends at `end`: all of it, except that the last block
 * counts up to the end. So the space a file takes follows from its end and the set of its blocks alone.
 */
export function blockCharge(position: number, end: number): number {
  const used = end - position * BLOCK_BYTES;
  return used >= BLOCK_BYTES ? BLOCK_BYTES : Math.ceil(used / ALLOCATION_BYTES) * ALLOCATION_BYTES;
}

/** When the end moves up, the block that was last, if it exists, is charged for more, whatever is written. */
export function chargeForGrowth({ store }: Call, node: InodeRow, end: number): number {
  const before = spaceEnd(node);
  const last = blocksIn(before) - 1;
  if (end <= before || last < 0 || !store.blocks.has(node.ino, last)) return 0;
  return blockCharge(last, end) - blockCharge(last, before);
}

/** Whether all that may be charged is: then there is no hole up to the end. */
export function isDense(node: InodeRow): boolean {
  const last = blocksIn(spaceEnd(node)) - 1;
  return node.allocated === last * BLOCK_BYTES + blockCharge(last, spaceEnd(node));
}

/** Whether the agreed capacity has room for so many bytes more. */
export const hasRoom = (store: Store, bytes: number): boolean =>
  bytes <= 0 || store.header.row.usedBytes + bytes <= store.capacity.bytes;

export function charge(store: Store, bytes: number): void {
  if (bytes !== 0) store.updateHeader({ usedBytes: store.header.row.usedBytes + bytes });
}
