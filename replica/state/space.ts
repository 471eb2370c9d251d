/** The agreed capacity: what is in use of it, and whether there is room for more. */
import type { Store } from './store.js';

/** Whether the agreed capacity has room for so many bytes more. */
export const hasRoom = (store: Store, bytes: number): boolean =>
  bytes <= 0 || store.header.row.usedBytes + bytes <= store.capacity.bytes;

export function charge(store: Store, bytes: number): void {
  if (bytes !== 0) store.updateHeader({ usedBytes: store.header.row.usedBytes + bytes });
}
