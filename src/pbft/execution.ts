import { assert, Limits } from '../limits.js';
import type { Core } from './core.js';
import { sameDigest } from './digests.js';
import type { LogEntry } from './log.js';
import { type Batch, EVERYONE, type Reply, ReplyStatus, type Request, type SequenceNumber } from './messages.js';
import type { ReplicatedState } from './ports.js';
import { type Outcome, Sessions } from './sessions.js';
import { laterTime, nextNanosecond } from './time.js';

/** Executes committed batches in order of their sequence numbers, and read-only requests at once. */
export class Execution {
  private readonly sessions: Sessions;
  /** No read-only reply below this: a restarted replica has yet to execute again what it had answered for. */
  private readsFrom: SequenceNumber = 0;

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly onExecuted: (sequence: SequenceNumber) => void,
  ) {
    this.sessions = new Sessions(state.sessions, state.service);
  }

  get lastExecuted(): SequenceNumber {
    return this.state.lastExecuted;
  }

  holdReadsUntil(sequence: SequenceNumber): void {
    this.readsFrom = Math.max(this.readsFrom, sequence);
  }

  /** Whether what this replica had answered for before it restarted is executed again (DESIGN 3.8). */
  get readable(): boolean {
    return this.lastExecuted >= this.readsFrom;
  }

  /** Executes all that is committed and next in order. */
  advance(): void {
    for (;;) {
      const entry = this.core.log.get(this.lastExecuted + 1);
      if (entry?.committed === undefined) return;
      if (entry.decided === undefined && entry.batch !== undefined && sameDigest(entry.batch.digest, entry.committed)) {
        entry.decided = entry.batch;
      }
      if (entry.decided === undefined) return;
      this.recordCommitted(entry, entry.decided);
      this.execute(entry.sequence, entry.decided);
      this.onExecuted(entry.sequence);
    }
  }

  private recordCommitted(entry: LogEntry, decided: Batch): void {
    const { sequence } = entry;
    if (entry.prepared && entry.batch === decided) {
      this.core.outbox.note({ kind: 'committed', sequence, digest: decided.digest });
    } else {
      // Never prepared here: the replies about to leave would be forgotten by a restart, so record it first.
      this.core.outbox.persist({ kind: 'committed', sequence, digest: decided.digest, batch: decided });
    }
  }

  private execute(sequence: SequenceNumber, batch: Batch): void {
    assert(sequence === this.lastExecuted + 1, `executing ${sequence} after ${this.lastExecuted}`);
    this.state.beginBatch(sequence);
    let clock = this.state.clock;
    for (const request of batch.requests) {
      for (const call of request.calls) {
        clock = laterTime(batch.time, nextNanosecond(clock));
        const outcome = this.sessions.execute(request, call, { sequence, time: clock, session: request.session });
        this.reply(request, call, outcome, false);
      }
      this.core.queue.executed(request);
    }
    this.state.endBatch(clock);
  }

  /**
   * Answers from the reply cache what of an ordered request was executed before.
   * @returns whether nothing of it is left to be ordered
   */
  answerRemembered(request: Request): boolean {
    let complete = true;
    for (const call of request.calls) {
      const outcome = this.sessions.remembered(request, call);
      if (outcome === undefined) complete = false;
      else this.reply(request, call, outcome, true);
    }
    return complete;
  }

  /** Executes a read-only request on the state as it is: everything in it has committed (TOCS '02 §5.1.3). */
  read(request: Request): void {
    if (!this.readable) return this.core.outbox.reject('read-only request while catching up after a restart');
    if (!this.sessions.isOpen(request.session)) return this.core.outbox.reject('read-only request outside a session');
    for (const call of request.calls) {
      const result = this.state.service.query(call.operation, request.session);
      this.reply(request, call, { status: ReplyStatus.Ok, result, durable: false }, false);
    }
  }

  private reply(request: Request, call: { slot: number; sequence: number }, outcome: Outcome, again: boolean): void {
    const { core } = this;
    const reply: Reply = {
      kind: 'reply',
      view: core.view,
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
        result.length <= Limits.wholeReplyBytes ||
        request.replier === EVERYONE ||
        request.replier === core.configuration.id;
      if (whole) reply.result = result;
      else reply.resultDigest = core.authentication.resultDigest(result);
    }
    core.outbox.reply(request.session, reply, outcome.durable);
  }
}
