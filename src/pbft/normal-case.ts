import { assert, Limits } from '../limits.js';
import { completed, isLarge, withNames } from './bodies.js';
import { type Core, firstSequence, isDesignated, isPrimary, mayVote } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { GroupRecovery } from './group-recovery.js';
import type { LogEntry } from './log.js';
import type {
  Batch,
  Commit,
  Digest,
  PrePrepare,
  Prepare,
  ProposedBatch,
  ReplicaId,
  Request,
  SequenceNumber,
  StartReport,
  Timestamp,
} from './messages.js';
import type { Selection } from './selection.js';
import { laterTime, millisecondsAfter } from './time.js';

/**
 * What a pre-prepare names and its client has not sent here is asked for once no large request has come for so many
 * ticks: as long as they do come it may be on its way, and to send it twice would make that longer. Ticks are counted,
 * not read off a clock: after a stall of our own only one is late, and what has come waits to be read. In any case after
 * `longestMs`, well within the time that a primary is given.
 */
const BodyTiming = { quietTicks: 3, longestMs: 400 } as const;
/** A client whose bodies a backup had to ask for is not relied on for so long: its requests go with the pre-prepare. */
const INLINE_MS = 10_000;

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
  /** Proposals for the current view that name requests which are not all here, and since when. */
  private readonly incomplete = new Map<SequenceNumber, { batch: ProposedBatch; since: number }>();
  /** Since the last large request came from its client, or something was found missing. */
  private quietTicks = 0;
  /** Clients whose requests this primary names to nobody, and until when. */
  private readonly inline = new Map<number, number>();

  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
    private readonly group: GroupRecovery,
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
    if (!core.decided || (core.queue.empty && this.lastProposed >= this.fillUpTo) || !isPrimary(core)) return false;
    this.taken(execution.lastCommitted);
    const next = this.lastProposed + 1;
    const { batching } = core.configuration.optimizations;
    if (batching && next - execution.lastExecuted > this.batchWindow) return false;
    if (!core.log.inWindow(next)) return false;
    // Committed already: this replica's view is over, though it has not heard so yet.
    return core.log.get(next)?.committed === undefined;
  }

  /** Primary: assigns the next sequence numbers to waiting requests. */
  propose(): void {
    const { queue, configuration } = this.core;
    if (!this.core.decided) return this.proposeStart();
    const most = configuration.optimizations.batching ? Limits.batchRequests : 1;
    while (this.mayPropose) this.proposeBatch(queue.takeBatch(most));
  }

  /** An incarnation begins with what its members report, and with nothing else. */
  private proposeStart(): void {
    if (!isPrimary(this.core) || this.core.outbox.silent || this.lastProposed >= firstSequence(this.core)) return;
    const reports = this.group.toPropose();
    if (reports !== undefined) this.proposeBatch([], reports);
  }

  private proposeBatch(requests: Request[], reports?: StartReport[]): void {
    const { core } = this;
    const { authentication } = core;
    const time = laterTime(core.wallClock, this.lastProposedTime);
    this.lastProposedTime = time;
    const reported = reports?.map((report) => ({ digest: authentication.reportDigest(report) })) ?? [];
    const digest = authentication.batchDigest(time, [...requests, ...reported]);
    const sequence = ++this.lastProposed;
    const entry = core.log.entry(sequence, core.now);
    assert(entry.digest === undefined, 'no sequence number is proposed twice');
    const batch: Batch = reports === undefined ? { time, requests, digest } : { time, requests, reports, digest };
    entry.propose(core.view, digest, batch, true);
    this.recordPrePrepared(entry, batch);
    const proposed = withNames(batch, (request) => this.isSeparate(request));
    core.outbox.send('replicas', { kind: 'pre-prepare', view: core.view, sequence, batch: proposed });
    this.advance(entry);
  }

  private isSeparate(request: Request): boolean {
    const { client } = request.session;
    return this.isNameable(request) && this.core.now >= (this.inline.get(client) ?? 0);
  }

  private isNameable(request: Request): boolean {
    return this.core.configuration.optimizations.separateRequests && isLarge(request);
  }

  /** For a replica that lacks the batch: large requests may have come there or be on their way, and are asked for if not. */
  toResend(batch: Batch): ProposedBatch {
    return withNames(batch, (request) => this.isNameable(request));
  }

  /** A backup asked for what this primary proposed: some client has not sent it what the pre-prepare named. */
  onBodiesMissed(batch: Batch): void {
    const { core } = this;
    for (const request of batch.requests) {
      if (isLarge(request)) this.inline.set(request.session.client, core.now + INLINE_MS);
    }
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
      else if (entry.batch === undefined) this.supplyOrAwait(entry, batch);
      return;
    }
    if (sequence < this.firstFree) return core.outbox.suspect(from, 'pre-prepare against the new-view');
    if (!this.hasItsPlace(sequence, batch)) return core.outbox.suspect(from, 'pre-prepare in the place of another');
    if (entry.committed !== undefined && !sameDigest(entry.committed, batch.digest)) {
      return core.outbox.suspect(from, 'pre-prepare against a committed batch');
    }
    // What a new-view chose, or f+1 vouch for, is not judged by its time: it may be old (DESIGN 3.9).
    const skew = Math.abs(millisecondsAfter(batch.time, core.wallClock));
    if (entry.committed === undefined && skew > Limits.clockSkewMs) {
      return core.outbox.reject('pre-prepare with a time far from mine');
    }
    const whole = this.complete(batch);
    entry.propose(view, batch.digest, whole, whole !== undefined && this.isAuthentic(whole));
    if (whole !== undefined) return this.acceptPrePrepare(entry);
    this.awaitBodies(sequence, batch);
    // Their clients are waited for first, unless it is known to be late.
    if (entry.committed === undefined) entry.wanted = undefined;
  }

  /** Reports stand in the first batch of a later incarnation, where nothing else does. */
  private hasItsPlace(sequence: SequenceNumber, { requests, reports }: ProposedBatch): boolean {
    const { core } = this;
    if (core.incarnation === 0 || sequence > firstSequence(core)) return reports === undefined;
    return requests.length === 0 && this.group.admits(reports);
  }

  private isAuthentic({ requests }: Batch): boolean {
    const { core } = this;
    return requests.every(
      (request) => core.authentication.verifyRequestMac(request) || core.authentication.verifyRequestSignature(request),
    );
  }

  private supplyOrAwait(entry: LogEntry, proposed: ProposedBatch): void {
    this.supply(entry, proposed);
    if (entry.batch === undefined && !this.incomplete.has(entry.sequence)) this.awaitBodies(entry.sequence, proposed);
  }

  private awaitBodies(sequence: SequenceNumber, batch: ProposedBatch): void {
    this.incomplete.set(sequence, { batch, since: this.core.now });
    this.quietTicks = 0;
  }

  /** What comes next may be of a client that this batch registered: only now can its requests be known for its own. */
  onCommitted(sequence: SequenceNumber): void {
    const next = this.core.log.get(sequence + 1);
    if (next?.batch === undefined || next.digest === undefined || next.authentic) return;
    if (!this.isAuthentic(next.batch)) return;
    next.authentic = true;
    this.acceptPrePrepare(next);
  }

  /** With what clients have sent here themselves. */
  private complete(batch: ProposedBatch): Batch | undefined {
    const { bodies, queue } = this.core;
    return completed(batch, (digest) => bodies.find(digest) ?? queue.find(digest));
  }

  /** A client's request is here: perhaps the one that a proposal waits for. */
  onBody(request: Request): void {
    const { digest } = request;
    if (isLarge(request)) this.quietTicks = 0;
    for (const [sequence, { batch }] of this.incomplete) {
      const entry = this.core.log.get(sequence);
      if (entry === undefined || !batch.requests.some((each) => sameDigest(each.digest, digest))) continue;
      this.supply(entry, batch);
      this.execution.advance();
    }
  }

  /** Whether contents are to be asked for that did not come from their clients in time. */
  wantLate(): boolean {
    const { now } = this.core;
    const quiet = ++this.quietTicks >= BodyTiming.quietTicks;
    let late = false;
    for (const [sequence, { since }] of this.incomplete) {
      const entry = this.core.log.get(sequence);
      // What has committed is asked for anyway.
      const done = entry?.digest === undefined || entry.batch !== undefined || entry.committed !== undefined;
      if (done) this.incomplete.delete(sequence);
      else if (entry.wanted === undefined && (quiet || now - since >= BodyTiming.longestMs)) {
        entry.wanted = entry.digest;
        late = true;
      }
    }
    return late;
  }

  /** Prepares once the batch is authentic, by our own check or by f+1 who prepared it, and within the water marks. */
  private acceptPrePrepare(entry: LogEntry): void {
    const { core } = this;
    const { batch, view, sequence } = entry;
    if (!mayVote(core)) return this.observe(entry);
    if (batch === undefined || entry.prePrepared || !core.log.inWindow(sequence)) return;
    // Only then no later batch can prepare, and a view change leave a gap, before it is known where the incarnation begins.
    if (!core.decided && sequence > firstSequence(core)) return;
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
      const { deferredCommits, tentativeExecution } = configuration.optimizations;
      // Replies need no commits, if nothing comes after the batch; then COMMIT rides with the next batch's messages.
      const last = core.log.get(sequence + 1)?.digest === undefined;
      const mayWait = last && deferredCommits && tentativeExecution;
      if (mayWait && !this.execution.commitIsAwaited) outbox.defer({ kind: 'commit', view, sequence, digest });
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
    this.incomplete.clear();
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

  /**
   * Whether a batch that is wanted there may be taken from another replica. Where it is only proposed, a copy whose
   * requests do not prove whose they are would be in the way of a good one.
   */
  mayTake(entry: LogEntry, batch: Batch): boolean {
    const { view, digest } = entry;
    if (digest === undefined || !sameDigest(digest, batch.digest)) return true;
    if (entry.committed !== undefined && sameDigest(entry.committed, digest)) return true;
    const vouched = entry.prepares.count(view, digest) >= this.core.configuration.weakQuorum;
    entry.authentic ||= vouched || this.isAuthentic(batch);
    return entry.authentic;
  }

  /** The content of a batch that is proposed for the current view by its digest, with what it names found here. */
  supply(entry: LogEntry, proposed: ProposedBatch): void {
    if (entry.digest === undefined || entry.batch !== undefined || !sameDigest(entry.digest, proposed.digest)) return;
    const batch = this.complete(proposed);
    if (batch === undefined || !this.mayTake(entry, batch)) return;
    this.incomplete.delete(entry.sequence);
    entry.hold(batch);
    entry.batch = batch;
    for (const request of batch.requests) this.core.queue.reproposed(request);
    this.acceptPrePrepare(entry);
  }
}
