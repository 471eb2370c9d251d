/** Contents of files: READ, WRITE, truncation, and the space they are charged for. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isRegular } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure, update } from '../nodes.js';
import { isPermittedOnOpenFile, isRoot, withoutPrivileges } from '../permissions.js';
import { BLOCK_BYTES } from '../row-bytes.js';
import type { InodeRow } from '../rows.js';
import { charge, hasRoom } from '../space.js';
import { withoutCapability } from '../xattrs.js';
import { overlaid, shortened } from './block-content.js';

/** Space is handed out in units of 4 KiB, as disk file systems do. */
const ALLOCATION_BYTES = 4096;

/**
 * What a block that exists is charged for in a file of that size: all of it, except that the file's last block counts
 * up to the file's end. So the space a file takes follows from its size and the set of its blocks alone.
 */
function blockCharge(position: number, size: number): number {
  const used = size - position * BLOCK_BYTES;
  return used >= BLOCK_BYTES ? BLOCK_BYTES : Math.ceil(used / ALLOCATION_BYTES) * ALLOCATION_BYTES;
}

const blocksIn = (size: number): number => Math.ceil(size / BLOCK_BYTES);

/** A growing file's last block, if it exists, is charged for more, whether or not anything is written to it. */
function chargeForGrowth({ store }: Call, node: InodeRow, size: number): number {
  const last = blocksIn(node.size) - 1;
  if (size <= node.size || last < 0 || !store.blocks.has(node.ino, last)) return 0;
  return blockCharge(last, size) - blockCharge(last, node.size);
}

/** Who may read a file's bytes: also one who may execute it, for the kernel reads programs on their behalf (as nfsd). */
const mayRead = (call: Call, node: InodeRow): boolean =>
  isPermittedOnOpenFile(call, node, Access.READ) || isPermittedOnOpenFile(call, node, Access.EXECUTE);

export function read(call: Call, o: OperationOf<'read'>): Results['read'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isRegular(node.mode)) return isDirectory(node.mode) ? Errno.EISDIR : Errno.EINVAL;
  if (!mayRead(call, node)) return Errno.EACCES;
  const length = Math.max(0, Math.min(o.length, FileLimits.ioBytes, node.size - o.offset));
  return { errno: 0, attributes: attributes(node), data: readBytes(call, node, o.offset, length) };
}

function readBytes({ store }: Call, node: InodeRow, offset: number, length: number): Buffer {
  const data = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const position = Math.floor((offset + at) / BLOCK_BYTES);
    const from = offset + at - position * BLOCK_BYTES;
    const end = Math.min(length, at + BLOCK_BYTES - from);
    const block = store.blocks.at(node.ino, position);
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
  const bytes = chargeForGrowth(call, node, size) + chargeForNewBlocks(call, node, size, offset, end);
  if (!hasRoom(call.store, bytes)) return Errno.ENOSPC;
  writeBytes(call, node, offset, o.data);
  charge(call.store, bytes);
  const written = update(call, node, {
    size,
    mtime: call.now,
    allocated: node.allocated + bytes,
    mode: modeAfterWrite(call, node, o.killPrivileges),
    ...withoutCapability(call.store, node),
  });
  return { errno: 0, attributes: attributes(written) };
}

function chargeForNewBlocks({ store }: Call, node: InodeRow, size: number, offset: number, end: number): number {
  let bytes = 0;
  for (let position = Math.floor(offset / BLOCK_BYTES); position < blocksIn(end); position++) {
    if (!store.blocks.has(node.ino, position)) bytes += blockCharge(position, size);
  }
  return bytes;
}

function writeBytes({ store }: Call, node: InodeRow, offset: number, data: Uint8Array): void {
  const end = offset + data.length;
  for (let position = Math.floor(offset / BLOCK_BYTES); position < blocksIn(end); position++) {
    const start = position * BLOCK_BYTES;
    const part = data.subarray(Math.max(0, start - offset), start + BLOCK_BYTES - offset);
    // What is overwritten whole need not be read.
    const before = part.length === BLOCK_BYTES ? undefined : store.blocks.at(node.ino, position);
    store.blocks.set(node.ino, position, overlaid(before?.data, part, Math.max(0, offset - start)));
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
  const growth = chargeForGrowth(call, node, size);
  if (!hasRoom(call.store, growth)) return Errno.ENOSPC;
  const changed = others();
  const bytes = size < node.size ? -cut(call, node, size) : growth;
  charge(call.store, bytes);
  const mode = modeAfterWrite(call, node, killPrivileges);
  const allocated = node.allocated + bytes;
  const unprivileged = withoutCapability(call.store, { ...node, ...changed });
  return update(call, node, { mtime: call.now, mode, ...changed, ...unprivileged, size, allocated });
}

/** Removes what lies beyond `size`; returns the bytes that are charged no longer. */
function cut({ store }: Call, node: InodeRow, size: number): number {
  if (node.allocated === 0) return 0;
  const { blocks } = store;
  const kept = blocksIn(size);
  const last = blocksIn(node.size) - 1;
  let freed = 0;
  if (last >= kept) {
    if (blocks.has(node.ino, last)) freed -= BLOCK_BYTES - blockCharge(last, node.size);
    freed += BLOCK_BYTES * blocks.removeRange(node.ino, kept, last + 1);
  }
  const block = size % BLOCK_BYTES === 0 ? undefined : blocks.at(node.ino, kept - 1);
  if (block !== undefined) {
    freed += blockCharge(kept - 1, node.size) - blockCharge(kept - 1, size);
    blocks.set(node.ino, kept - 1, shortened(block.data, size % BLOCK_BYTES));
  }
  return freed;
}

/** What was executed before is on stable storage before the reply leaves; there is nothing else to do. */
export function fsync(call: Call, o: OperationOf<'fsync'>): Results['fsync'] | Errno {
  const node = findNode(call, o.node);
  return isFailure(node) ? node : { errno: 0, attributes: attributes(node) };
}
