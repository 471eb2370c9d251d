import { assert } from '../limits.js';
import { CatchUp } from './catch-up.js';
import { Checkpointing } from './checkpointing.js';
import type { Configuration } from './configuration.js';
import type { Core } from './core.js';
import { Execution } from './execution.js';
import { MessageLog } from './log.js';
import type { ReplicaId, ReplicaMessage, Request, SequenceNumber, Timestamp } from './messages.js';
import { NormalCase } from './normal-case.js';
import type { Authentication, History, JournalRecord, ReplicatedState } from './ports.js';
import { Outbox, type Ready } from './ready.js';
import { RequestQueue } from './request-queue.js';
import { Requests } from './requests.js';

export interface ReplicaOptions {
  configuration: Configuration;
  authentication: Authentication;
  state: ReplicatedState;
  history: History;
  /** What the journal held, in the order it was written; empty for a new replica. */
  recovered: readonly JournalRecord[];
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
  state: 'normal' | 'recovering';
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
  private readonly catchUp: CatchUp;

  constructor(options: ReplicaOptions) {
    const { configuration, authentication, state, history } = options;
    this.core = {
      configuration,
      authentication,
      outbox: new Outbox(),
      log: new MessageLog(lowWaterMarkAtStart(options)),
      queue: new RequestQueue(),
      view: 0,
      now: 0,
      wallClock: { seconds: 0, nanoseconds: 0 },
    };
    this.execution = new Execution(this.core, state, (sequence) => this.checkpointing.onExecuted(sequence));
    this.checkpointing = new Checkpointing(
      this.core,
      state,
      () => this.execution,
      () => this.normalCase.onWaterMarksMoved(),
    );
    this.requests = new Requests(this.core, this.execution);
    this.normalCase = new NormalCase(this.core, this.execution, options.batchWindow, state.clock);
    this.catchUp = new CatchUp(this.core, this.execution, this.checkpointing, history);
    this.restore(options);
  }

  /** A message from another replica, whose identity the link vouches for. */
  receive(message: ReplicaMessage, from: ReplicaId): void {
    assert(from !== this.core.configuration.id && from < this.core.configuration.n, `message from replica ${from}`);
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
        return this.catchUp.onStatus(message, from);
      case 'committed':
        return this.catchUp.onCommitted(message, from);
      case 'fetch-batch':
        return this.catchUp.onFetchBatch(message, from);
      case 'batch-data':
        return this.catchUp.onBatchData(message, from);
    }
  }

  /** A request on a client's own link; `client` is whom the link authenticates. */
  receiveFromClient(request: Request, client: number): void {
    this.requests.onClientRequest(request, client);
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
    this.catchUp.tick();
  }

  /** Whether `takeReady` would yield something to be done now: most votes change nothing. */
  get hasReady(): boolean {
    return !this.core.outbox.empty || this.normalCase.mayPropose;
  }

  /** Ends a turn: proposes what came in, and hands over what is to be done. */
  takeReady(): Ready {
    this.normalCase.propose();
    return this.core.outbox.take();
  }

  describe(): ReplicaDescription {
    const { core, execution } = this;
    const stable = this.checkpointing.describe();
    return {
      view: core.view,
      lastExecuted: execution.lastExecuted,
      stableCheckpoint: stable.sequence,
      stateRoot: stable.root,
      state: !execution.readable || this.catchUp.behind ? 'recovering' : 'normal',
      logEntries: core.log.size,
      rejected: Object.fromEntries(core.outbox.rejected),
      suspicions: [...core.outbox.suspicions].map(([replica, why]) => ({ replica, why })),
    };
  }

  /** Takes up where the journal ends: keeps every promise in it, and executes again what the state lacks. */
  private restore({ recovered }: ReplicaOptions): void {
    const { core } = this;
    for (const record of recovered) {
      if (record.kind === 'stable') this.checkpointing.restoreCertificate(record.certificate);
      if (record.kind === 'checkpoint') this.checkpointing.restoreVote(record.checkpoint);
    }
    for (const record of recovered) {
      if (record.kind === 'stable' || record.kind === 'checkpoint' || !core.log.recordable(record.sequence)) continue;
      const entry = core.log.entry(record.sequence, 0);
      if (record.kind === 'pre-prepared') {
        core.view = Math.max(core.view, record.view);
        entry.view = record.view;
        entry.batch = record.batch;
        entry.authentic = true;
        entry.prePrepared = true;
        entry.prepared = false;
        if (core.configuration.primary(record.view) !== core.configuration.id) {
          entry.prepares.add(core.configuration.id, record.view, record.batch.digest);
        }
      } else if (record.kind === 'prepared') {
        entry.prepared = true;
        entry.commits.add(core.configuration.id, record.view, record.digest);
        this.execution.holdReadsUntil(record.sequence);
      } else {
        entry.committed = record.digest;
        if (record.batch !== undefined) entry.decided = record.batch;
        this.execution.holdReadsUntil(record.sequence);
      }
      this.normalCase.taken(record.sequence);
    }
    this.execution.holdReadsUntil(this.checkpointing.certified);
    this.execution.advance();
    // Nobody waits for what was said in the life before.
    core.outbox.take();
  }
}

/** The log starts at the certified checkpoint, or at the state where that is behind it. */
function lowWaterMarkAtStart({ recovered, state }: ReplicaOptions): SequenceNumber {
  let certified = 0;
  for (const record of recovered)
    if (record.kind === 'stable') certified = Math.max(certified, record.certificate.sequence);
  return Math.min(certified, state.lastExecuted);
}
