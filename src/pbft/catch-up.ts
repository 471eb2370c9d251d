import { Limits } from '../limits.js';
import type { Checkpointing } from './checkpointing.js';
import { type Core, isDesignated } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { Flushing } from './flushing.js';
import type { GroupRecovery } from './group-recovery.js';
import { incarnationOf, startOf } from './incarnation.js';
import type { LogEntry } from './log.js';
import type { Batch, BatchData, Committed, Digest, FetchBatch, ReplicaId, SequenceNumber, Status } from './messages.js';
import type { NormalCase } from './normal-case.js';
import type { History } from './ports.js';
import type { ViewChanges } from './view-change.js';

const CatchUpLimits = {
  /** Status goes out this often while something is overdue, and this often at rest. */
  busyMs: 150,
  idleMs: 1000,
  /** Batches asked for and not yet there; one is asked for again elsewhere after `refetchMs`. */
  fetchesUnderWay: 64,
  refetchMs: 300,
  /** Bytes of batches, and COMMITTED messages, sent to one replica between two ticks: it may be asking for nothing. */
  servedBytesPerTick: 16 * 1024 * 1024,
  attestedPerTick: 1024,
} as const;

interface Rooms {
  execution: Execution;
  checkpointing: Checkpointing;
  viewChanges: ViewChanges;
  normalCase: NormalCase;
  flushing: Flushing;
  group: GroupRecovery;
}

interface Fetch {
  askedAt: number;
  attempt: number;
  /** Those asked who have not answered: each is heard once, since it costs something to see that an answer is no good. */
  asked: Set<ReplicaId>;
}

/**
 * Makes up for lost messages and lost time without a view change (TOCS '02 §5.2, DESIGN 3.10): each replica says
 * what it has, and each sends what the other lacks of its own messages, or its word for what has committed.
 */
export class CatchUp {
  private readonly execution: Execution;
  private readonly checkpointing: Checkpointing;
  private readonly viewChanges: ViewChanges;
  private readonly normalCase: NormalCase;
  private readonly flushing: Flushing;
  private readonly group: GroupRecovery;
  private readonly peerExecuted: SequenceNumber[] = [];
  private readonly fetches = new Map<SequenceNumber, Fetch>();
  private servedBytes: number[] = [];
  private attested: number[] = [];
  private lastStatusAt = Number.NEGATIVE_INFINITY;
  private committedAtLastStatus = -1;

  constructor(
    private readonly core: Core,
    { execution, checkpointing, viewChanges, normalCase, flushing, group }: Rooms,
    private readonly history: History,
  ) {
    this.execution = execution;
    this.checkpointing = checkpointing;
    this.viewChanges = viewChanges;
    this.normalCase = normalCase;
    this.flushing = flushing;
    this.group = group;
  }

  /** What f+1 others have executed, at least one of them correct: this replica can get there. */
  private get target(): SequenceNumber {
    const executed = [...this.peerExecuted].map((sequence) => sequence ?? 0).sort((a, b) => b - a);
    return Math.max(executed[this.core.configuration.f] ?? 0, this.checkpointing.certified);
  }

  get behind(): boolean {
    return this.target > this.execution.lastCommitted + Limits.batchWindow;
  }

  tick(): void {
    const { core } = this;
    this.servedBytes = [];
    this.attested = [];
    for (const [sequence, fetch] of this.fetches) {
      const entry = core.log.get(sequence);
      if (entry?.wanted === undefined) this.fetches.delete(sequence);
      else if (core.now - fetch.askedAt >= CatchUpLimits.refetchMs) this.ask(entry, entry.wanted);
    }
    if (this.normalCase.wantLate()) this.fetch();
    const interval = this.overdue() ? CatchUpLimits.busyMs : CatchUpLimits.idleMs;
    if (core.now - this.lastStatusAt >= interval) this.sendStatus();
  }

  /** Something this replica should have executed by now. */
  private overdue(): boolean {
    const { lastCommitted } = this.execution;
    if (this.target > lastCommitted) return true;
    if (!this.core.active || this.core.recovering || this.viewChanges.dissatisfied || this.flushing.overdue)
      return true;
    const next = this.core.log.get(lastCommitted + 1);
    return next !== undefined && this.core.now - next.since >= CatchUpLimits.busyMs;
  }

