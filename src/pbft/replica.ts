import { assert } from '../limits.js';
import { Bodies } from './bodies.js';
import { CatchUp } from './catch-up.js';
import { Checkpointing } from './checkpointing.js';
import type { Configuration } from './configuration.js';
import { type Core, isDesignated } from './core.js';
import { DigestChain } from './digest-chain.js';
import { Execution } from './execution.js';
import { Flushing } from './flushing.js';
import { type LogEntry, MessageLog } from './log.js';
import type { Digest, ReplicaId, ReplicaMessage, Request, SequenceNumber, Timestamp, View } from './messages.js';
import { NormalCase } from './normal-case.js';
import type { Authentication, History, JournalRecord, ReplicatedState } from './ports.js';
import { Outbox, type Ready } from './ready.js';
import { Recovery } from './recovery.js';
import { RequestQueue } from './request-queue.js';
import { RequestTimer } from './request-timer.js';
import { Requests } from './requests.js';
import { StateTransfers } from './state-transfer.js';
import type { TransferProgress } from './transfer-ports.js';
import { ViewChanges } from './view-change.js';

export interface ReplicaOptions {
  configuration: Configuration;
  authentication: Authentication;
  state: ReplicatedState;
  history: History;
  /** What the journal held, in the order it was written; empty for a new replica. */
  recovered: readonly JournalRecord[];
  /** Whether `persist` is flushed before anything is sent (DESIGN 3.11). */
  synced: boolean;
  /** A number that no earlier process of this replica was given. */
  life: number;
  /** Batches proposed and not yet executed. */
  batchWindow: number;
}

/** How a replica is, as far as it knows itself. */
export interface ReplicaDescription {
  view: number;
  lastExecuted: SequenceNumber;
  stableCheckpoint: SequenceNumber;
  /** Hex; null before the first checkpoint. */
  stateRoot: string | null;
  state: 'normal' | 'view-change' | 'recovering' | 'transferring';
  /** Of the state transfer under way. */
  transfer: (TransferProgress & { sequence: SequenceNumber }) | null;
  /** Of all those that were installed since the start. */
  transferred: { transfers: number; rows: number; nodes: number; bytes: number };
  logEntries: number;
  rejected: Record<string, number>;
  suspicions: { replica: ReplicaId; why: string }[];
}

/**
 * A replica as a pure state machine: messages and time go in, effects come out, and nothing else happens. Whoever
 * drives it carries out each `Ready` in the order its contract says before the next message goes in.
 */
export class Replica {
  private readonly core: Core;
  private readonly execution: Execution;
  private readonly requests: Requests;
  private readonly normalCase: NormalCase;
  private readonly checkpointing: Checkpointing;
  private readonly chain: DigestChain;
  private readonly flushing: Flushing;
  private readonly recovery: Recovery;
  private readonly viewChanges: ViewChanges;
  private readonly catchUp: CatchUp;
  private readonly timer: RequestTimer;
  private readonly transfers: StateTransfers;

  constructor(options: ReplicaOptions) {
    const { configuration, authentication, state, history } = options;
    this.core = {
      configuration,
      authentication,
      outbox: new Outbox(),
      log: logAtStart(options),
      queue: new RequestQueue(),
      bodies: new Bodies(),
      view: 0,
      active: true,
      recovering: false,
      awaited: 0,
      votesFrom: 0,
      now: 0,
      wallClock: { seconds: 0, nanoseconds: 0 },
    };
    this.timer = new RequestTimer(this.core);
    this.chain = new DigestChain(authentication);
    this.flushing = new Flushing(this.core, this.chain, options.synced, (upTo) => this.normalCase.fill(upTo));
    this.execution = new Execution(this.core, state, this.flushing, (sequence, digest, attested) => {
      this.checkpointing.onCommitted(sequence);
      this.chain.extend(sequence, digest, this.checkpointing.digestAt(sequence));
      this.flushing.onCommitted(sequence);
      this.timer.onCommitted(attested);
    });
    this.checkpointing = new Checkpointing(
      this.core,
      state,
      () => this.execution,
      () => this.normalCase.onWaterMarksMoved(),
    );
    this.requests = new Requests(this.core, this.execution, this.timer, (request) => this.normalCase.onBody(request));
    this.normalCase = new NormalCase(this.core, this.execution, options.batchWindow);
    const { execution, checkpointing, normalCase, requests, timer } = this;
    this.viewChanges = new ViewChanges(this.core, {
      ...{ execution, checkpointing, normalCase, requests, timer },
      fetch: () => this.catchUp.fetch(),
      sendStatus: () => this.catchUp.sendStatus(),
    });
    this.transfers = new StateTransfers(this.core, state, execution, checkpointing, (sequence, stateDigest) =>
      this.onInstalled(sequence, stateDigest),
    );
    this.recovery = new Recovery(this.core, execution, checkpointing, normalCase, options.life, () => {
      normalCase.resume();
      requests.dropSettled();
      timer.enteredView();
    });
    const { flushing } = this;
    this.catchUp = new CatchUp(this.core, execution, checkpointing, this.viewChanges, normalCase, flushing, history);
    this.restore(options);
  }

