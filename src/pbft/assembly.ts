import { Bodies } from './bodies.js';
import { CatchUp } from './catch-up.js';
import { Checkpointing } from './checkpointing.js';
import type { Configuration } from './configuration.js';
import { type Core, firstSequence } from './core.js';
import { DigestChain } from './digest-chain.js';
import { Execution } from './execution.js';
import { Flushing } from './flushing.js';
import { GroupRecovery } from './group-recovery.js';
import { incarnationOf, startOf } from './incarnation.js';
import { MessageLog } from './log.js';
import type { CheckpointCertificate, Digest, Forgotten, NewIncarnation, Numbered, SequenceNumber } from './messages.js';
import { NormalCase } from './normal-case.js';
import type { Authentication, History, ReplicatedState } from './ports.js';
import { Outbox } from './ready.js';
import { Recovery } from './recovery.js';
import { RequestQueue } from './request-queue.js';
import { RequestTimer } from './request-timer.js';
import { Requests } from './requests.js';
import { Resumption } from './resumption.js';
import { StateTransfers } from './state-transfer.js';
import { Tally } from './tally.js';
import { ViewChanges } from './view-change.js';

/** What stays the same from one incarnation to the next. */
export interface Surroundings {
  configuration: Configuration;
  authentication: Authentication;
  state: ReplicatedState;
  history: History;
  /** Whether `persist` is flushed before anything is sent (DESIGN 3.11). */
  synced: boolean;
  /** A number that no earlier process of this replica was given. */
  life: number;
  /** Batches proposed and not yet executed. */
  batchWindow: number;
  /** A certificate of a later incarnation, or the claims of f+1 who forgot, bring this replica there. */
  onLaterIncarnation(incarnation: number, forgotten: Forgotten[], certificate?: CheckpointCertificate): void;
}

/** What an assembly takes over: from the one before it, or from the journal. */
export interface Inheritance {
  incarnation: number;
  /** How this replica came to it; undefined in the first. */
  origin: NewIncarnation | undefined;
  /** The last stable checkpoint in it. */
  stable: SequenceNumber | undefined;
  /** The digest chain at a state of an earlier incarnation. */
  known: Numbered | undefined;
  /** Of the assembly before. */
  before?: Pick<Core, 'outbox' | 'queue' | 'bodies' | 'tally' | 'proactive' | 'now' | 'wallClock'>;
}

/** The rooms of the state machine for one incarnation, and how they are joined. */
export class Assembly {
  readonly core: Core;
  readonly execution: Execution;
  readonly requests: Requests;
  readonly normalCase: NormalCase;
  readonly checkpointing: Checkpointing;
  readonly chain: DigestChain;
  readonly flushing: Flushing;
  readonly recovery: Recovery;
  readonly viewChanges: ViewChanges;
  readonly catchUp: CatchUp;
  readonly timer: RequestTimer;
  readonly transfers: StateTransfers;
  readonly group: GroupRecovery;
  readonly resumption: Resumption;

  constructor(
    surroundings: Surroundings,
    readonly inheritance: Inheritance,
  ) {
    const { configuration, authentication, state, history, life, synced } = surroundings;
    const { incarnation, origin, stable, known, before } = inheritance;
    const base = startOf(incarnation);
    this.core = {
      configuration,
      authentication,
      outbox: before?.outbox ?? new Outbox(),
      // It starts at the certified checkpoint, or at the state where that is behind it.
      log: new MessageLog(Math.max(base, Math.min(stable ?? base, state.lastExecuted)), stable ?? base),
      queue: before?.queue ?? new RequestQueue(),
      bodies: before?.bodies ?? new Bodies(),
      tally: before?.tally ?? new Tally(),
      incarnation,
      // Only what was decided is followed by a stable checkpoint.
      decided: incarnation === 0 || stable !== undefined || state.lastExecuted > base,
      view: base,
      active: true,
      recovering: false,
      diskLost: false,
      awaited: 0,
      proactive: before?.proactive ?? false,
      votesFrom: 0,
      now: before?.now ?? 0,
      wallClock: before?.wallClock ?? { seconds: 0, nanoseconds: 0 },
    };
    const { core } = this;
    this.timer = new RequestTimer(core);
    this.chain = new DigestChain(authentication);
    this.flushing = new Flushing(core, this.chain, synced, (upTo) => this.normalCase.fill(upTo));
    this.execution = new Execution(core, state, this.flushing, (sequence, digest, attested) => {
      this.checkpointing.onCommitted(sequence);
      this.chain.extend(sequence, digest, this.checkpointing.digestAt(sequence));
      this.flushing.onCommitted(sequence);
      this.timer.onCommitted(attested);
      this.normalCase.onCommitted(sequence);
    });
    this.checkpointing = new Checkpointing(
      core,
      state,
      () => this.execution,
      () => this.normalCase.onWaterMarksMoved(),
      (certificate) => surroundings.onLaterIncarnation(incarnationOf(certificate.sequence), [], certificate),
      () => this.recovery.begin(),
    );
    this.requests = new Requests(core, this.execution, this.timer, (request) => this.normalCase.onBody(request));
    this.group = new GroupRecovery(core, life, origin, surroundings.onLaterIncarnation);
    this.normalCase = new NormalCase(core, this.execution, this.group, surroundings.batchWindow);
    const { execution, checkpointing, normalCase, requests, timer, group, flushing } = this;
    this.viewChanges = new ViewChanges(core, {
      ...{ execution, checkpointing, normalCase, requests, timer },
      fetch: () => this.catchUp.fetch(),
      sendStatus: () => this.catchUp.sendStatus(),
      onForgotten: () => this.recovery.begin(),
    });
    this.transfers = new StateTransfers(core, state, execution, checkpointing, (sequence, stateDigest) =>
      this.onInstalled(sequence, stateDigest),
    );
    this.recovery = new Recovery(core, execution, checkpointing, normalCase, life, () => this.onCaughtUp());
    const { transfers, viewChanges } = this;
    this.resumption = new Resumption(core, state, execution, transfers, history, known, () => this.onResumed());
    this.catchUp = new CatchUp(core, { execution, checkpointing, viewChanges, normalCase, flushing, group }, history);
    normalCase.enterView({ start: base, certificate: undefined, chosen: [] });
    if (state.lastExecuted <= base) execution.holdReadsUntil(base + (incarnation > 0 ? 1 : 0));
  }

  /** This replica has its voice again, or its state: it acts on what it had only recorded. */
  private onCaughtUp(): void {
    this.normalCase.resume();
    this.requests.dropSettled();
    this.timer.enteredView();
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

  /** The state is the one that this incarnation begins from. */
  private onResumed(): void {
    this.execution.advance();
    this.onCaughtUp();
    this.catchUp.sendStatus();
  }

  /** Once the first batch of the incarnation is committed, others may follow. */
  followDecision(): void {
    const { core, normalCase } = this;
    if (core.incarnation === 0) return;
    const first = core.log.get(firstSequence(core))?.decided;
    if (first === undefined) return;
    if (!core.decided) {
      core.decided = true;
      // The sooner it has a stable checkpoint, the sooner those can follow who were not there.
      normalCase.fill(firstSequence(core) + 1);
      normalCase.resume();
    }
    this.resumption.decide(first);
  }
}
