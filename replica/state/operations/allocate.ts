/** ALLOCATE: fallocate(2). Space reserved, holes punched, ranges zeroed, some blocks at each operation. */
import { Errno } from '../../../src/fileservice/errno.js';
import { Access, AllocateMode, type OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { FileLimits, isDirectory, isRegular } from '../../../src/fileservice/types.js';
import { attributes, type Call, findNode, isFailure } from '../nodes.js';
import { isPermittedOnOpenFile } from '../permissions.js';
import { BLOCK_BYTES } from '../row-bytes.js';
import type { InodeRow } from '../rows.js';
import { blockCharge, blocksIn, chargeForGrowth, spaceEnd, spaceError } from '../space.js';
import { NO_BYTES, zeroed } from './block-content.js';
import { changed } from './data.js';

/** A range of a file's bytes. */
interface Range {
  start: number;
  end: number;
}

const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE } = AllocateMode;

/** COLLAPSE_RANGE and INSERT_RANGE are not among them: Linux refuses them for FUSE before it asks. */
const MODES: ReadonlySet<number> = new Set([0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]);

export function allocate(call: Call, o: OperationOf<'allocate'>): Results['allocate'] | Errno {
  const node = findNode(call, o.node);
  if (isFailure(node)) return node;
  if (!isRegular(node.mode)) return isDirectory(node.mode) ? Errno.EISDIR : Errno.ENODEV;
  if (!MODES.has(o.mode)) return Errno.EOPNOTSUPP;
  if (o.length === 0) return Errno.EINVAL;
  if (!isPermittedOnOpenFile(call, node, Access.WRITE)) return Errno.EACCES;
  const range = { start: o.offset, end: o.offset + o.length };
  if (o.mode & PUNCH_HOLE) return punch(call, node, range, o);
  if (range.end > FileLimits.fileBytes) return Errno.EFBIG;
  return reserve(call, node, range, o);
}

/** Removes what lies wholly in the range, and zeroes the rest of it. Bounded by the blocks that there are. */
function punch(call: Call, node: InodeRow, range: Range, o: OperationOf<'allocate'>): Results['allocate'] {
  const { blocks } = call.store;
  const space = spaceEnd(node);
  let length = o.length;
  let freed = 0;
  let touched = 0;
  for (const position of blocks.positions(node.fork, Math.floor(range.start / BLOCK_BYTES))) {
    const start = position * BLOCK_BYTES;
    if (start >= range.end) break;
    if (touched++ === FileLimits.allocateBlocks) {
      length = start - range.start;
      break;
    }
    if (covers(range, start, space)) {
      blocks.unset(node.fork, position);
      freed += blockCharge(position, space);
    } else {
      zero(call, node, position, range);
    }
  }
  const punched = changed(call, node, { size: node.size }, -freed, o.killPrivileges);
  return { errno: 0, attributes: attributes(punched), length };
}

/** Sees to it that there is a block wherever the range goes; with ZERO_RANGE, one of zeros. */
function reserve(
  call: Call,
  node: InodeRow,
  { start, end }: Range,
  o: OperationOf<'allocate'>,
): Results['allocate'] | Errno {
  const { store } = call;
  // What cannot fit, even if all that the file has is in the range, is refused before any of it is taken.
  const tooMuch = spaceError(store, node, end - start - node.allocated);
  if (tooMuch !== undefined) return tooMuch;
  const first = Math.floor(start / BLOCK_BYTES);
  const reached = Math.min(end, (first + FileLimits.allocateBlocks) * BLOCK_BYTES);
  const size = o.mode & KEEP_SIZE ? node.size : Math.max(node.size, reached);
  const reserved = reached > size ? Math.max(node.reserved, reached) : node.reserved;
  const newEnd = spaceEnd({ size, reserved });

  const missing: number[] = [];
  let bytes = chargeForGrowth(call, node, newEnd);
  for (let position = first; position < blocksIn(reached); position++) {
    if (store.blocks.has(node.fork, position)) continue;
    missing.push(position);
    bytes += blockCharge(position, newEnd);
  }
  const full = spaceError(store, node, bytes);
  if (full !== undefined) return full;

  if (o.mode & ZERO_RANGE) {
    for (let position = first; position < blocksIn(reached); position++) {
      zero(call, node, position, { start, end: reached });
    }
  }
  for (const position of missing) store.blocks.set(node.fork, position, NO_BYTES);
  const after = changed(call, node, { size, reserved }, bytes, o.killPrivileges);
  return { errno: 0, attributes: attributes(after), length: reached - start };
}

/** Whether the block that begins at `start` lies in the range, as far as the file's space goes. */
const covers = (range: Range, start: number, space: number): boolean =>
  range.start <= start && range.end >= Math.min(start + BLOCK_BYTES, space);

/** Zeroes what is in the range of a block, if there is one. */
function zero({ store }: Call, node: InodeRow, position: number, { start, end }: Range): void {
  const at = position * BLOCK_BYTES;
  const whole = start <= at && end >= at + BLOCK_BYTES;
  if (!store.blocks.has(node.fork, position)) return;
  const data = whole ? NO_BYTES : zeroed(store.blocks.at(node.fork, position)!.data, Math.max(0, start - at), end - at);
  store.blocks.set(node.fork, position, data);
}
