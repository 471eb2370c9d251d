/** COPY: copy_file_range(2), by the replicas among themselves. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isRegular } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure } from '../nodes.js';
import { isPermittedOnOpenFile } from '../permissions.js';
import { BLOCK_BYTES } from '../row-bytes.js';
import type { InodeRow } from '../rows.js';
import { blockCharge, blocksIn, chargeForGrowth, spaceError } from '../space.js';
import { changed, mayRead, readBytes, writeBytes } from './data.js';

/** As much as goes into one block of the target. */
interface Piece {
  offset: number;
  sourceOffset: number;
  length: number;
}

export function copy(call: Call, o: OperationOf<'copy'>): Results['copy'] | Errno {
  const source = findNode(call, o.source);
  if (isFailure(source)) return source;
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (isDirectory(source.mode) || isDirectory(node.mode)) return Errno.EISDIR;
  if (!isRegular(source.mode) || !isRegular(node.mode)) return Errno.EINVAL;
  if (!mayRead(call, source) || !isPermittedOnOpenFile(call, node, Access.WRITE)) return Errno.EACCES;
  const wanted = Math.min(o.length, source.size - o.sourceOffset);
  if (wanted <= 0) return { errno: 0, attributes: attributes(node), length: 0 };
  if (source.ino === node.ino && Math.abs(o.offset - o.sourceOffset) < wanted) return Errno.EINVAL;
  if (o.offset >= FileLimits.fileBytes) return Errno.EFBIG;
  const length = Math.min(wanted, FileLimits.ioBytes, FileLimits.fileBytes - o.offset);

  const size = Math.max(node.size, o.offset + length);
  const newEnd = Math.max(size, node.reserved);
  let bytes = chargeForGrowth(call, node, newEnd);
  const pieces = piecesToCopy(call, source, node, { ...o, length });
  for (const { offset } of pieces) {
    const position = Math.floor(offset / BLOCK_BYTES);
    if (!call.store.blocks.has(node.fork, position)) bytes += blockCharge(position, newEnd);
  }
  const full = spaceError(call.store, node, bytes);
  if (full !== undefined) return full;
  for (const { offset, sourceOffset, length } of pieces) {
    writeBytes(call, node, offset, readBytes(call, source, sourceOffset, length));
  }
  return { errno: 0, attributes: attributes(changed(call, node, { size }, bytes, o.killPrivileges)), length };
}

/** All but those that would put a hole where there is one. */
function piecesToCopy({ store }: Call, source: InodeRow, node: InodeRow, whole: Piece): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < whole.length; ) {
    const offset = whole.offset + at;
    const sourceOffset = whole.sourceOffset + at;
    const length = Math.min(whole.length - at, BLOCK_BYTES - (offset % BLOCK_BYTES));
    const isData = hasData(store.blocks, source.fork, sourceOffset, length);
    if (isData || store.blocks.has(node.fork, Math.floor(offset / BLOCK_BYTES))) {
      pieces.push({ offset, sourceOffset, length });
    }
    at += length;
  }
  return pieces;
}

function hasData(blocks: Call['store']['blocks'], fork: number, offset: number, length: number): boolean {
  for (let position = Math.floor(offset / BLOCK_BYTES); position < blocksIn(offset + length); position++) {
    if (blocks.has(fork, position)) return true;
  }
  return false;
}
