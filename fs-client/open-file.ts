/** One open(2), shared by the descriptors made of it, and what its user has yet to be told. */
import type { Failure } from '../src/fileservice/results.js';
import type { Credentials } from '../src/fileservice/types.js';
import type { Node } from './cache/node.js';
import { LOST, LossReport } from './cache/sync-record.js';
import { OpenFlag } from './kernel/open-flags.js';

export class OpenFile {
  /** What a change that had been answered already came to; 0: well. */
  private failure = 0;
  private readonly losses: LossReport;
  /** What the kernel's pages are of once it has dropped those that it had at this OPEN. */
  private dropping: { mark: number; change: number } | undefined;

  constructor(
    readonly fh: number,
    readonly node: Node,
    /** The opener's: a process that got the descriptor from it has its rights, as in NFS. */
    readonly credentials: Credentials,
    /** Those of open(2). */
    private readonly flags: number,
  ) {
    this.losses = new LossReport(node.sync);
  }

  /** O_SYNC or O_DSYNC. */
  get synchronous(): boolean {
    return (this.flags & OpenFlag.DSYNC) !== 0;
  }

  /** A shared mapping of it may be written to (mmap(2)). */
  get mayBeMapped(): boolean {
    return (this.flags & OpenFlag.ACCESS_MODE) === OpenFlag.READ_WRITE;
  }

  /** The answer to this OPEN has the kernel drop its pages: those that it reads then are of `change`, or later. */
  dropsPages(change: number): void {
    this.dropping = { mark: this.node.chain.mark, change };
  }

  /**
   * A call on the file has come, so the kernel is done with its OPEN. Not before may other OPENs of the file be told to
   * keep the pages: their answers can overtake this one's.
   */
  called(): void {
    if (this.dropping === undefined) return;
    this.node.chain.restartSince(this.dropping.mark, this.dropping.change);
    this.dropping = undefined;
  }

  fail(errno: number): void {
    if (this.failure === 0) this.failure = errno;
  }

  /** At the next write: reported once, the next call on this open file starts afresh, as with NFS. */
  takeFailure(): Failure | undefined {
    if (this.failure === 0) return undefined;
    const { failure: errno } = this;
    this.failure = 0;
    return { errno };
  }

  /** At the next fsync or close, also that changes were lost: a writer could repeat one write, but not all of them. */
  failureAtSync(): Failure | undefined {
    const lost = this.losses.atSync();
    return this.takeFailure() ?? (lost ? LOST : undefined);
  }

  failureAtClose(): Failure | undefined {
    const lost = this.losses.atClose();
    return this.takeFailure() ?? (lost ? LOST : undefined);
  }
}
