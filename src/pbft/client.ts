import { assert, Limits } from '../limits.js';
import { isLarge } from './bodies.js';
import type { Configuration } from './configuration.js';
import {
  type Call,
  CallKind,
  type Digest,
  EVERYONE,
  READ_ONLY_SLOT,
  type ReplicaId,
  type Reply,
  ReplyStatus,
  type Request,
  SESSION_SLOT,
  type SessionId,
  type View,
} from './messages.js';
import { hasResult, ReplyVotes } from './reply-votes.js';
import { openSessionOperation } from './sessions.js';

/** What a client sends in one turn, before it is sealed. */
export interface UnsealedRequest {
  session: SessionId;
  readOnly: boolean;
  replier: number;
  calls: Call[];
}

export interface ClientPorts {
  /** Encodes, authenticates and, unless read-only, signs. */
  seal(request: UnsealedRequest): Request;
  resultDigest(result: Uint8Array): Digest;
  /** A number above all this client ever used for an instance: microseconds since 1970, say. */
  newInstance(): number;
}

export interface ClientOptions {
  configuration: Configuration;
  ports: ClientPorts;
  client: number;
  /** Calls in flight at most. */
  slots: number;
}

export type CallFailure = 'deadline' | 'session-lost';

export type Completion =
  | { kind: 'result'; call: number; result: Uint8Array }
  /** Unless `final`, the call may still be executed, and is followed by `settled` once its outcome is known. */
  | { kind: 'failed'; call: number; failure: CallFailure; detail?: string; final: boolean }
  | { kind: 'settled'; call: number };

export interface ClientReady {
  send: { to: ReplicaId | 'replicas'; request: Request }[];
  completed: Completion[];
  /** The session, with the outcome of all that was in flight in it, is lost since the last turn. */
  sessionLost: boolean;
  /** The instance changed: tell every replica before anything else. */
  attach: number | undefined;
}

const Timing = {
  retransmitMs: 250,
  retransmitMaxMs: 4000,
  /** A designated replier is late after this long, and not designated again for `suspectedMs`. */
  replierMs: 60,
  suspectedMs: 5000,
  /** A read without a quorum by then is ordered. */
  readMs: 100,
} as const;

/** A turn's calls are spread over requests of about this many bytes, so that large writes are pipelined. */
const REQUEST_BYTES_GOAL = 1024 * 1024;

interface PendingCall {
  readonly id: number;
  readonly operation: Uint8Array;
  readonly deadline: number;
  kind: number;
  readOnly: boolean;
  slot: number;
  sequence: number;
  request: Request | undefined;
  votes: ReplyVotes;
  sentAt: number;
  retransmitAt: number;
  retransmitAfter: number;
  /** When a quorum agreed on a digest whose result is still to come. */
  agreedAt: number | undefined;
  /** Failed at its deadline and reported; its slot stays busy until it is answered (DESIGN 3.6). */
  abandoned: boolean;
}

/** A client as a pure state machine: calls, replies and time go in; requests and results come out. */
export class Client {
  private session: SessionId;
  private sessionState: 'new' | 'opening' | 'open' = 'new';
  private nextId = 1;
  private nextSequence = 1;
  private now = 0;
  private view: View = 0;
  private readonly views: View[] = [];
  private readonly linked = new Set<ReplicaId>();
  private readonly suspectedUntil: number[] = [];
  private nextReplier: number;
  /** Ordered calls without a slot, and reads, that have yet to be sent. */
  private waiting: PendingCall[] = [];
  private readonly slotSequences: number[];
  private freeSlots: number[];
  /** Sent and not yet answered, by slot and sequence number. */
  private readonly pending = new Map<string, PendingCall>();
  private ready: ClientReady = { send: [], completed: [], sessionLost: false, attach: undefined };
  /** For status: what happened that should not be common. */
  readonly counters = { retransmissions: 0, orderedReads: 0, lateRepliers: 0, disagreements: 0, sessions: 0 };

