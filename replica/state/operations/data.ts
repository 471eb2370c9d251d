/** Contents of files: READ, WRITE and truncation. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isRegular } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure, update } from '../nodes.js';
import { isPermittedOnOpenFile, isRoot, withoutPrivileges } from '../permissions.js';
import { BLOCK_BYTES } from '../row-bytes.js';
import type { InodeRow } from '../rows.js';
import { blockCharge, blocksIn, charge, chargeForGrowth, dropBlocks, spaceEnd, spaceError } from '../space.js';
import type { Store } from '../store.js';
import { withoutCapability } from '../xattrs.js';
import { overlaid, shortened } from './block-content.js';

/** Who may read a file's bytes: also one who may execute it, for the kernel reads programs on their behalf (as nfsd). */
export const mayRead = (call: Call, node: InodeRow): boolean =>
  isPermittedOnOpenFile(call, node, Access.READ) || isPermittedOnOpenFile(call, node, Access.EXECUTE);

export function read(call: Call, o: OperationOf<'read'>): Results['read'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isRegular(node.mode)) return isDirectory(node.mode) ? Errno.EISDIR : Errno.EINVAL;
  if (!mayRead(call, node)) return Errno.EACCES;
  const length = Math.max(0, Math.min(o.length, FileLimits.ioBytes, node.size - o.offset));
  return { errno: 0, attributes: attributes(node), data: readBytes(call, node, o.offset, length) };
}

export function readBytes({ store }: Call, node: InodeRow, offset: number, length: number): Buffer {
  const data = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const position = Math.floor((offset + at) / BLOCK_BYTES);
    const from = offset + at - position * BLOCK_BYTES;
    const end = Math.min(length, at + BLOCK_BYTES - from);
    const block = store.blocks.at(node.fork, position);
    // A block ends with its last byte that was written: what is after it reads as zeros, like a hole.
    const held = block !== undefined && from < block.data.length;
    const copied = held ? block.data.copy(data, at, from, from + end - at) : 0;
    data.fill(0, at + copied, end);
    at = end;
  }
  return data;
}

export function write(call: Call, o: OperationOf<'write'>): Results['write'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isRegular(node.mode)) return isDirectory(node.mode) ? Errno.EISDIR : Errno.EINVAL;
  if (!isPermittedOnOpenFile(call, node, Access.WRITE)) return Errno.EACCES;
  if (o.data.length === 0) return { errno: 0, attributes: attributes(node) };
  const offset = o.append ? node.size : o.offset;
  const end = offset + o.data.length;
  if (end > FileLimits.fileBytes) return Errno.EFBIG;

  const size = Math.max(node.size, end);
  const newEnd = Math.max(size, node.reserved);
  const bytes = chargeForGrowth(call, node, newEnd) + chargeForNewBlocks(call, node, newEnd, offset, end);
  const full = spaceError(call.store, node, bytes);
  if (full !== undefined) return full;
  writeBytes(call, node, offset, o.data);
  return { errno: 0, attributes: attributes(changed(call, node, { size }, bytes, o.killPrivileges)) };
}

/**
 * The inode after its contents were changed, which is what made it take so many bytes more.
 * @param bytes for which there is room
 */
export function changed(
  call: Call,
  node: InodeRow,
  fields: Pick<InodeRow, 'size'> & Partial<InodeRow>,
  bytes: number,
  killPrivileges: boolean,
): InodeRow {
  charge(call.store, node, bytes);
  return update(call, node, {
    mtime: call.now,
    allocated: node.allocated + bytes,
    mode: modeAfterWrite(call, node, killPrivileges),
    ...withoutCapability(call.store, node),
    ...fields,
  });
}

function chargeForNewBlocks({ store }: Call, node: InodeRow, newEnd: number, offset: number, end: number): number {
  let bytes = 0;
  const { fork } = node;
  const blocksEnd = blocksIn(spaceEnd(node));
  for (let position = Math.floor(offset / BLOCK_BYTES); position < blocksIn(end); position++) {
    // Beyond its space a file has no blocks.
    if (position >= blocksEnd) store.blocks.isNew(fork, position);
    else if (store.blocks.has(fork, position)) continue;
    bytes += blockCharge(position, newEnd);
  }
  return bytes;
}