  /** A message from another replica, whose identity the link vouches for. */
  receive(message: ReplicaMessage, from: ReplicaId): void {
    assert(
      from !== this.core.configuration.id && from < this.core.configuration.n,
      'messages come from other replicas',
    );
    switch (message.kind) {
      case 'request':
        return this.requests.onRelayedRequest(message, from);
      case 'pre-prepare':
        return this.normalCase.onPrePrepare(message, from);
      case 'prepare':
        return this.normalCase.onPrepare(message, from);
      case 'commit':
        return this.normalCase.onCommit(message, from);
      case 'checkpoint':
        return this.checkpointing.onCheckpoint(message, from);
      case 'status':
        this.recovery.onStatus(message, from);
        return this.catchUp.onStatus(message, from);
      case 'committed':
        return this.catchUp.onCommitted(message, from);
      case 'fetch-batch':
        return this.catchUp.onFetchBatch(message, from);
      case 'batch-data':
        return this.catchUp.onBatchData(message, from);
      case 'view-change':
        return this.viewChanges.onViewChange(message, from);
      case 'new-view':
        return this.viewChanges.onNewView(message, from);
      case 'fetch-state':
        return this.transfers.onFetchState(message, from);
      case 'state-data':
        return this.transfers.onStateData(message, from);
      case 'flushed':
        return this.flushing.onFlushed(message, from);
      case 'flushed-certificate':
        return this.flushing.onCertificate(message, from);
      case 'query-stable':
        return this.recovery.onQuery(message, from);
      case 'reply-stable':
        return this.recovery.onReply(message, from);
    }
  }

  /** A request on a client's own link; `client` is whom the link authenticates. */
  receiveFromClient(request: Request, client: number): void {
    this.requests.onClientRequest(request, client);
  }

  /** All that was persisted up to the turn whose `Ready.flush` was that number is on stable storage. */
  flushed(flush: number): void {
    this.flushing.flushed(flush);
  }

  /** A link to that replica came up: tells it, with the others, how far this one is. */
  linkUp(_replica: ReplicaId): void {
    this.catchUp.sendStatus();
  }

  /**
   * The only way in for time.
   * @param now milliseconds on a monotonic clock
   * @param wallClock the machine's idea of the time of day at `now`
   */
  advanceClock(now: number, wallClock: Timestamp): void {
    this.core.now = now;
    this.core.wallClock = wallClock;
  }

  /** Does what is due by the clock; to be called a few times for every interval in it. */
  tick(now: number, wallClock: Timestamp): void {
    this.advanceClock(now, wallClock);
    this.core.outbox.sendDeferred();
    this.requests.tick();
    this.timer.watch(this.execution.lastCommitted + 1);
    this.viewChanges.tick();
    this.flushing.tick();
    this.recovery.tick();
    this.catchUp.tick();
    this.transfers.tick();
  }

  /** The shell has found that the disk altered the state: takes from the others what is not as it was. */
  stateDamaged(): void {
    this.transfers.distrustState();
  }

  /** Whether `takeReady` would yield something to be done now: most votes change nothing. */
  get hasReady(): boolean {
    return !this.core.outbox.empty || this.normalCase.mayPropose || this.transfers.hasWork;
  }

  /** Ends a turn: proposes what came in, and hands over what is to be done. */
  takeReady(): Ready {
    this.transfers.work();
    this.normalCase.propose();
    return this.core.outbox.take();
  }

  describe(): ReplicaDescription {
    const { core, execution } = this;
    const stable = this.checkpointing.describe();
    const transfer = this.transfers.progress ?? null;
    return {
      view: core.view,
      lastExecuted: execution.lastCommitted,
      stableCheckpoint: stable.sequence,
      stateRoot: stable.root,
      state: this.condition,
      transfer,
      transferred: { ...this.transfers.total },
      logEntries: core.log.size,
      rejected: Object.fromEntries(core.outbox.rejected),
      suspicions: [
        ...[...core.outbox.suspicions].map(([replica, why]) => ({ replica, why })),
        ...this.viewChanges.blames().filter(({ replica }) => !core.outbox.suspicions.has(replica)),
      ],
    };
  }

  private get condition(): ReplicaDescription['state'] {
    if (this.execution.isSuspended) return 'transferring';
    if (this.core.recovering) return 'recovering';
    if (!this.core.active) return 'view-change';
    return !this.execution.readable || this.catchUp.behind ? 'recovering' : 'normal';
  }

  /** The state has become that of a later checkpoint: goes on from there. */
  private onInstalled(sequence: SequenceNumber, stateDigest: Digest): void {
    this.chain.startAt(sequence, stateDigest);
    this.flushing.onCommitted(sequence);
    this.requests.dropSettled();
    this.timer.enteredView();
    this.execution.advance();
    this.catchUp.fetch();
    this.catchUp.sendStatus();
  }