  constructor(private readonly options: ClientOptions) {
    const { slots } = options;
    assert(slots >= 1 && slots <= Limits.slotsPerSession, `${slots} slots`);
    this.slotSequences = new Array(slots).fill(0);
    this.freeSlots = [];
    this.session = { client: options.client, instance: 0 };
    this.nextReplier = 0;
    this.newSession(options.ports.newInstance());
  }

  /** @returns the number under which the call is reported as completed */
  submit(operation: Uint8Array, readOnly: boolean, deadlineMs: number): number {
    const { directReads } = this.options.configuration.optimizations;
    return this.enqueue(operation, CallKind.Service, readOnly && directReads, this.now + deadlineMs);
  }

  /** Ends the session at the service. */
  closeSession(deadlineMs: number): number {
    return this.enqueue(new Uint8Array(0), CallKind.CloseSession, false, this.now + deadlineMs);
  }

  private enqueue(operation: Uint8Array, kind: number, readOnly: boolean, deadline: number): number {
    const id = this.nextId++;
    this.waiting.push(this.newCall(id, operation, kind, readOnly, deadline));
    return id;
  }

  private newCall(id: number, operation: Uint8Array, kind: number, readOnly: boolean, deadline: number): PendingCall {
    return {
      id,
      operation,
      deadline,
      kind,
      readOnly,
      slot: -1,
      sequence: 0,
      request: undefined,
      votes: new ReplyVotes(this.options.ports.resultDigest),
      sentAt: 0,
      retransmitAt: 0,
      retransmitAfter: Timing.retransmitMs,
      agreedAt: undefined,
      abandoned: false,
    };
  }

  linkUp(replica: ReplicaId): void {
    this.linked.add(replica);
  }

  linkDown(replica: ReplicaId): void {
    this.linked.delete(replica);
  }

  advanceClock(now: number): void {
    this.now = now;
  }

  /** Whether there is something to close. */
  get hasSession(): boolean {
    return this.sessionState !== 'new';
  }

  /** Number of calls sent and not answered, abandoned ones included. */
  get outstanding(): number {
    return this.pending.size;
  }

  receive(reply: Reply, from: ReplicaId): void {
    if (reply.instance !== this.session.instance) return;
    this.learnView(reply.view, from);
    const call = this.pending.get(pendingKey(reply.slot, reply.sequence));
    if (call === undefined) return;
    call.votes.add(reply, from);
    this.evaluate(call);
  }

  /** The current view is one that f+1 replicas report, or have passed. */
  private learnView(view: View, from: ReplicaId): void {
    if (this.views[from] === view) return;
    this.views[from] = view;
    const reported = [...this.views].map((each) => each ?? 0).sort((a, b) => b - a);
    this.view = Math.max(this.view, reported[this.options.configuration.f] ?? 0);
  }

  private evaluate(call: PendingCall): void {
    const { quorum, n } = this.options.configuration;
    const agreed = call.votes.agreed(quorum);
    if (agreed !== undefined) {
      if (call.votes.dissenters(quorum).length > 0) this.counters.disagreements++;
      if (hasResult(agreed)) this.complete(call, agreed.status, agreed.result);
      else call.agreedAt ??= this.now;
      return;
    }
    if (!call.readOnly) return;
    let unheard = 0;
    for (let id = 0; id < n; id++) if (this.linked.has(id) && !call.votes.heard(id)) unheard++;
    if (!call.votes.possible(quorum, unheard)) this.orderRead(call);
  }

  private complete(call: PendingCall, status: number, result: Uint8Array | undefined): void {
    this.pending.delete(pendingKey(call.slot, call.sequence));
    if (call.kind === CallKind.OpenSession) return this.opened(status);
    if (status === ReplyStatus.NoSession && call.kind === CallKind.CloseSession) status = ReplyStatus.Ok;
    if (status === ReplyStatus.NotCached) {
      // Executed, and changed nothing: it may as well be executed again.
      this.release(call);
      this.again(call, false);
    } else if (status === ReplyStatus.Ok) {
      this.release(call);
      this.report(call, { kind: 'result', call: call.id, result: result ?? new Uint8Array(0) });
    } else {
      const detail = `the replicas answered with status ${status}`;
      this.report(call, { kind: 'failed', call: call.id, failure: 'session-lost', detail, final: true });
      this.sessionLost(detail);
    }
  }

