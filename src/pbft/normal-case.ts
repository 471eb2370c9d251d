import { assert, Limits } from '../limits.js';
import { type Core, isDesignated, isPrimary, mayVote } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { LogEntry } from './log.js';
import type {
  Batch,
  Commit,
  Digest,
  PrePrepare,
  Prepare,
  ReplicaId,
  Request,
  SequenceNumber,
  Timestamp,
} from './messages.js';
import type { Selection } from './selection.js';
import { laterTime, millisecondsAfter } from './time.js';

/** The three phases: pre-prepare, prepare, commit (TOCS '02 §4.2). */
export class NormalCase {
  /** Last sequence number this replica proposed as primary, or knows to be taken. */
  private lastProposed: SequenceNumber = 0;
  private lastProposedTime: Timestamp = { seconds: 0, nanoseconds: 0 };
  /** Someone waits for sequence numbers up to here: they are given to batches of nothing, if nobody asks for anything. */
  private fillUpTo: SequenceNumber = 0;
  /** What the current view began with and has yet to be prepared here: digests by sequence number. */
  private readonly chosen = new Map<SequenceNumber, Digest>();
  /** The first sequence number that the primary of the current view assigns by itself. */
  private firstFree: SequenceNumber = 1;
  private readonly nullBatch: Batch;

  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
    private readonly batchWindow: number,
  ) {
    // The null request: it executes as nothing, and takes no time (TOCS '02 §4.4).
    const time = { seconds: 0, nanoseconds: 0 };
    this.nullBatch = { time, requests: [], digest: core.authentication.batchDigest(time, []) };
  }

  /** A sequence number found in the journal: never assigned twice. */
  taken(sequence: SequenceNumber): void {
    this.lastProposed = Math.max(this.lastProposed, sequence);
  }

  fill(sequence: SequenceNumber): void {
    this.fillUpTo = Math.max(this.fillUpTo, sequence);
  }

  /** Whether this replica is the primary, requests wait, and window and water marks allow another batch. */
  get mayPropose(): boolean {
    const { core, execution } = this;
    if ((core.queue.empty && this.lastProposed >= this.fillUpTo) || !isPrimary(core)) return false;
    this.taken(execution.lastCommitted);
    const next = this.lastProposed + 1;
    if (next - execution.lastExecuted > this.batchWindow || !core.log.inWindow(next)) return false;
    // Committed already: this replica's view is over, though it has not heard so yet.
    return core.log.get(next)?.committed === undefined;
  }

  /** Primary: assigns the next sequence numbers to waiting requests. */
  propose(): void {
    while (this.mayPropose) this.proposeBatch(this.core.queue.takeBatch());
  }

  private proposeBatch(requests: Request[]): void {
    const { core } = this;
    const time = laterTime(core.wallClock, this.lastProposedTime);
    this.lastProposedTime = time;
    const digest = core.authentication.batchDigest(time, requests);
    const sequence = ++this.lastProposed;
    const entry = core.log.entry(sequence, core.now);
    assert(entry.digest === undefined, 'no sequence number is proposed twice');
    const batch = { time, requests, digest };
    entry.propose(core.view, digest, batch, true);
    this.recordPrePrepared(entry, batch);
    core.outbox.send('replicas', { kind: 'pre-prepare', view: core.view, sequence, batch });
    this.advance(entry);
  }

  /** Backup: a proposal of the primary. */
  onPrePrepare(message: PrePrepare, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, batch } = message;
    if (view !== core.view || !core.active) return core.outbox.reject('pre-prepare of another view');
    if (from !== core.configuration.primary(view)) return core.outbox.suspect(from, 'pre-prepare from a backup');
    if (!core.log.recordable(sequence)) return core.outbox.reject('pre-prepare outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (entry.digest !== undefined) {
      if (!sameDigest(entry.digest, batch.digest)) core.outbox.suspect(from, 'two pre-prepares for one number');
      else if (entry.batch === undefined) this.supply(entry, batch);
      return;
    }
    if (sequence < this.firstFree) return core.outbox.suspect(from, 'pre-prepare against the new-view');
    if (entry.committed !== undefined && !sameDigest(entry.committed, batch.digest)) {
      return core.outbox.suspect(from, 'pre-prepare against a committed batch');
    }
    // What a new-view chose, or f+1 vouch for, is not judged by its time: it may be old (DESIGN 3.9).
    const skew = Math.abs(millisecondsAfter(batch.time, core.wallClock));
    if (entry.committed === undefined && skew > Limits.clockSkewMs) {
      return core.outbox.suspect(from, 'pre-prepare with a time far from mine');
    }
    const authentic = batch.requests.every(
      (request) => core.authentication.verifyRequestMac(request) || core.authentication.verifyRequestSignature(request),
    );
    entry.propose(view, batch.digest, batch, authentic);
    this.acceptPrePrepare(entry);
  }

  /** Prepares once the batch is authentic, by our own check or by f+1 who prepared it, and within the water marks. */
  private acceptPrePrepare(entry: LogEntry): void {
    const { core } = this;
    const { batch, view, sequence } = entry;
    if (!mayVote(core)) return this.observe(entry);
    if (batch === undefined || entry.prePrepared || !core.log.inWindow(sequence)) return;
    if (!entry.authentic && entry.prepares.count(view, batch.digest) < core.configuration.weakQuorum) return;
    entry.authentic = true;
    this.recordPrePrepared(entry, batch);
    if (!isDesignated(core)) {
      entry.prepares.add(core.configuration.id, view, batch.digest);
      core.outbox.send('replicas', { kind: 'prepare', view, sequence, digest: batch.digest });
    }
    this.advance(entry);
  }

  private recordPrePrepared(entry: LogEntry, batch: Batch): void {
    const { view, sequence } = entry;
    const { digest } = batch;
    const { outbox } = this.core;
    if (entry.putOnRecord(digest)) outbox.persist({ kind: 'pre-prepared', view, sequence, digest });
    else outbox.persist({ kind: 'pre-prepared', view, sequence, digest, batch });
    entry.prePrepared = true;
    entry.notePrePrepared(view, digest);
  }

  /** Votes of a view that has yet to begin here are recorded: they may have overtaken its new-view. */
  onPrepare(message: Prepare, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, digest } = message;
    if (view < core.view) return core.outbox.reject('prepare of an earlier view');
    if (from === core.configuration.primary(view)) return core.outbox.suspect(from, 'prepare from the primary');
    if (!core.log.recordable(sequence)) return core.outbox.reject('prepare outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (!entry.prepares.add(from, view, digest) || view !== entry.view) return;
    if (entry.prePrepared) this.advance(entry);
    else this.acceptPrePrepare(entry);
  }

  onCommit(message: Commit, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, digest } = message;
    if (view < core.view) return core.outbox.reject('commit of an earlier view');
    if (!core.log.recordable(sequence)) return core.outbox.reject('commit outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (entry.commits.add(from, view, digest) && view === entry.view) this.advance(entry);
  }

  /** Goes through the predicates prepared and committed-local (TOCS '02 §4.2) as far as the votes carry. */
  private advance(entry: LogEntry): void {
    const { core } = this;
    const { configuration, outbox } = core;
    const { batch, view, sequence } = entry;
    if (!mayVote(core)) return this.observe(entry);
    if (batch === undefined || !entry.prePrepared) return;
    const { digest } = batch;
    const nowPrepared = !entry.prepared && entry.prepares.count(view, digest) >= 2 * configuration.f;
    if (nowPrepared) {
      outbox.persist({ kind: 'prepared', view, sequence, digest });
      entry.prepared = true;
      entry.notePrepared(view, digest);
      entry.commits.add(configuration.id, view, digest);
      // Replies need no commits, if nothing comes after the batch; then COMMIT rides with the next batch's messages.
      const last = core.log.get(sequence + 1)?.digest === undefined;
      if (last && !this.execution.commitIsAwaited) outbox.defer({ kind: 'commit', view, sequence, digest });
      else outbox.send('replicas', { kind: 'commit', view, sequence, digest });
    }
    const nowCommitted =
      entry.prepared && entry.committed === undefined && entry.commits.count(view, digest) >= configuration.quorum;
    if (nowCommitted) entry.committed = digest;
    if (nowPrepared || nowCommitted) this.execution.advance();
  }

  /** Without a voice in this view: what 2f+1 others commit has committed all the same. */
  private observe(entry: LogEntry): void {
    const { batch, view, commits, committed } = entry;
    if (batch === undefined || committed !== undefined) return;
    if (commits.count(view, batch.digest) < this.core.configuration.quorum) return;
    entry.committed = batch.digest;
    this.execution.advance();
  }

  /** The water marks moved: acts on what was only recorded. */
  onWaterMarksMoved(): void {
    this.adoptChosen();
    for (const entry of this.core.log.inOrder()) this.acceptPrePrepare(entry);
  }

  /** The view ended: nothing is prepared until the next begins, and what was proposed in it is its P and Q. */
  leaveView(): void {
    this.core.outbox.sendDeferred();
    for (const entry of this.core.log.inOrder()) entry.leaveView();
    this.chosen.clear();
  }

  /** The view begins with what its view-changes chose: as if its primary had pre-prepared it (TOCS '02 §4.4). */
  enterView({ start, chosen }: Selection): void {
    this.firstFree = start + chosen.length + 1;
    this.lastProposed = this.firstFree - 1;
    for (let i = 0; i < chosen.length; i++) this.chosen.set(start + 1 + i, this.digestOf(chosen, i)!);
    this.adoptChosen();
  }

  /** Votes for what the view began with, as far as contents are held, and counts what a restart found on record. */
  resume(): void {
    for (const entry of this.core.log.inOrder()) {
      if (entry.prePrepared) this.advance(entry);
      else this.acceptPrePrepare(entry);
    }
  }

  /** Digest of what was chosen for the `index`th number of a new view; undefined beyond them all. */
  digestOf(chosen: Selection['chosen'], index: number): Digest | undefined {
    return index < chosen.length ? (chosen[index] ?? this.nullBatch.digest) : undefined;
  }

  /** Whether the content is held; that of the null request always is. */
  holds(entry: LogEntry, digest: Digest): boolean {
    return entry.held(digest) !== undefined || sameDigest(digest, this.nullBatch.digest);
  }

  private adoptChosen(): void {
    const { log, view, now, queue } = this.core;
    for (const [sequence, digest] of this.chosen) {
      if (log.recordable(sequence)) {
        const entry = log.entry(sequence, now);
        if (sameDigest(digest, this.nullBatch.digest)) entry.hold(this.nullBatch);
        // After a restart the journal may have had it.
        if (entry.digest === undefined) entry.propose(view, digest, entry.held(digest), true);
        for (const request of entry.batch?.requests ?? []) queue.reproposed(request);
      }
      if (log.inWindow(sequence) || sequence <= log.lowWaterMark) this.chosen.delete(sequence);
    }
  }

  /** The content of a batch that is proposed for the current view by its digest. */
  supply(entry: LogEntry, batch: Batch): void {
    if (entry.digest === undefined || entry.batch !== undefined || !sameDigest(entry.digest, batch.digest)) return;
    entry.hold(batch);
    entry.batch = batch;
    for (const request of batch.requests) this.core.queue.reproposed(request);
    this.acceptPrePrepare(entry);
  }
}
