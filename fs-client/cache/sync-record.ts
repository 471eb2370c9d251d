/**
 * Which changes of an inode would be lost if the group of replicas rolled back, and who has yet to be told that some
 * were. Linux tells of failed writeback so (errseq_t): whatever was not synced counts as lost, each open file is told
 * once, and an fsync of a file opened later does not confirm what nobody has been told of.
 */
import { Errno } from '../../src/fileservice/errno.js';
import type { Failure } from '../../src/fileservice/results.js';

export const LOST: Failure = { errno: Errno.EIO };

export class SyncRecord {
  /** Changes made here, executed or held back, and how many of the first ones need not be feared for any more. */
  private changes = 0;
  private settled = 0;
  /** Times that changes were lost, and how many of them somebody was told of. */
  losses = 0;
  told = 0;

  changed(): void {
    this.changes++;
  }

  get unsynced(): boolean {
    return this.changes > this.settled;
  }

  /** To be called before an FSYNC; what is returned, once it has succeeded: all changes made till now are durable. */
  syncing(): () => void {
    const { changes } = this;
    return () => {
      this.settled = Math.max(this.settled, changes);
    };
  }

  /** Returns whether there was anything to lose. */
  lose(): boolean {
    if (!this.unsynced) return false;
    this.settled = this.changes;
    this.losses++;
    return true;
  }
}

/** What the user of one open file, or open directory, has been told. */
export class LossReport {
  private seen: number;

  constructor(private readonly record: SyncRecord) {
    this.seen = record.losses;
  }

  /** Whether changes were lost while this was open, unless that was told before. */
  atClose(): boolean {
    return this.take(this.seen);
  }

  /** Also of what was lost before, if nobody knows. */
  atSync(): boolean {
    return this.take(Math.min(this.seen, this.record.told));
  }

  private take(known: number): boolean {
    const { record } = this;
    if (record.losses === known) return false;
    this.seen = record.losses;
    record.told = record.losses;
    return true;
  }
}