  /** Once for each call; of one that failed at its deadline only that its outcome is final now. */
  private report(call: PendingCall, completion: Completion): void {
    this.ready.completed.push(call.abandoned ? { kind: 'settled', call: call.id } : completion);
  }

  private release(call: PendingCall): void {
    if (call.slot >= 0 && call.slot < this.options.slots) this.freeSlots.push(call.slot);
  }

  /** Sends the same operation once more, as a new call. */
  private again(call: PendingCall, readOnly: boolean): void {
    if (call.abandoned) return this.report(call, { kind: 'settled', call: call.id });
    this.waiting.unshift(this.newCall(call.id, call.operation, call.kind, readOnly, call.deadline));
  }

  private orderRead(call: PendingCall): void {
    this.counters.orderedReads++;
    this.pending.delete(pendingKey(call.slot, call.sequence));
    this.again(call, false);
  }

  private newSession(instance: number): void {
    this.session = { client: this.options.client, instance };
    this.sessionState = 'new';
    this.slotSequences.fill(0);
    this.freeSlots = this.slotSequences.map((_, slot) => slot).reverse();
    this.ready.attach = instance;
    this.counters.sessions++;
  }

  private opened(status: number): void {
    if (status === ReplyStatus.Ok) this.sessionState = 'open';
    else this.newSession(this.options.ports.newInstance());
  }

  /** The outcome of everything in flight is unknown and will never be known: it is reported, never retried. */
  private sessionLost(detail: string): void {
    for (const call of this.pending.values()) {
      this.report(call, { kind: 'failed', call: call.id, failure: 'session-lost', detail, final: true });
    }
    this.pending.clear();
    this.ready.sessionLost = true;
    this.newSession(this.options.ports.newInstance());
  }

  /** Retransmits, gives up waiting for late repliers and for deadlines. */
  tick(now: number): void {
    this.now = now;
    const resent = new Set<Request>();
    for (const call of [...this.pending.values()]) {
      if (call.deadline <= now && !call.abandoned) this.abandon(call);
      if (call.agreedAt !== undefined && now - call.agreedAt >= Timing.replierMs) this.askEveryone(call, resent);
      else if (call.readOnly && now - call.sentAt >= Timing.readMs) this.orderRead(call);
      else if (!call.readOnly && now >= call.retransmitAt) this.retransmit(call, resent);
    }
    const expired = this.waiting.filter((call) => call.deadline <= now);
    if (expired.length === 0) return;
    this.waiting = this.waiting.filter((call) => call.deadline > now);
    for (const call of expired) this.report(call, { kind: 'failed', call: call.id, failure: 'deadline', final: true });
  }

  private abandon(call: PendingCall): void {
    this.report(call, { kind: 'failed', call: call.id, failure: 'deadline', final: call.readOnly });
    call.abandoned = true;
    if (call.readOnly) this.pending.delete(pendingKey(call.slot, call.sequence));
  }

  private askEveryone(call: PendingCall, resent: Set<Request>): void {
    this.counters.lateRepliers++;
    const replier = call.request!.replier;
    if (replier !== EVERYONE) this.suspectedUntil[replier] = this.now + Timing.suspectedMs;
    call.agreedAt = undefined;
    if (!call.readOnly) return this.retransmit(call, resent);
    this.pending.delete(pendingKey(call.slot, call.sequence));
    this.again(call, true);
  }

  private retransmit(call: PendingCall, resent: Set<Request>): void {
    call.retransmitAt = this.now + call.retransmitAfter;
    call.retransmitAfter = Math.min(2 * call.retransmitAfter, Timing.retransmitMaxMs);
    const request = call.request!;
    if (resent.has(request)) return;
    resent.add(request);
    this.counters.retransmissions++;
    this.ready.send.push({ to: 'replicas', request });
  }

