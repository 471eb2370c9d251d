import { assert } from '../limits.js';
import { type Core, isPrimary } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { LogEntry } from './log.js';
import type { Commit, PrePrepare, Prepare, ReplicaId, SequenceNumber, Timestamp } from './messages.js';
import { ProposalTimes } from './proposal-times.js';
import { laterTime } from './time.js';

/** The three phases: pre-prepare, prepare, commit (TOCS '02 §4.2). */
export class NormalCase {
  /** Last sequence number this replica proposed as primary, or knows to be taken. */
  private lastProposed: SequenceNumber = 0;
  private lastProposedTime: Timestamp = { seconds: 0, nanoseconds: 0 };
  private readonly times: ProposalTimes;

  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
    private readonly batchWindow: number,
    agreedTime: Timestamp,
  ) {
    this.times = new ProposalTimes(batchWindow, agreedTime);
  }

  /** A sequence number found in the journal: never assigned twice. */
  taken(sequence: SequenceNumber): void {
    this.lastProposed = Math.max(this.lastProposed, sequence);
  }

  /** Whether this replica is the primary, requests wait, and window and water marks allow another batch. */
  get mayPropose(): boolean {
    const { core, execution } = this;
    if (core.queue.empty || !isPrimary(core)) return false;
    this.taken(execution.lastExecuted);
    return this.lastProposed - execution.lastExecuted < this.batchWindow && core.log.inWindow(this.lastProposed + 1);
  }

  /** Primary: assigns the next sequence numbers to waiting requests. */
  propose(): void {
    const { core } = this;
    while (this.mayPropose) {
      const requests = core.queue.takeBatch();
      const time = laterTime(core.wallClock, this.lastProposedTime);
      this.lastProposedTime = time;
      const digest = core.authentication.batchDigest(time, requests);
      const sequence = ++this.lastProposed;
      const entry = core.log.entry(sequence, core.now);
      assert(entry.batch === undefined, `sequence number ${sequence} proposed twice`);
      entry.view = core.view;
      entry.batch = { time, requests, digest };
      entry.authentic = true;
      this.recordPrePrepared(entry);
      core.outbox.send('replicas', { kind: 'pre-prepare', view: core.view, sequence, batch: entry.batch });
      this.advance(entry);
    }
  }

  /** Backup: a proposal of the primary. */
  onPrePrepare(message: PrePrepare, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, batch } = message;
    if (view !== core.view) return core.outbox.reject('pre-prepare of another view');
    if (from !== core.configuration.primary(view)) return core.outbox.suspect(from, 'pre-prepare from a backup');
    if (!core.log.recordable(sequence)) return core.outbox.reject('pre-prepare outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (entry.view === view && entry.batch !== undefined) {
      if (!sameDigest(entry.batch.digest, batch.digest)) core.outbox.suspect(from, 'two pre-prepares for one number');
      return;
    }
    if (entry.committed !== undefined && !sameDigest(entry.committed, batch.digest)) {
      return core.outbox.suspect(from, 'pre-prepare against a committed batch');
    }
    if (entry.committed === undefined && !this.times.accept(batch.time, core.wallClock)) {
      return core.outbox.suspect(from, 'pre-prepare with a time far from mine');
    }
    entry.view = view;
    entry.batch = batch;
    entry.authentic = batch.requests.every(
      (request) => core.authentication.verifyRequestMac(request) || core.authentication.verifyRequestSignature(request),
    );
    this.acceptPrePrepare(entry);
  }

  /** Prepares once the batch is authentic, by our own check or by f+1 who prepared it, and within the water marks. */
  private acceptPrePrepare(entry: LogEntry): void {
    const { core } = this;
    const { batch, view, sequence } = entry;
    if (batch === undefined || entry.prePrepared || view !== core.view || !core.log.inWindow(sequence)) return;
    if (!entry.authentic && entry.prepares.count(view, batch.digest) < core.configuration.weakQuorum) return;
    entry.authentic = true;
    this.recordPrePrepared(entry);
    entry.prepares.add(core.configuration.id, view, batch.digest);
    core.outbox.send('replicas', { kind: 'prepare', view, sequence, digest: batch.digest });
    this.advance(entry);
  }

  private recordPrePrepared(entry: LogEntry): void {
    this.core.outbox.persist({ kind: 'pre-prepared', view: entry.view, sequence: entry.sequence, batch: entry.batch! });
    entry.prePrepared = true;
  }

  onPrepare(message: Prepare, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, digest } = message;
    if (view !== core.view) return core.outbox.reject('prepare of another view');
    if (from === core.configuration.primary(view)) return core.outbox.suspect(from, 'prepare from the primary');
    if (!core.log.recordable(sequence)) return core.outbox.reject('prepare outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (!entry.prepares.add(from, view, digest)) return;
    if (entry.prePrepared) this.advance(entry);
    else this.acceptPrePrepare(entry);
  }

  onCommit(message: Commit, from: ReplicaId): void {
    const { core } = this;
    const { view, sequence, digest } = message;
    if (view !== core.view) return core.outbox.reject('commit of another view');
    if (!core.log.recordable(sequence)) return core.outbox.reject('commit outside the water marks');
    const entry = core.log.entry(sequence, core.now);
    if (entry.commits.add(from, view, digest)) this.advance(entry);
  }

  /** Goes through the predicates prepared and committed-local (TOCS '02 §4.2) as far as the votes carry. */
  private advance(entry: LogEntry): void {
    const { core } = this;
    const { configuration, outbox } = core;
    const { batch, view, sequence } = entry;
    if (batch === undefined || !entry.prePrepared || view !== core.view) return;
    if (!entry.prepared && entry.prepares.count(view, batch.digest) >= 2 * configuration.f) {
      outbox.persist({ kind: 'prepared', view, sequence, digest: batch.digest });
      entry.prepared = true;
      entry.commits.add(configuration.id, view, batch.digest);
      outbox.send('replicas', { kind: 'commit', view, sequence, digest: batch.digest });
    }
    if (entry.prepared && !entry.committed && entry.commits.count(view, batch.digest) >= configuration.quorum) {
      entry.committed = batch.digest;
      this.execution.advance();
    }
  }

  /** The water marks moved: acts on what was only recorded. */
  onWaterMarksMoved(): void {
    for (const entry of this.core.log.inOrder()) if (!entry.prePrepared) this.acceptPrePrepare(entry);
  }
}
