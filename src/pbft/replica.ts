import { assert } from '../limits.js';
import { Assembly, type Surroundings } from './assembly.js';
import { firstSequence, isPrimary } from './core.js';
import type {
  CheckpointCertificate,
  Forgotten,
  NewIncarnation,
  ReplicaId,
  ReplicaMessage,
  Request,
  SequenceNumber,
  Timestamp,
} from './messages.js';
import type { JournalRecord } from './ports.js';
import type { Ready } from './ready.js';
import { reportOf } from './report.js';
import { restore } from './restoration.js';
import type { Tally } from './tally.js';
import type { TransferProgress } from './transfer-ports.js';

export interface ReplicaOptions extends Omit<Surroundings, 'onLaterIncarnation'> {
  /** What the journal held, in the order it was written; empty for a new replica. */
  recovered: readonly JournalRecord[];
}

/** How a replica is, as far as it knows itself. */
export interface ReplicaDescription {
  incarnation: number;
  view: number;
  lastExecuted: SequenceNumber;
  stableCheckpoint: SequenceNumber;
  /**
   * Nobody can need this replica's batches up to here any more: a stable checkpoint, of the incarnation it is in. Before
   * there is one, those that others still bring themselves to its start with are of the incarnation before.
   */
  settled: SequenceNumber;
  /** Hex; null before the first checkpoint. */
  stateRoot: string | null;
  state: 'normal' | 'view-change' | 'recovering' | 'transferring';
  /** Of the state transfer under way. */
  transfer: (TransferProgress & { sequence: SequenceNumber }) | null;
  /** Of all those that were installed since the start. */
  transferred: { transfers: number; rows: number; nodes: number; bytes: number };
  logEntries: number;
  rejected: Record<string, number>;
  /** Of these, what came in messages of other replicas. */
  rejectedFrom: { replica: ReplicaId; reason: string; count: number }[];
  suspicions: { replica: ReplicaId; why: string }[];
}

/** A later incarnation that this replica is about to join. */
interface Later {
  incarnation: number;
  forgotten: Forgotten[];
  certificate: CheckpointCertificate | undefined;
}

/**
 * A replica as a pure state machine: messages and time go in, effects come out, and nothing else happens. Whoever
 * drives it carries out each `Ready` in the order its contract says before the next message goes in.
 */
export class Replica {
  private readonly surroundings: Surroundings;
  private rooms: Assembly;
  private later: Later | undefined;
  /** What an incarnation is entered with has to be on stable storage before anything is said in it. */
  private entered: { flush: number } | undefined;

  constructor({ recovered, ...options }: ReplicaOptions) {
    this.surroundings = {
      ...options,
      onLaterIncarnation: (incarnation, forgotten, certificate) => {
        if (incarnation > (this.later?.incarnation ?? 0)) this.later = { incarnation, forgotten, certificate };
      },
    };
    this.rooms = restore(this.surroundings, recovered);
    if (!this.rooms.core.decided) this.awaitFlush();
  }

  /** A message from another replica, whose identity the link vouches for. */
  receive(message: ReplicaMessage, from: ReplicaId): void {
    const { outbox } = this.rooms.core;
    outbox.sender = from;
    this.handle(message, from);
    outbox.sender = undefined;
  }

  private handle(message: ReplicaMessage, from: ReplicaId): void {
    const { core, requests, normalCase, checkpointing, recovery, catchUp, viewChanges } = this.rooms;
    const { transfers, flushing, group, resumption } = this.rooms;
    assert(from !== core.configuration.id && from < core.configuration.n, 'messages come from other replicas');
    switch (message.kind) {
      case 'request':
        return requests.onRelayedRequest(message, from);
      case 'pre-prepare':
        return normalCase.onPrePrepare(message, from);
      case 'prepare':
        return normalCase.onPrepare(message, from);
      case 'commit':
        return normalCase.onCommit(message, from);
      case 'checkpoint':
        return checkpointing.onCheckpoint(message, from);
      case 'status':
        recovery.onStatus(message, from);
        return catchUp.onStatus(message, from);
      case 'committed':
        return catchUp.onCommitted(message, from);
      case 'fetch-batch':
        return catchUp.onFetchBatch(message, from);
      case 'batch-data':
        if (!resumption.onBatch(message)) catchUp.onBatchData(message, from);
        return;
      case 'view-change':
        return viewChanges.onViewChange(message, from);
      case 'new-view':
        return viewChanges.onNewView(message, from);
      case 'fetch-state':
        return transfers.onFetchState(message, from);
      case 'state-data':
        return transfers.onStateData(message, from);
      case 'flushed':
        return flushing.onFlushed(message, from);
      case 'flushed-certificate':
        return flushing.onCertificate(message, from);
      case 'query-stable':
        group.onRecovering(from, message.life);
        return recovery.onQuery(message, from);
      case 'reply-stable':
        return recovery.onReply(message, from);
      case 'forgotten':
        return group.onForgotten(message, from);
      case 'new-incarnation':
        return group.onNewIncarnation(message, from);
    }
  }

  /** A request on a client's own link; `client` is whom the link authenticates. */
  receiveFromClient(request: Request, client: number): void {
    this.rooms.requests.onClientRequest(request, client);
  }

  /** All that was persisted up to the turn whose `Ready.flush` was that number is on stable storage. */
  flushed(flush: number): void {
    const { core, flushing, checkpointing, normalCase } = this.rooms;
    flushing.flushed(flush);
    checkpointing.flushed(flush);
    if (this.entered === undefined || flush < this.entered.flush) return;
    this.entered = undefined;
    core.outbox.silent = core.recovering;
    normalCase.resume();
  }

