import { assert, Limits } from '../limits.js';
import { sameDigest } from './digests.js';
import type { Batch, Digest, SequenceNumber, View } from './messages.js';
import { Votes } from './votes.js';

/** A digest, and the view in which this replica pre-prepared it or saw it prepared. */
export interface Voted {
  view: View;
  digest: Digest;
}

/** What the replica knows about one sequence number. */
export class LogEntry {
  /** View of the accepted proposal; −1 where there is none in the current view. */
  view: View = -1;
  /** What it proposes: of a batch that a new-view chose, the content may be missing yet. */
  digest: Digest | undefined;
  batch: Batch | undefined;
  /** Whether every request of the batch is known to come from its client (DESIGN 3.5). */
  authentic = false;
  /** The pre-prepare is on record, and PREPARE was (or, at the primary, need not be) sent. */
  prePrepared = false;
  /** The prepared certificate is on record and COMMIT was (or soon is) sent. */
  prepared = false;
  /** Digest known to be committed here: by 2f+1 commits, or by f+1 COMMITTED. */
  committed: Digest | undefined;
  readonly prepares = new Votes();
  readonly commits = new Votes();
  /** COMMITTED messages, which hold in every view. */
  readonly attested = new Votes();
  /** This number's element of P: the last batch that prepared here (TOCS '02 §4.5). */
  lastPrepared: Voted | undefined;
  /** Its elements of Q: each digest once, with the latest view it pre-prepared in here. */
  everPrePrepared: Voted[] = [];
  /** What prepared here last as far as is on record, where later votes may be missing: a hint, and no vote. */
  hinted: Digest | undefined;
  /** A digest whose content is missing here and asked for. */
  wanted: Digest | undefined;
  /** Contents of what was proposed or is to be, and which of them the journal has. */
  private contents: { batch: Batch; onRecord: boolean }[] = [];

  constructor(
    readonly sequence: SequenceNumber,
    /** Time in ms at which the entry came to be, so that only what is overdue is asked for again. */
    readonly since: number,
  ) {}

  /** A proposal for the current view. */
  propose(view: View, digest: Digest, batch: Batch | undefined, authentic: boolean): void {
    this.view = view;
    this.digest = digest;
    this.batch = batch;
    this.authentic = authentic;
    this.prePrepared = false;
    this.prepared = false;
    if (batch !== undefined) this.hold(batch);
    else this.wanted = digest;
  }

  /** The view has ended: what was proposed in it, and no more than proposed, is nothing. */
  leaveView(): void {
    this.view = -1;
    this.digest = undefined;
    this.batch = undefined;
    this.prePrepared = false;
    this.prepared = false;
    this.wanted = this.decided === undefined ? this.committed : undefined;
  }

  /** Keeps a content, to be found by its digest. */
  hold(batch: Batch): void {
    if (this.held(batch.digest) === undefined) this.contents.push({ batch, onRecord: false });
    if (this.wanted !== undefined && sameDigest(this.wanted, batch.digest)) this.wanted = undefined;
  }

  /** A content found in the journal. */
  restoreContent(batch: Batch): void {
    this.hold(batch);
    this.putOnRecord(batch.digest);
  }

  held(digest: Digest): Batch | undefined {
    return this.content(digest)?.batch;
  }

  private content(digest: Digest): { batch: Batch; onRecord: boolean } | undefined {
    return this.contents.find(({ batch }) => sameDigest(batch.digest, digest));
  }

  /** Whether the journal has that content; it has from now on. */
  putOnRecord(digest: Digest): boolean {
    const content = this.content(digest);
    assert(content !== undefined, 'only a content that is held is put on record');
    const { onRecord } = content;
    content.onRecord = true;
    return onRecord;
  }

  /** The batch that committed here, if its content is held. */
  get decided(): Batch | undefined {
    return this.committed && this.held(this.committed);
  }

  notePrePrepared(view: View, digest: Digest): void {
    this.everPrePrepared = this.everPrePrepared.filter((voted) => !sameDigest(voted.digest, digest));
    this.everPrePrepared.push({ view, digest });
  }

  notePrepared(view: View, digest: Digest): void {
    if (this.lastPrepared === undefined || this.lastPrepared.view < view) this.lastPrepared = { view, digest };
  }

