/** One open(2), shared by the descriptors made of it, and what its user has yet to be told. */
import { Errno } from '../src/fileservice/errno.js';
import type { Failure } from '../src/fileservice/results.js';
import type { Credentials } from '../src/fileservice/types.js';
import type { Node } from './cache/node.js';

export class OpenFile {
  /** What a change that had been answered already came to; 0: well. */
  private failure = 0;
  /** Changes that had been executed, but never synced, may have been undone. */
  private lost = false;
  /** Which of the node's changes was the last one made through this file. */
  private lastChange = 0;

  constructor(
    readonly fh: number,
    readonly node: Node,
    /** The opener's: a process that got the descriptor from it has its rights, as in NFS. */
    readonly credentials: Credentials,
  ) {}

  /** The inode is changed through this file: held here to be written, or executed. */
  changed(): void {
    this.lastChange = ++this.node.changes;
  }

  fail(errno: number): void {
    if (this.failure === 0) this.failure = errno;
  }

  /** Whatever was not synced may be gone. Returns whether there was anything. */
  lose(): boolean {
    const unsynced = this.lastChange > this.node.syncedChanges;
    if (unsynced) this.lost = true;
    return unsynced;
  }

  /** At the next write: reported once, the next call on this open file starts afresh, as with NFS. */
  takeFailure(): Failure | undefined {
    if (this.failure === 0) return undefined;
    const { failure: errno } = this;
    this.failure = 0;
    return { errno };
  }

  /** At the next fsync or close, also that changes were lost: a writer could repeat one write, but not all of them. */
  takeFailures(): Failure | undefined {
    const { lost } = this;
    this.lost = false;
    return this.takeFailure() ?? (lost ? { errno: Errno.EIO } : undefined);
  }
}