  /** Asks everyone at once, e.g. after a link came up. */
  sendStatus(): void {
    const { core, execution } = this;
    this.lastStatusAt = core.now;
    this.committedAtLastStatus = execution.lastCommitted;
    const missing: Status['missing'] = [];
    for (const entry of core.log.inOrder(execution.lastCommitted + 1)) {
      if (missing.length >= Limits.statusEntries) break;
      if (entry.committed === undefined) {
        missing.push({ sequence: entry.sequence, batch: entry.batch !== undefined, prepared: entry.prepared });
      }
    }
    core.outbox.send('replicas', {
      kind: 'status',
      view: core.view,
      active: core.active,
      dissatisfied: this.viewChanges.dissatisfied,
      viewChanges: this.viewChanges.mask,
      lastStable: this.checkpointing.certified,
      lastExecuted: execution.lastCommitted,
      lastFlushed: this.flushing.certified,
      recovering: core.recovering || core.proactive,
      awaited: core.awaited,
      missing,
    });
  }

  onStatus(status: Status, from: ReplicaId): void {
    const { core, execution } = this;
    this.peerExecuted[from] = status.lastExecuted;
    this.checkpointing.resend(from, status.lastStable);
    this.flushing.resend(from, status.lastFlushed);
    const incarnation = incarnationOf(status.view);
    // What committed there is history, and not all of it came to stay.
    if (incarnation !== core.incarnation) return this.group.help(from, incarnation);
    const after = Math.max(status.lastExecuted, startOf(incarnation));
    const upTo = Math.min(execution.lastCommitted, after + Limits.statusEntries);
    for (let sequence = after + 1; sequence <= upTo; sequence++) {
      const digest = core.log.get(sequence)?.committed ?? this.digestInHistory(sequence);
      if (digest !== undefined && this.mayAttest(from)) core.outbox.send(from, { kind: 'committed', sequence, digest });
    }
    this.viewChanges.onComplaint(from, status);
    this.viewChanges.help(from, status.view, status.active, status.viewChanges);
    if (status.view !== core.view || !core.active) return;
    const named = new Set<SequenceNumber>();
    for (const { sequence, batch, prepared } of status.missing) {
      named.add(sequence);
      const entry = core.log.get(sequence);
      if (entry !== undefined) this.resend(entry, from, !batch, !prepared);
    }
    for (const entry of core.log.inOrder(Math.max(status.lastExecuted, execution.lastCommitted) + 1)) {
      if (!named.has(entry.sequence)) this.resend(entry, from, true, true);
    }
  }

  /** This replica's own messages for one sequence number. */
  private resend(entry: LogEntry, to: ReplicaId, batch: boolean, prepare: boolean): void {
    const { core } = this;
    const { view, sequence } = entry;
    if (entry.batch === undefined || !entry.prePrepared) return;
    const { digest } = entry.batch;
    const primary = isDesignated(core);
    if (primary && batch && this.mayServe(to, entry.batch)) {
      core.outbox.send(to, { kind: 'pre-prepare', view, sequence, batch: this.normalCase.toResend(entry.batch) });
    }
    if (!primary && prepare) core.outbox.send(to, { kind: 'prepare', view, sequence, digest });
    if (entry.prepared) core.outbox.send(to, { kind: 'commit', view, sequence, digest });
  }

  onCommitted(message: Committed, from: ReplicaId): void {
    const { core } = this;
    const { sequence, digest } = message;
    if (sequence <= this.execution.lastCommitted || !core.log.recordable(sequence)) return;
    const entry = core.log.entry(sequence, core.now);
    entry.attested.add(from, 0, digest);
    if (entry.committed === undefined) {
      if (entry.attested.count(0, digest) < core.configuration.weakQuorum) return;
      entry.committed = digest;
      if (entry.decided === undefined) entry.wanted = digest;
    }
    this.advance();
  }