export function writeBytes({ store }: Call, node: InodeRow, offset: number, data: Uint8Array): void {
  const end = offset + data.length;
  for (let position = Math.floor(offset / BLOCK_BYTES); position < blocksIn(end); position++) {
    const start = position * BLOCK_BYTES;
    const part = data.subarray(Math.max(0, start - offset), start + BLOCK_BYTES - offset);
    // What is overwritten whole need not be read.
    const before = part.length === BLOCK_BYTES ? undefined : store.blocks.at(node.fork, position);
    store.blocks.set(node.fork, position, overlaid(before?.data, part, Math.max(0, offset - start)));
  }
}

/** A client that does not say so does not keep another's suid program a suid program after writing to it. */
const modeAfterWrite = ({ who }: Call, node: InodeRow, killPrivileges: boolean): number =>
  killPrivileges || !isRoot(who) ? withoutPrivileges(who, node) : node.mode;

/**
 * Cuts or extends a regular file. `size` is within `FileLimits.fileBytes`.
 * @param others makes the changes that go with it, once nothing can fail any more
 */
export function truncate(
  call: Call,
  node: InodeRow,
  size: number,
  killPrivileges = false,
  others: () => Partial<InodeRow> = () => ({}),
): InodeRow | Errno {
  const grows = size > node.size;
  // What was reserved beyond the end stays reserved as the end moves up, and goes when it is set, be it where it is.
  const reserved = grows ? node.reserved : 0;
  const growth = grows ? chargeForGrowth(call, node, Math.max(size, reserved)) : 0;
  const full = spaceError(call.store, node, growth);
  if (full !== undefined) return full;
  const changes = others();
  const { bytes, fork } = grows ? { bytes: growth, fork: node.fork } : cut(call, node, size);
  charge(call.store, node, bytes);
  const mode = modeAfterWrite(call, node, killPrivileges);
  const allocated = node.allocated + bytes;
  const unprivileged = withoutCapability(call.store, { ...node, ...changes });
  return update(call, node, { mtime: call.now, mode, ...changes, ...unprivileged, size, reserved, allocated, fork });
}

/** Removes what lies beyond `size`; returns what that changes about the space the file takes, and about its fork. */
function cut({ store }: Call, node: InodeRow, size: number): { bytes: number; fork: number } {
  const { fork, allocated } = node;
  if (size > 0) return { bytes: -cutAt(store, node, size), fork };
  return { bytes: -allocated, fork: dropBlocks(store, node) ? fork : store.takeNumber() };
}

/** Returns the bytes that are charged no longer. */
function cutAt(store: Store, node: InodeRow, size: number): number {
  const end = spaceEnd(node);
  if (node.allocated === 0 || size === end) return 0;
  const { blocks } = store;
  const kept = blocksIn(size);
  const last = blocksIn(end) - 1;
  let freed = 0;
  if (last >= kept) {
    if (blocks.has(node.fork, last)) freed -= BLOCK_BYTES - blockCharge(last, end);
    freed += BLOCK_BYTES * blocks.removeRange(node.fork, kept, last + 1);
  }
  const block = size % BLOCK_BYTES === 0 ? undefined : blocks.at(node.fork, kept - 1);
  if (block !== undefined) {
    freed += blockCharge(kept - 1, end) - blockCharge(kept - 1, size);
    blocks.set(node.fork, kept - 1, shortened(block.data, size % BLOCK_BYTES));
  }
  return freed;
}

/** What was executed before is on stable storage before the reply leaves; there is nothing else to do. */
export function fsync(call: Call, o: OperationOf<'fsync'>): Results['fsync'] | Errno {
  const node = findNode(call, o.node);
  return isFailure(node) ? node : { errno: 0, attributes: attributes(node) };
}
