/**
 * Space: which blocks a file has, what they are charged for, and how much of the agreed capacity is left.
 *
 * The rule: a block exists from when something is written into it, be it zeros, or when it is reserved (ALLOCATE), until
 * the file is cut before it or a hole is punched over all of it; to be all zeros does not end it. What exists is data to
 * SEEK, and is charged as far as the file's space goes (`spaceEnd`): up to there it can be written to, whatever else is
 * full. What does not exist is a hole: it costs nothing and reads as zeros. Copying a hole leaves a hole where there was
 * one, and zeros where there was a block.
 */
import { Errno } from '../../src/fileservice/errno.js';
import { assert } from '../../src/limits.js';
import type { Call } from './nodes.js';
import { BLOCK_BYTES } from './row-bytes.js';
import type { ClientRow, InodeRow } from './rows.js';
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
  if (end <= before || last < 0 || !store.blocks.has(node.fork, last)) return 0;
  return blockCharge(last, end) - blockCharge(last, before);
}

/** Whether all that may be charged is: then there is no hole up to the end. */
export function isDense(node: InodeRow): boolean {
  const last = blocksIn(spaceEnd(node)) - 1;
  return node.allocated === last * BLOCK_BYTES + blockCharge(last, spaceEnd(node));
}

/**
 * Whether the agreed capacity has room for so many bytes more. If it has because files were removed or cut whose blocks
 * are still there, enough of those are removed now: never is more stored than was agreed.
 */
function hasRoom(store: Store, bytes: number): boolean {
  const free = store.capacity.bytes - store.header.row.usedBytes - bytes;
  if (free < 0) return false;
  for (;;) {
    const excess = store.header.row.discardedBytes - free;
    if (excess <= 0) return true;
    removeDiscarded(store, Math.ceil(excess / BLOCK_BYTES));
  }
}

/** A file with more blocks than that is not rid of them at once: a block costs some 80 µs, and a gigabyte has 32,768. */
const BLOCKS_AT_ONCE = 64;

/**
 * All blocks of a file stop being its: few are removed, many left to the batches that follow.
 * @returns whether they were removed; otherwise the fork is no file's any more
 */
export function dropBlocks(store: Store, node: InodeRow): boolean {
  const { fork, allocated } = node;
  if (allocated <= BLOCKS_AT_ONCE * BLOCK_BYTES) {
    if (allocated > 0) store.blocks.removeRange(fork, 0, blocksIn(spaceEnd(node)));
    return true;
  }
  store.discarded.put(fork, { fork, bytes: allocated });
  store.updateHeader({ discardedBytes: store.header.row.discardedBytes + allocated });
  return false;
}

/** To be called once in each batch. */
export const reclaim = (store: Store): void => removeDiscarded(store, BLOCKS_AT_ONCE);

/** Removes so many of the blocks that no file has any more, if there are as many. */
function removeDiscarded(store: Store, atMost: number): void {
  for (let left = atMost; left > 0 && store.header.row.discardedBytes > 0; ) {
    const found = store.discarded.first();
    assert(found !== undefined, 'what is counted as discarded is there');
    const { fork, bytes } = found;
    let removed = 0;
    for (const position of store.blocks.positions(fork, 0)) {
      store.blocks.unset(fork, position);
      if (++removed === left) break;
    }
    assert(removed > 0, 'what was discarded has blocks');
    left -= removed;
    // Only a file's last block may be charged for less than its size.
    const freed = Math.min(bytes, removed * BLOCK_BYTES);
    if (freed < bytes) store.discarded.put(fork, { fork, bytes: bytes - freed });
    else store.discarded.remove(fork);
    store.updateHeader({ discardedBytes: store.header.row.discardedBytes - freed });
  }
}

/** As quotas of users go by a file's owner, whoever writes to it, those of clients go by who made it. */
type Paid = Pick<InodeRow, 'payer'>;

/** `payer` of what the calling client makes. */
export const payerOf = ({ client }: Call): number => (client.rights.quota === undefined ? 0 : client.id + 1);

function payingClient(store: Store, { payer }: Paid): ClientRow | undefined {
  return payer === 0 ? undefined : store.clients.get(payer - 1);
}

/** Why so many bytes more cannot be had for an inode; undefined if they can. */
export function spaceError(store: Store, node: Paid, bytes: number): Errno | undefined {
  if (bytes <= 0) return undefined;
  const client = payingClient(store, node);
  if (client !== undefined && client.usedBytes + bytes > client.rights.quota!.bytes) return Errno.EDQUOT;
  return hasRoom(store, bytes) ? undefined : Errno.ENOSPC;
}

export function inodeError(store: Store, payer: number): Errno | undefined {
  const client = payingClient(store, { payer });
  if (client !== undefined && client.usedInodes >= client.rights.quota!.inodes) return Errno.EDQUOT;
  return store.header.row.usedInodes >= store.capacity.inodes ? Errno.ENOSPC : undefined;
}

export function charge(store: Store, node: Paid, bytes: number): void {
  if (bytes === 0) return;
  store.updateHeader({ usedBytes: store.header.row.usedBytes + bytes });
  const client = payingClient(store, node);
  if (client !== undefined) store.clients.put(client.id, { ...client, usedBytes: client.usedBytes + bytes });
}

export function chargeInodes(store: Store, node: Paid, inodes: number): void {
  store.updateHeader({ usedInodes: store.header.row.usedInodes + inodes });
  const client = payingClient(store, node);
  if (client !== undefined) store.clients.put(client.id, { ...client, usedInodes: client.usedInodes + inodes });
}

/** All that an inode was charged for, which is no more. */
export function refund(store: Store, node: InodeRow): void {
  charge(store, node, -node.allocated - node.xattrBytes);
  chargeInodes(store, node, -1);
}