  /**
   * The elements of P and Q. What committed here is the only batch that ever can, so it is told of as if it had prepared
   * here in view 0 at least, though it be only known from others: votes may be forgotten elsewhere, and this replica may
   * have said that it is on its disk (DESIGN 3.11).
   */
  get votesToTell(): { lastPrepared: Voted | undefined; everPrePrepared: readonly Voted[] } {
    const { committed, lastPrepared, everPrePrepared } = this;
    if (committed === undefined) return { lastPrepared, everPrePrepared };
    const isCommitted = ({ digest }: Voted): boolean => sameDigest(digest, committed);
    const prepared = lastPrepared !== undefined && isCommitted(lastPrepared) ? lastPrepared : undefined;
    const told = prepared ?? { view: 0, digest: committed };
    return { lastPrepared: told, everPrePrepared: [everPrePrepared.find(isCommitted) ?? told] };
  }

  /**
   * A valid new-view for `view` chose `chosen` here, or nothing: no other batch committed at this number below that view,
   * and none will. What was pre-prepared or prepared of others need not be told of any more: this bounds Q to two
   * digests a sequence number, that which the last new-view chose and that which was proposed after it.
   */
  settle(view: View, chosen: Digest | undefined): void {
    const moot = (voted: Voted): boolean =>
      voted.view < view && !(chosen !== undefined && sameDigest(voted.digest, chosen));
    if (this.lastPrepared !== undefined && moot(this.lastPrepared)) this.lastPrepared = undefined;
    this.everPrePrepared = this.everPrePrepared.filter((voted) => !moot(voted));
    const needed = [this.digest, this.committed, chosen, this.lastPrepared?.digest];
    for (const { digest } of this.everPrePrepared) needed.push(digest);
    this.contents = this.contents.filter(({ batch }) => needed.some((each) => each && sameDigest(each, batch.digest)));
  }
}

/** Entries a little above the high water mark are kept, not acted on: a primary whose marks moved first (trap 9). */
const recordedLength = (): number => Limits.logSize + Limits.checkpointInterval;

/**
 * The message log between the water marks (TOCS '02 §4.3). A replica that lags has two windows: that above its own state,
 * which it catches up in, and that above the last stable checkpoint, in which the others work and it votes with them.
 * What lies between them has committed everywhere and is theirs to attest.
 */
export class MessageLog {
  private readonly entries = new Map<SequenceNumber, LogEntry>();

  /**
   * @param low all up to here is in the state, and in a stable checkpoint
   * @param stable the last stable checkpoint known; at least `low`
   */
  constructor(
    private low: SequenceNumber,
    private stable: SequenceNumber,
  ) {
    assert(stable >= low, 'the log begins at or below a stable checkpoint');
  }

  /** Where the log begins: h, or this replica's own state where that is behind it. */
  get lowWaterMark(): SequenceNumber {
    return this.low;
  }

  /** Whether this replica votes for that number. */
  inWindow(sequence: SequenceNumber): boolean {
    return this.within(sequence, Limits.logSize);
  }

  /** Whether messages for this sequence number are recorded, though not necessarily acted on yet. */
  recordable(sequence: SequenceNumber): boolean {
    return this.within(sequence, recordedLength());
  }

  private within(sequence: SequenceNumber, length: number): boolean {
    if (sequence <= this.low) return false;
    return sequence <= this.low + length || (sequence > this.stable && sequence <= this.stable + length);
  }

  get(sequence: SequenceNumber): LogEntry | undefined {
    return this.entries.get(sequence);
  }

  entry(sequence: SequenceNumber, now: number): LogEntry {
    assert(this.recordable(sequence), 'a log entry lies between the water marks, or a little above');
    let entry = this.entries.get(sequence);
    if (entry === undefined) {
      entry = new LogEntry(sequence, now);
      this.entries.set(sequence, entry);
    }
    return entry;
  }

  /** Entries in order of their sequence numbers. */
  *inOrder(from: SequenceNumber = this.low + 1): Generator<LogEntry> {
    const length = recordedLength();
    for (let sequence = Math.max(from, this.low + 1); sequence <= this.stable + length; sequence++) {
      if (sequence > this.low + length && sequence <= this.stable) sequence = this.stable + 1;
      const entry = this.entries.get(sequence);
      if (entry !== undefined) yield entry;
    }
  }

  /** Drops what is below the new marks, and moves them. */
  advance(low: SequenceNumber, stable: SequenceNumber): void {
    assert(low >= this.low && stable >= this.stable && low <= stable, 'water marks only rise');
    this.low = low;
    this.stable = stable;
    for (const sequence of this.entries.keys()) if (!this.recordable(sequence)) this.entries.delete(sequence);
  }

  get size(): number {
    return this.entries.size;
  }
}
