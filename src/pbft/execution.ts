import { Limits } from '../limits.js';
import { type Core, firstSequence } from './core.js';
import { sameDigest } from './digests.js';
import type { Flushing } from './flushing.js';
import { startOf } from './incarnation.js';
import type { LogEntry } from './log.js';
import {
  type Batch,
  type Digest,
  EVERYONE,
  type Reply,
  ReplyStatus,
  type Request,
  type SequenceNumber,
} from './messages.js';
import type { ReplicatedState } from './ports.js';
import { type Outcome, Sessions } from './sessions.js';
import { laterTime, nextNanosecond } from './time.js';

/** Read-only requests held until what they saw commits: as many as a busy client sends in a round trip, and more. */
const HELD_READS = 4096;
/** Batches for which COMMIT does not wait for company after a read had to wait for it. */
const EAGER_BATCHES = 64;

/**
 * Executes batches in order of their sequence numbers, once committed or, one batch ahead, tentatively once prepared
 * (TOCS '02 §5.1.2); and read-only requests on the latest state, whose replies wait for all of it to commit (§5.1.3).
 */
export class Execution {
  private readonly sessions: Sessions;
  /** What the last executed batch was, while it is tentative. */
  private tentative: Batch | undefined;
  /** Replies that are true only once the tentative batch has committed. */
  private heldReplies: { request: Request; reply: Reply; durableAt: SequenceNumber }[] = [];
  private heldReads: Request[] = [];
  private eager = 0;
  /** Another state is taken from others: nothing is executed, and once it takes this one's place, nothing is asked of it. */
  private suspended = false;
  /** No read-only reply below this: a restarted replica has yet to execute again what it had answered for. */
  private readsFrom: SequenceNumber = 0;

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly flushing: Flushing,
    /** Told of each batch that is executed and has committed, and whether only the word of others says so. */
    private readonly onCommitted: (sequence: SequenceNumber, digest: Digest, attested: boolean) => void,
  ) {
    this.sessions = new Sessions(state.sessions, state.service);
    // From which state this incarnation begins has to be known first (resumption.ts).
    this.suspended = state.lastExecuted < startOf(core.incarnation);
  }

  /** The last executed batch, which may be tentative. */
  get lastExecuted(): SequenceNumber {
    return this.state.lastExecuted;
  }

  /** The last batch that was executed and has committed. */
  get lastCommitted(): SequenceNumber {
    return this.tentative === undefined ? this.state.lastExecuted : this.state.lastExecuted - 1;
  }

  /** The batch that is executed next: after a state of an earlier incarnation, the first of this one. */
  get next(): SequenceNumber {
    return Math.max(this.lastCommitted + 1, firstSequence(this.core));
  }

  /** Whether someone waits for this very commit, so that COMMIT must not wait for company. */
  get commitIsAwaited(): boolean {
    return this.heldReplies.length > 0 || this.heldReads.length > 0 || this.eager > 0;
  }

  /** Whether the batch of that number was executed by this replica, rather than brought by a state transfer. */
  executedHere(sequence: SequenceNumber): boolean {
    return sequence > this.state.installed;
  }

  holdReadsUntil(sequence: SequenceNumber): void {
    this.readsFrom = Math.max(this.readsFrom, sequence);
  }

  /**
   * Whether what this replica answered for before it restarted, or what its new view began with, is executed again
   * (DESIGN 3.8).
   */
  get readable(): boolean {
    return this.core.active && !this.suspended && this.lastCommitted >= this.readsFrom;
  }

  /** Whether execution waits for a state transfer. */
  get isSuspended(): boolean {
    return this.suspended;
  }

  /** Until `resume` nothing is executed, nor remembered: the state is about to become another. */
  suspend(): void {
    this.abandon('read-only request while catching up');
    this.suspended = true;
  }

  resume(): void {
    this.suspended = false;
  }

  /** Executes all that is committed and next in order, and one prepared batch ahead of it. */
  advance(): void {
    while (!this.suspended) {
      const entry = this.core.log.get(this.next);
      if (entry === undefined) return;
      if (entry.committed === undefined) return this.executeTentatively(entry);
      if (this.tentative !== undefined && !sameDigest(this.tentative.digest, entry.committed)) this.rollBack();
      const { decided } = entry;
      if (decided === undefined) return;
      this.recordCommitted(entry, decided);
      if (this.tentative === undefined) this.execute(entry.sequence, decided);
      this.confirm(entry, decided);
    }
  }

  private executeTentatively(entry: LogEntry): void {
    const { core } = this;
    if (!core.configuration.optimizations.tentativeExecution || !core.decided) return;
    if (this.tentative !== undefined || !core.active || entry.view !== core.view || !entry.prepared) return;
    this.tentative = entry.batch!;
    this.execute(entry.sequence, entry.batch!);
  }

  /**
   * A batch whose prepared certificate is on record needs no more: after a crash the votes come again. Of any other the
   * commit goes on record first: the replies about to leave would be forgotten by a restart.
   */
  private recordCommitted(entry: LogEntry, batch: Batch): void {
    const { sequence, lastPrepared } = entry;
    const { digest } = batch;
    const onRecord = entry.putOnRecord(digest);
    if (onRecord && lastPrepared !== undefined && sameDigest(lastPrepared.digest, digest)) return;
    const record = { kind: 'committed', sequence, digest } as const;
    this.core.outbox.persist(onRecord ? record : { ...record, batch });
  }

  /** What committed in an earlier incarnation, and was answered there, is executed again. */
  replay(sequence: SequenceNumber, batch: Batch): void {
    this.execute(sequence, batch, false);
    this.state.commitBatch();
  }

  private execute(sequence: SequenceNumber, batch: Batch, answer = true): void {
    const { state } = this;
    state.beginBatch(sequence);
    let clock = state.clock;
    if (batch.reports !== undefined) {
      clock = laterTime(batch.time, nextNanosecond(clock));
      this.sessions.endAll({ sequence, time: clock });
    }
    for (const request of batch.requests) {
      for (const call of request.calls) {
        clock = laterTime(batch.time, nextNanosecond(clock));
        const outcome = this.sessions.execute(request, call, { sequence, time: clock, session: request.session });
        if (!answer) continue;
        const reply = this.toReply(request, call, outcome, false);
        if (this.tentative !== undefined && outcome.durableAt > 0) this.hold(request, reply, outcome.durableAt);
        else this.flushing.reply(request.session, reply, outcome.durableAt);
      }
    }
    state.endBatch(clock);
  }

  /** The executed batch has committed. */
  private confirm({ sequence, prepared }: LogEntry, batch: Batch): void {
    this.state.commitBatch();
    this.tentative = undefined;
    if (this.eager > 0) this.eager--;
    const { tally } = this.core;
    const calls = batch.requests.reduce((sum, request) => sum + request.calls.length, 0);
    tally.batches++;
    tally.calls += calls;
    tally.batchCalls.add(calls);
    for (const request of batch.requests) {
      this.core.queue.remove(request);
      this.core.bodies.remove(request);
    }
    if (this.heldReplies.length > 0) this.sendHeld();
    this.onCommitted(sequence, batch.digest, !prepared);
    if (this.heldReads.length > 0) for (const request of this.heldReads.splice(0)) this.read(request);
  }

  private sendHeld(): void {
    for (const { request, reply, durableAt } of this.heldReplies.splice(0)) {
      reply.tentative = false;
      this.flushing.reply(request.session, reply, durableAt);
    }
  }

  /** Undoes the tentative batch, and what would have been said of it once it had committed. */
  rollBack(): void {
    if (this.tentative === undefined) return;
    this.state.rollbackBatch();
    this.tentative = undefined;
    this.heldReplies = [];
  }

  /** The view has ended: what was tentative in it is nothing, and nothing is read until the next begins. */
  leaveView(): void {
    this.abandon('read-only request during a view change');
  }

  private abandon(why: string): void {
    this.rollBack();
    if (this.heldReads.length > 0) this.core.outbox.reject(why);
    this.heldReads = [];
  }

  /**
   * Answers from the reply cache what of an ordered request was executed before.
   * @returns whether nothing of it is left to wait for
   */
  answerRemembered(request: Request): boolean {
    if (this.suspended) return false;
    let complete = true;
    for (const call of request.calls) {
      const outcome = this.sessions.remembered(request, call);
      if (outcome === undefined) {
        complete = false;
        continue;
      }
      const reply = this.toReply(request, call, outcome, true);
      if (this.tentative === undefined) this.flushing.reply(request.session, reply, outcome.durableAt);
      // Which batch the answer comes from is not on record: it may be the tentative one.
      else this.hold(request, reply, outcome.durableAt);
    }
    return complete && !this.isTentative(request);
  }

  private isTentative({ digest }: Request): boolean {
    return this.tentative?.requests.some((each) => sameDigest(each.digest, digest)) ?? false;
  }

  /** Whether every call of the request was executed for good, or its slot used for another: nothing is left to wait for. */
  settled(request: Request): boolean {
    if (this.suspended || this.isTentative(request)) return false;
    return request.calls.every((call) => this.sessions.remembered(request, call) !== undefined);
  }

  private hold(request: Request, reply: Reply, durableAt: SequenceNumber): void {
    if (this.heldReplies.length >= HELD_READS) return this.core.outbox.reject('too many replies held');
    this.heldReplies.push({ request, reply, durableAt });
    this.core.outbox.sendDeferred();
  }

  /** Executes a read-only request on the latest state, once all of that has committed. */
  read(request: Request): void {
    const { outbox } = this.core;
    if (!this.core.active) return outbox.reject('read-only request during a view change');
    if (!this.readable) return outbox.reject('read-only request while catching up');
    if (this.tentative !== undefined) {
      if (this.heldReads.length >= HELD_READS) return outbox.reject('too many read-only requests held');
      this.heldReads.push(request);
      this.eager = EAGER_BATCHES;
      return outbox.sendDeferred();
    }
    if (!this.sessions.isOpen(request.session)) return outbox.reject('read-only request outside a session');
    for (const call of request.calls) {
      const result = this.state.service.query(call.operation, request.session);
      const reply = this.toReply(request, call, { status: ReplyStatus.Ok, result, durableAt: 0 }, false);
      outbox.reply(request.session, reply);
    }
    this.core.tally.reads += request.calls.length;
  }

  private toReply(request: Request, call: { slot: number; sequence: number }, outcome: Outcome, again: boolean): Reply {
    const { core } = this;
    const reply: Reply = {
      kind: 'reply',
      view: core.view,
      tentative: this.tentative !== undefined,
      instance: request.session.instance,
      slot: call.slot,
      sequence: call.sequence,
      status: outcome.status,
    };
    const { result } = outcome;
    if (result !== undefined) {
      // A retransmission means that the designated replier may be the one that failed.
      const whole =
        again ||
        !core.configuration.optimizations.digestReplies ||
        result.length <= Limits.wholeReplyBytes ||
        request.replier === EVERYONE ||
        request.replier === core.configuration.id;
      if (whole) reply.result = result;
      else reply.resultDigest = core.authentication.resultDigest(result);
    }
    return reply;
  }
}