  /** A link to that replica came up: tells it, with the others, how far this one is. */
  linkUp(_replica: ReplicaId): void {
    this.rooms.catchUp.sendStatus();
  }

  /**
   * The only way in for time.
   * @param now milliseconds on a monotonic clock
   * @param wallClock the machine's idea of the time of day at `now`
   */
  advanceClock(now: number, wallClock: Timestamp): void {
    this.rooms.core.now = now;
    this.rooms.core.wallClock = wallClock;
  }

  /** Does what is due by the clock; to be called a few times for every interval in it. */
  tick(now: number, wallClock: Timestamp): void {
    this.advanceClock(now, wallClock);
    const { core, requests, timer, execution, viewChanges, flushing, recovery, group, catchUp, transfers } = this.rooms;
    core.outbox.sendDeferred();
    requests.tick();
    timer.watch(execution.next);
    viewChanges.tick();
    flushing.tick();
    recovery.tick();
    group.tick();
    catchUp.tick();
    transfers.tick();
    this.rooms.resumption.tick();
  }

  /** The shell has found that the disk altered the state: takes from the others what is not as it was. */
  stateDamaged(): void {
    this.rooms.transfers.distrustState();
  }

  /** Tells the others whether it recovers: they then have another primary, and none of them begins a recovery of its own. */
  announceRecovery(recovers: boolean): void {
    this.rooms.core.proactive = recovers;
    this.rooms.catchUp.sendStatus();
  }

  /** Whether `takeReady` would yield something to be done now: most votes change nothing. */
  get hasReady(): boolean {
    const { core, normalCase, transfers } = this.rooms;
    return !core.outbox.empty || normalCase.mayPropose || transfers.hasWork || this.later !== undefined;
  }

  /** Ends a turn: proposes what came in, and hands over what is to be done. */
  takeReady(): Ready {
    this.rooms.transfers.work();
    // A state that is being installed is nobody's until that is done.
    if (this.later !== undefined && !this.rooms.transfers.hasWork) this.enter(this.later);
    this.rooms.followDecision();
    this.rooms.normalCase.propose();
    return this.rooms.core.outbox.take();
  }

  /** Leaves its incarnation for good, and is in the later one as if it had just started there. */
  private enter({ incarnation, forgotten, certificate }: Later): void {
    this.later = undefined;
    const { rooms, surroundings } = this;
    const { core, execution, transfers, chain, flushing } = rooms;
    if (incarnation <= core.incarnation) return;
    execution.leaveView();
    transfers.cancel();
    // Who lost its disk may have been there before.
    const mayHaveBeen = core.recovering && core.diskLost;
    const report = forgotten.length === 0 || mayHaveBeen ? undefined : reportOf(rooms, incarnation);
    const origin: NewIncarnation = { kind: 'new-incarnation', incarnation, forgotten, report };
    const { lastExecuted: sequence } = surroundings.state;
    const digest = chain.at(sequence);
    const known = digest && { sequence, digest };
    core.outbox.persist({ kind: 'incarnation', message: origin });
    core.queue.viewEnded();
    this.rooms = new Assembly(surroundings, { incarnation, origin, stable: undefined, known, before: core });
    Object.assign(this.rooms.core, { recovering: mayHaveBeen, diskLost: mayHaveBeen });
    this.rooms.flushing.inherit(flushing);
    if (certificate !== undefined) this.rooms.checkpointing.adopt(certificate);
    this.awaitFlush();
    // Who waits has waited before; now it is for this incarnation's primary.
    this.rooms.timer.enteredView();
    this.rooms.catchUp.sendStatus();
  }

  private awaitFlush(): void {
    const { outbox } = this.rooms.core;
    outbox.silent = true;
    this.entered = { flush: outbox.flush() };
  }

  /** Whether it orders requests now. */
  get isPrimary(): boolean {
    return isPrimary(this.rooms.core);
  }

  get tally(): Tally {
    return this.rooms.core.tally;
  }

  describe(): ReplicaDescription {
    const { core, execution, checkpointing, transfers, viewChanges } = this.rooms;
    const stable = checkpointing.describe();
    return {
      incarnation: core.incarnation,
      view: core.view,
      lastExecuted: execution.lastCommitted,
      stableCheckpoint: stable.sequence,
      settled: stable.root === null ? 0 : stable.sequence,
      stateRoot: stable.root,
      state: this.condition,
      transfer: transfers.progress ?? null,
      transferred: { ...transfers.total },
      logEntries: core.log.size,
      rejected: Object.fromEntries(core.outbox.rejected),
      rejectedFrom: [...core.outbox.rejectedFrom].flatMap(([replica, counts]) =>
        [...counts].map(([reason, count]) => ({ replica, reason, count })),
      ),
      suspicions: [
        ...[...core.outbox.suspicions].map(([replica, why]) => ({ replica, why })),
        ...viewChanges.blames().filter(({ replica }) => !core.outbox.suspicions.has(replica)),
      ],
    };
  }

  private get condition(): ReplicaDescription['state'] {
    const { core, execution, catchUp, transfers } = this.rooms;
    if (transfers.progress !== undefined) return 'transferring';
    if (core.recovering || !core.decided || execution.lastExecuted < firstSequence(core) - 1) return 'recovering';
    if (!core.active) return 'view-change';
    return !execution.readable || catchUp.behind ? 'recovering' : 'normal';
  }
}
