import { Limits } from '../limits.js';
import { sameDigest } from './digests.js';
import { incarnationOf } from './incarnation.js';
import {
  type Call,
  CallKind,
  type Digest,
  ReplyStatus,
  type Request,
  type SequenceNumber,
  type SessionId,
} from './messages.js';
import type { ExecutionContext, Service, SessionStore, SlotRow } from './ports.js';

/** What a call came to. Without a result it says why nothing was (or nothing can be said to have been) executed. */
export interface Outcome {
  status: number;
  result?: Uint8Array;
  /** Unless 0, the reply waits until everything up to this sequence number is on stable storage of 2f+1 replicas. */
  durableAt: SequenceNumber;
}

const refused = (status: number): Outcome => ({ status, durableAt: 0 });
const NOTHING = new Uint8Array(0);

/**
 * Exactly-once execution by sessions with slots (RFC 8881 §2.10.6): all of it is replicated state, decided by rows
 * of the session store alone, so that every replica, one brought up by state transfer too, decides alike (trap 5).
 */
export class Sessions {
  constructor(
    private readonly store: SessionStore,
    private readonly service: Service,
  ) {}

  /** Executes an ordered call, or finds that it was. */
  execute(request: Request, call: Call, context: ExecutionContext): Outcome {
    // Whatever let it through. A revoked client's sessions have ended, and it opens no more.
    if (this.store.standing(request.session.client) !== 'registered') return refused(ReplyStatus.NoSession);
    if (call.kind === CallKind.OpenSession) return this.open(request.session, call, context);
    if (call.kind === CallKind.CloseSession) return this.close(request.session, context);
    const session = this.store.session(request.session);
    if (session === undefined) return refused(ReplyStatus.NoSession);
    if (call.slot >= session.slots) return refused(ReplyStatus.Misordered);
    const slot = this.store.slot(request.session, call.slot);
    if (call.sequence !== (slot?.sequence ?? 0) + 1) return repeated(slot, call, request.digest);
    const { result, durable, transient } = this.service.execute(call.operation, context);
    const durableAt = durable ? context.sequence : 0;
    const row: SlotRow = {
      slot: call.slot,
      sequence: call.sequence,
      requestDigest: request.digest,
      status: transient ? ReplyStatus.NotCached : ReplyStatus.Ok,
      durableAt,
    };
    if (!transient) row.result = result;
    this.store.putSlot(request.session, row);
    return { status: ReplyStatus.Ok, result, durableAt };
  }

  /** The outcome of a call that this state already holds the answer to; undefined if it has yet to be ordered. */
  remembered(request: Request, call: Call): Outcome | undefined {
    if (this.store.standing(request.session.client) === 'revoked') return refused(ReplyStatus.NoSession);
    const session = this.store.session(request.session);
    if (call.kind === CallKind.OpenSession) return session && { status: ReplyStatus.Ok, result: NOTHING, durableAt: 0 };
    if (call.kind === CallKind.CloseSession || session === undefined) {
      // A session that never was and one that has ended are told apart by the highest ended instance.
      const ended = request.session.instance <= this.store.endedInstance(request.session.client);
      return session === undefined && ended ? refused(ReplyStatus.NoSession) : undefined;
    }
    if (call.slot >= session.slots) return refused(ReplyStatus.Misordered);
    const slot = this.store.slot(request.session, call.slot);
    if (slot === undefined || call.sequence > slot.sequence) return undefined;
    return repeated(slot, call, request.digest);
  }

  isOpen(session: SessionId): boolean {
    return this.store.session(session) !== undefined;
  }

  /**
   * An incarnation begins: what clients had under way, and what may come of it, ended with the one before. Some of it is
   * lost, and must not be executed when a faulty primary brings it up again.
   */
  endAll(context: Omit<ExecutionContext, 'session'>): void {
    for (const { session } of this.store.all()) this.end(session, { ...context, session });
  }

  private open(session: SessionId, call: Call, context: ExecutionContext): Outcome {
    if (this.store.session(session) !== undefined) return { status: ReplyStatus.Ok, result: NOTHING, durableAt: 0 };
    // An old OPEN, replayed by a faulty primary, must not bring an ended session and its requests back to life.
    if (session.instance <= this.store.endedInstance(session.client)) return refused(ReplyStatus.StaleInstance);
    const wanted = readOpening(call.operation);
    if (wanted === undefined) return refused(ReplyStatus.Misordered);
    const { slots, incarnation } = wanted;
    // A session that was lost with what came after the incarnation's start does not begin again.
    if (incarnation !== incarnationOf(context.sequence)) return refused(ReplyStatus.StaleInstance);
    const open = this.store.sessions(session.client);
    if (open.length >= Limits.sessionsPerClient) {
      let oldest = open[0];
      for (const row of open) if (row.session.instance < oldest.session.instance) oldest = row;
      if (session.instance <= oldest.session.instance) return refused(ReplyStatus.StaleInstance);
      this.end(oldest.session, context);
    }
    this.store.putSession({ session, slots, opened: context.time });
    return { status: ReplyStatus.Ok, result: NOTHING, durableAt: 0 };
  }

  private close(session: SessionId, context: ExecutionContext): Outcome {
    if (this.store.session(session) === undefined) return refused(ReplyStatus.NoSession);
    this.end(session, context);
    return { status: ReplyStatus.Ok, result: NOTHING, durableAt: 0 };
  }

  private end(session: SessionId, context: ExecutionContext): void {
    this.service.sessionEnded(session, context);
    this.store.deleteSession(session);
    const ended = this.store.endedInstance(session.client);
    if (session.instance > ended) this.store.setEndedInstance(session.client, session.instance);
  }
}

/** A call whose sequence number is not the slot's next: its last one again, or nonsense. */
function repeated(slot: SlotRow | undefined, call: Call, requestDigest: Digest): Outcome {
  if (slot === undefined || call.sequence !== slot.sequence) return refused(ReplyStatus.Misordered);
  if (!sameDigest(slot.requestDigest, requestDigest)) return refused(ReplyStatus.Conflict);
  if (slot.result === undefined) return refused(slot.status);
  return { status: slot.status, result: slot.result, durableAt: slot.durableAt };
}

const OPENING_BYTES = 2 + 4;

/** An OPEN's operation, big-endian: the number of slots (2 bytes) ‖ the incarnation that its client means (4). */
export function openSessionOperation(slots: number, incarnation: number): Uint8Array {
  const operation = new Uint8Array(OPENING_BYTES);
  const view = new DataView(operation.buffer);
  view.setUint16(0, slots);
  view.setUint32(2, incarnation);
  return operation;
}

function readOpening(operation: Uint8Array): { slots: number; incarnation: number } | undefined {
  if (operation.length !== OPENING_BYTES) return undefined;
  const view = new DataView(operation.buffer, operation.byteOffset, OPENING_BYTES);
  const [slots, incarnation] = [view.getUint16(0), view.getUint32(2)];
  return slots >= 1 && slots <= Limits.slotsPerSession ? { slots, incarnation } : undefined;
}