  /** Asks for what is missing, as far as there are places. */
  fetch(): void {
    for (const entry of this.core.log.inOrder()) {
      if (this.fetches.size >= CatchUpLimits.fetchesUnderWay) break;
      if (entry.wanted !== undefined && !this.fetches.has(entry.sequence)) this.ask(entry, entry.wanted);
    }
  }

  private ask({ sequence, attested, view }: LogEntry, digest: Digest): void {
    const { core } = this;
    const { attempt: last, asked } = this.fetches.get(sequence) ?? { attempt: -1, asked: new Set<ReplicaId>() };
    const attempt = last + 1;
    this.fetches.set(sequence, { askedAt: core.now, attempt, asked });
    // Those who said so first, in turn; different sequence numbers start at different ones.
    const others = Array.from({ length: core.configuration.n }, (_, id) => id).filter(
      (id) => id !== core.configuration.id,
    );
    const witnesses = others.filter((id) => attested.has(id, 0));
    const sources = witnesses.length > core.configuration.f ? witnesses : others;
    if (sources.length === 0) return;
    const proposer = core.configuration.primary(Math.max(view, 0));
    // Whoever proposed it has it, if it is correct.
    const first = attempt === 0 && view >= 0 && sources === others && proposer !== core.configuration.id;
    const to = first ? proposer : sources[(sequence + attempt) % sources.length];
    asked.add(to);
    core.outbox.send(to, { kind: 'fetch-batch', sequence, digest });
  }

  onFetchBatch({ sequence, digest }: FetchBatch, from: ReplicaId): void {
    const batch = this.heldBatch(sequence, digest);
    if (batch === undefined || !this.mayServe(from, batch)) return this.core.outbox.reject('fetch of a batch not held');
    this.core.outbox.send(from, { kind: 'batch-data', sequence, batch });
    if (this.core.log.get(sequence)?.batch === batch && isDesignated(this.core)) this.normalCase.onBodiesMissed(batch);
  }

  /** From the log, or else read back from the history. */
  private heldBatch(sequence: SequenceNumber, digest: Digest): Batch | undefined {
    return this.core.log.get(sequence)?.held(digest) ?? this.history.batch(sequence, digest);
  }

  /** Of what a state transfer brought, the history may have what was prepared there, and not what committed. */
  private digestInHistory(sequence: SequenceNumber): Digest | undefined {
    return this.execution.executedHere(sequence) ? this.history.digest(sequence) : undefined;
  }

  onBatchData({ sequence, batch }: BatchData, from: ReplicaId): void {
    const entry = this.core.log.get(sequence);
    if (entry?.wanted === undefined || !this.fetches.get(sequence)?.asked.delete(from)) return;
    if (!sameDigest(batch.digest, entry.wanted)) {
      return this.core.outbox.suspect(from, 'batch that is not the one asked for');
    }
    if (!this.normalCase.mayTake(entry, batch)) {
      return this.core.outbox.reject('batch whose requests do not prove whose they are');
    }
    this.fetches.delete(sequence);
    entry.hold(batch);
    this.normalCase.supply(entry, batch);
    this.viewChanges.beginIfComplete();
    this.advance();
  }

  private advance(): void {
    this.execution.advance();
    this.fetch();
    const { core, execution } = this;
    // All that was attested is done and there is more: go on at once rather than at the next tick. But not after each batch,
    // whose attestations come one by one: every STATUS has all be sent again that is above it.
    const next = core.log.get(execution.lastCommitted + 1);
    const far = this.committedAtLastStatus + Limits.statusEntries / 2;
    if (next?.committed === undefined && this.behind && execution.lastCommitted >= far) this.sendStatus();
  }

  private mayAttest(to: ReplicaId): boolean {
    this.attested[to] = (this.attested[to] ?? 0) + 1;
    return this.attested[to] <= CatchUpLimits.attestedPerTick;
  }

  private mayServe(to: ReplicaId, batch: Batch): boolean {
    const bytes = batch.requests.reduce((sum, request) => sum + request.body.length, 0);
    this.servedBytes[to] = (this.servedBytes[to] ?? 0) + bytes;
    return this.servedBytes[to] <= CatchUpLimits.servedBytesPerTick;
  }
}
