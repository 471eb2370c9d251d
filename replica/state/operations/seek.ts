/** SEEK: lseek(2) with SEEK_DATA and SEEK_HOLE. Blocks that exist are data, whatever is in them (space.ts). */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { isRegular } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure } from '../nodes.js';
import { isPermittedOnOpenFile } from '../permissions.js';
import { BLOCK_BYTES } from '../row-bytes.js';
import type { InodeRow } from '../rows.js';
import { isDense } from '../space.js';
import { mayRead } from './data.js';

/** Blocks that one operation looks at: some 10 ms. */
const BLOCKS_AT_ONCE = 1024;

export function seek(call: Call, o: OperationOf<'seek'>): Results['seek'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isRegular(node.mode)) return Errno.EINVAL;
  // Where a file has holes is for those to know who may look into it, or make them.
  if (!mayRead(call, node) && !isPermittedOnOpenFile(call, node, Access.WRITE)) return Errno.EACCES;
  if (o.offset >= node.size) return Errno.ENXIO;
  const found = o.what === 'data' ? dataFrom(call, node, o.offset) : holeFrom(call, node, o.offset);
  if (found === undefined) return Errno.ENXIO;
  const { offset, complete } = found;
  return { errno: 0, attributes: attributes(node), offset: Math.min(offset, node.size), complete };
}

interface Found {
  offset: number;
  /** Otherwise it is not known yet, but it is not before `offset`. */
  complete: boolean;
}

/** Undefined: there is a hole up to the end. */
function dataFrom({ store }: Call, node: InodeRow, from: number): Found | undefined {
  if (node.allocated === 0) return undefined;
  const [position] = store.blocks.positions(node.fork, Math.floor(from / BLOCK_BYTES));
  if (position === undefined || position * BLOCK_BYTES >= node.size) return undefined;
  return { offset: Math.max(from, position * BLOCK_BYTES), complete: true };
}

/** The end of the file counts as one. */
function holeFrom({ store }: Call, node: InodeRow, from: number): Found {
  if (isDense(node)) return { offset: node.size, complete: true };
  const first = Math.floor(from / BLOCK_BYTES);
  let next = first;
  for (const position of store.blocks.positions(node.fork, first)) {
    if (position !== next || position * BLOCK_BYTES >= node.size) break;
    next++;
    if (next - first === BLOCKS_AT_ONCE) return { offset: next * BLOCK_BYTES, complete: false };
  }
  return { offset: Math.max(from, next * BLOCK_BYTES), complete: true };
}