  /** Takes up where the journal ends: keeps every promise in it, and executes again what the state lacks. */
  private restore({ recovered, state, history }: ReplicaOptions): void {
    const { core, checkpointing, viewChanges, execution, normalCase, flushing } = this;
    for (const record of recovered) {
      if (record.kind === 'recovering') core.recovering = true;
      if (record.kind === 'recovered') {
        core.recovering = false;
        core.votesFrom = record.votesFrom;
      }
    }
    for (const record of recovered) if (record.kind === 'stable') checkpointing.restoreCertificate(record.certificate);
    for (const record of recovered) if (record.kind === 'checkpoint') checkpointing.restoreVote(record.checkpoint);
    for (const record of recovered) if (record.kind === 'flushed') flushing.restore(record.certificate);
    this.chain.restore(
      state.lastExecuted,
      (sequence) => checkpointing.digestAt(sequence),
      (sequence) => history.digest(sequence),
    );
    let beyond: Vote[] = [];
    for (const record of recovered) {
      if (record.kind === 'view-change') viewChanges.restoreViewChange(record.message);
      else if (record.kind === 'new-view') viewChanges.restoreNewView(record.message);
      else if ('sequence' in record && !this.restoreVote(record)) beyond.push(record);
    }
    this.executeCovered();
    // The state may be further behind the journal than the log is long: what it executes makes room for the rest.
    for (let before = -1; beyond.length > 0 && execution.lastCommitted > before; ) {
      before = execution.lastCommitted;
      beyond = beyond.filter((record) => !this.restoreVote(record));
      this.executeCovered();
    }
    execution.holdReadsUntil(checkpointing.certified);
    const { begun } = viewChanges;
    if (begun !== undefined) {
      normalCase.enterView(begun);
      execution.holdReadsUntil(begun.start + begun.chosen.length);
    }
    for (const { sequence, view } of core.log.inOrder()) if (view >= 0) normalCase.taken(sequence);
    execution.advance();
    // Nobody waits for what was said in the life before.
    core.outbox.take();
    core.outbox.silent = core.recovering;
    flushing.restored(execution.lastCommitted);
    normalCase.resume();
  }

  /**
   * All that its state or a checkpoint of its own covers had committed here, if without a record then what prepared last:
   * it may be this replica's word that lets others execute it. Of what a state transfer brought that cannot be known.
   */
  private executeCovered(): void {
    const { core, checkpointing, execution } = this;
    const covered = Math.max(checkpointing.lastVoted, execution.lastCommitted);
    for (const entry of core.log.inOrder()) {
      if (entry.sequence <= covered && execution.executedHere(entry.sequence))
        entry.committed ??= entry.lastPrepared?.digest;
    }
    execution.advance();
  }

  /**
   * One vote of this replica's past, which it keeps to.
   * @returns false if the log does not reach there yet
   */
  private restoreVote(record: Vote): boolean {
    const { core, execution } = this;
    const { sequence } = record;
    if (sequence <= core.log.lowWaterMark) return true;
    if (!core.log.recordable(sequence)) return false;
    const entry = core.log.entry(sequence, 0);
    if (record.kind === 'committed') {
      if (record.batch !== undefined) entry.restoreContent(record.batch);
      entry.committed = record.digest;
      execution.holdReadsUntil(sequence);
      return true;
    }
    const { view, digest } = record;
    if (core.recovering && sequence > this.checkpointing.lastVoted) {
      // Later votes may be missing, and what did not commit is worth nothing without them. Contents are what they are.
      if (record.kind === 'pre-prepared' && record.batch !== undefined) entry.restoreContent(record.batch);
      return true;
    }
    if (record.kind === 'prepared') {
      entry.notePrepared(view, digest);
      execution.holdReadsUntil(sequence);
    } else {
      if (record.batch !== undefined) entry.restoreContent(record.batch);
      entry.notePrePrepared(view, digest);
    }
    if (view === core.view && core.active && !core.recovering) this.restoreProposal(entry, record);
    return true;
  }

  /** The same in the view that this replica is still in. */
  private restoreProposal(entry: LogEntry, { kind, view, digest }: { kind: string; view: View; digest: Digest }): void {
    const { id } = this.core.configuration;
    if (kind === 'prepared') {
      entry.prepared = true;
      entry.commits.add(id, view, digest);
      return;
    }
    entry.propose(view, digest, entry.held(digest), true);
    entry.prePrepared = true;
    if (!isDesignated(this.core)) entry.prepares.add(id, view, digest);
  }
}

type Vote = Extract<JournalRecord, { sequence: SequenceNumber }>;

/** The log starts at the certified checkpoint, or at the state where that is behind it. */
function logAtStart({ recovered, state }: ReplicaOptions): MessageLog {
  let certified = 0;
  for (const record of recovered)
    if (record.kind === 'stable') certified = Math.max(certified, record.certificate.sequence);
  return new MessageLog(Math.min(certified, state.lastExecuted), certified);
}
