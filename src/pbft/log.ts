import { assert, Limits } from '../limits.js';
import type { Batch, Digest, SequenceNumber, View } from './messages.js';
import { Votes } from './votes.js';

/** What the replica knows about one sequence number. */
export class LogEntry {
  /** View of the accepted pre-prepare; −1 before there is one. */
  view: View = -1;
  batch: Batch | undefined;
  /** Whether every request of the batch is known to come from its client (DESIGN 3.5). */
  authentic = false;
  /** The pre-prepare is on record, and PREPARE was (or, at the primary, need not be) sent. */
  prePrepared = false;
  /** The prepared certificate is on record and COMMIT was sent. */
  prepared = false;
  /** Digest known to be committed here: by 2f+1 commits, or by f+1 COMMITTED. */
  committed: Digest | undefined;
  /** The batch of that digest, once held: `batch`, or another that a peer supplied. */
  decided: Batch | undefined;
  readonly prepares = new Votes();
  readonly commits = new Votes();
  /** COMMITTED messages, which hold in every view. */
  readonly attested = new Votes();

  constructor(
    readonly sequence: SequenceNumber,
    /** Time in ms at which the entry came to be, so that only what is overdue is asked for again. */
    readonly since: number,
  ) {}
}

/**
 * The message log between the water marks (TOCS '02 §4.3). Entries a little above the high water mark are kept, not
 * acted on: a primary whose marks moved first must not be ignored (trap 9).
 */
export class MessageLog {
  private readonly entries = new Map<SequenceNumber, LogEntry>();
  private low: SequenceNumber;

  constructor(lastStable: SequenceNumber) {
    this.low = lastStable;
  }

  /** h: the last stable checkpoint. */
  get lowWaterMark(): SequenceNumber {
    return this.low;
  }

  /** H = h + L. */
  get highWaterMark(): SequenceNumber {
    return this.low + Limits.logSize;
  }

  inWindow(sequence: SequenceNumber): boolean {
    return sequence > this.low && sequence <= this.highWaterMark;
  }

  /** Whether messages for this sequence number are recorded, though not necessarily acted on yet. */
  recordable(sequence: SequenceNumber): boolean {
    return sequence > this.low && sequence <= this.highWaterMark + Limits.checkpointInterval;
  }

  get(sequence: SequenceNumber): LogEntry | undefined {
    return this.entries.get(sequence);
  }

  entry(sequence: SequenceNumber, now: number): LogEntry {
    assert(
      this.recordable(sequence),
      `sequence number ${sequence} outside the log (${this.low}, ${this.highWaterMark}]`,
    );
    let entry = this.entries.get(sequence);
    if (entry === undefined) {
      entry = new LogEntry(sequence, now);
      this.entries.set(sequence, entry);
    }
    return entry;
  }

  /** Entries in order of their sequence numbers. */
  *inOrder(from: SequenceNumber = this.low + 1): Generator<LogEntry> {
    for (let sequence = from; sequence <= this.highWaterMark + Limits.checkpointInterval; sequence++) {
      const entry = this.entries.get(sequence);
      if (entry !== undefined) yield entry;
    }
  }

  /** Drops everything up to a checkpoint that became stable and moves the water marks. */
  advance(stable: SequenceNumber): void {
    assert(stable >= this.low, `water mark moved back from ${this.low} to ${stable}`);
    while (this.low < stable) this.entries.delete(++this.low);
  }

  get size(): number {
    return this.entries.size;
  }
}
