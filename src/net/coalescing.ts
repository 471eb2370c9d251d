/** How what is sent in one turn becomes frames. */
import { FRAME_ITEM_BYTES, FRAME_ITEMS, itemBytes } from '../wire/framing.js';

/**
 * An item above it has a frame to itself: it is handled as soon as it is there, and may stay in the buffer that its frame
 * was received into.
 */
const ALONE_BYTES = 64 * 1024;

/** As few frames as will do, in order. */
export function* intoFrames(items: Uint8Array[]): Generator<Uint8Array[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < items.length; i++) {
    const size = itemBytes(items[i]);
    const alone = size > ALONE_BYTES || (i > from && itemBytes(items[i - 1]) > ALONE_BYTES);
    if (i > from && (alone || bytes + size > FRAME_ITEM_BYTES || i - from === FRAME_ITEMS)) {
      yield items.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield from === 0 ? items : items.slice(from);
}