  /** Ends a turn: sends what was submitted in it, as few requests as will do. */
  takeReady(): ClientReady {
    if (this.waiting.length > 0) this.sendWaiting();
    const { ready } = this;
    this.ready = { send: [], completed: [], sessionLost: false, attach: undefined };
    return ready;
  }

  private sendWaiting(): void {
    if (this.sessionState === 'new') this.openSession();
    if (this.sessionState !== 'open') return;
    const reads: PendingCall[] = [];
    const ordered: PendingCall[] = [];
    const rest: PendingCall[] = [];
    for (const call of this.waiting) {
      if (call.readOnly) reads.push(call);
      else if (call.kind === CallKind.CloseSession) ordered.push(this.assign(call, SESSION_SLOT, this.nextSequence++));
      else if (this.freeSlots.length > 0) {
        const slot = this.freeSlots.pop()!;
        ordered.push(this.assign(call, slot, ++this.slotSequences[slot]));
      } else rest.push(call);
    }
    this.waiting = rest;
    for (const call of reads) this.assign(call, READ_ONLY_SLOT, this.nextSequence++);
    for (const calls of intoRequests(reads, Limits.callsPerRequest)) this.send(calls, true, 'replicas');
    const { configuration } = this.options;
    const primary = configuration.primary(this.view);
    const most = configuration.optimizations.batching ? Limits.callsPerRequest : 1;
    for (const calls of intoRequests(ordered, most)) this.send(calls, false, primary);
  }

  private assign(call: PendingCall, slot: number, sequence: number): PendingCall {
    call.slot = slot;
    call.sequence = sequence;
    return call;
  }

  private openSession(): void {
    this.sessionState = 'opening';
    const operation = openSessionOperation(this.options.slots);
    const call = this.newCall(0, operation, CallKind.OpenSession, false, Number.POSITIVE_INFINITY);
    this.assign(call, SESSION_SLOT, this.nextSequence++);
    this.send([call], false, 'replicas');
  }

  private send(calls: PendingCall[], readOnly: boolean, to: ReplicaId | 'replicas'): void {
    const request = this.options.ports.seal({
      session: this.session,
      readOnly,
      replier: this.designateReplier(),
      calls: calls.map(({ kind, slot, sequence, operation }) => ({ kind, slot, sequence, operation })),
    });
    for (const call of calls) {
      call.request = request;
      call.sentAt = this.now;
      call.retransmitAt = this.now + call.retransmitAfter;
      this.pending.set(pendingKey(call.slot, call.sequence), call);
    }
    const { separateRequests } = this.options.configuration.optimizations;
    this.ready.send.push({ to: separateRequests && isLarge(request) ? 'replicas' : to, request });
  }

  /** Each replica in turn, but for those that cannot be reached or were late or wrong a moment ago. */
  private designateReplier(): number {
    const { n } = this.options.configuration;
    for (let tries = 0; tries < n; tries++) {
      const replica = this.nextReplier;
      this.nextReplier = (this.nextReplier + 1) % n;
      if (this.linked.has(replica) && (this.suspectedUntil[replica] ?? 0) <= this.now) return replica;
    }
    return EVERYONE;
  }
}

const pendingKey = (slot: number, sequence: number): string => `${slot}/${sequence}`;

/** Splits a turn's calls so that no request is over its limits, nor over so many, and large ones can be pipelined. */
function* intoRequests(calls: PendingCall[], most: number): Generator<PendingCall[]> {
  let request: PendingCall[] = [];
  let bytes = 0;
  for (const call of calls) {
    const full = request.length >= most || bytes + call.operation.length > REQUEST_BYTES_GOAL;
    if (full && request.length > 0) {
      yield request;
      request = [];
      bytes = 0;
    }
    request.push(call);
    bytes += call.operation.length;
  }
  if (request.length > 0) yield request;
}
