import { assert, Limits } from '../limits.js';
import { isLarge } from './bodies.js';
import { intoRequests, type PendingCall, pendingKey } from './client-calls.js';
import { KnownReplicas } from './client-replicas.js';
import type { Configuration } from './configuration.js';
import { incarnationOf } from './incarnation.js';
import {
  type Call,
  CallKind,
  type Digest,
  READ_ONLY_SLOT,
  type ReplicaId,
  type Reply,
  ReplyStatus,
  type Request,
  SESSION_SLOT,
  type SessionId,
} from './messages.js';
import { type Agreed, hasResult, ReplyVotes } from './reply-votes.js';
import { ResponseTime } from './response-time.js';
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

export type CallFailure = 'deadline' | 'session-lost' | 'revoked';

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
  /**
   * That is because the group has begun this incarnation: it went back to what was synced, and what it had answered
   * for since is lost. No result of an earlier one comes with or after it, none of this one before it.
   */
  incarnation: number | undefined;
  /** The instance changed: tell every replica before anything else. */
  attach: number | undefined;
  /** This client was revoked, as f+1 replicas say: no call is executed any more. Told once. */
  revoked: boolean;
}

const Timing = {
  retransmitMs: 250,
  retransmitMaxMs: 4000,
  /** A designated replier is late after this long. */
  replierMs: 60,
  /** A read without a quorum by then is ordered. A quorum of correct replicas is enough: no faulty one can stretch it. */
  read: { initial: 100, least: 100, most: 1000 },
  /**
   * Large ordered requests, which cost too much to be sent again only because much is asked of the replicas (RFC 6298
   * §2.1 has one second at first). Small ones are sent again at a fixed time, so that no primary can get clients used to
   * delays; what it can gain with large ones is bounded.
   */
  large: { initial: 1000, least: 250, most: 2000 },
} as const;

const nothing = (): ClientReady => ({
  send: [],
  completed: [],
  sessionLost: false,
  incarnation: undefined,
  attach: undefined,
  revoked: false,
});

type KindOfCall = Pick<PendingCall, 'kind' | 'query' | 'readOnly'>;

const OPEN_SESSION: KindOfCall = { kind: CallKind.OpenSession, query: false, readOnly: false };
const CLOSE_SESSION: KindOfCall = { kind: CallKind.CloseSession, query: false, readOnly: false };
const NOTHING = new Uint8Array(0);

/** Of the calls that open sessions: nobody is told of their results. */
const OWN = 0;

/** A client as a pure state machine: calls, replies and time go in; requests and results come out. */
export class Client {
  private session: SessionId;
  private sessionState: 'new' | 'opening' | 'open' = 'new';
  /** That of the group whose history results are of. The first one is adopted with the session opened in it. */
  private incarnation: number | undefined;
  private nextId = 1;
  private nextSequence = 1;
  private now = 0;
  private readonly replicas: KnownReplicas;
  private readonly readTime = new ResponseTime(Timing.read);
  private readonly largeTime = new ResponseTime(Timing.large);
  /** Replicas that say that this client was revoked. */
  private readonly revokedAt = new Set<ReplicaId>();
  /** A link went down, and none has come up since. */
  private unlinked = false;
  /** Ordered calls without a slot, and reads, that have yet to be sent. */
  private waiting: PendingCall[] = [];
  private readonly slotSequences: number[];
  private freeSlots: number[];
  /** Sent and not yet answered, by slot and sequence number. */
  private readonly pending = new Map<string, PendingCall>();
  private ready = nothing();
  /** For status: what happened that should not be common. */
  readonly counters = {
    ...{ retransmissions: 0, orderedReads: 0, lateRepliers: 0, disagreements: 0, sessions: 0 },
    /** New incarnations of the group since the first one seen. */
    incarnations: 0,
  };

  constructor(private readonly options: ClientOptions) {
    const { slots } = options;
    assert(slots >= 1 && slots <= Limits.slotsPerSession, `${slots} slots`);
    this.slotSequences = new Array(slots).fill(0);
    this.freeSlots = [];
    this.session = { client: options.client, instance: 0 };
    this.replicas = new KnownReplicas(options.configuration);
    this.newSession(options.ports.newInstance());
  }

  /** @returns the number under which the call is reported as completed */
  submit(operation: Uint8Array, readOnly: boolean, deadlineMs: number): number {
    const { directReads } = this.options.configuration.optimizations;
    const kind = { kind: CallKind.Service, query: readOnly, readOnly: readOnly && directReads };
    return this.enqueue(operation, kind, this.now + deadlineMs);
  }

  /** Ends the session at the service. */
  closeSession(deadlineMs: number): number {
    return this.enqueue(NOTHING, CLOSE_SESSION, this.now + deadlineMs);
  }

  private enqueue(operation: Uint8Array, kind: KindOfCall, deadline: number): number {
    const id = this.nextId++;
    this.waiting.push(this.newCall(id, operation, kind, deadline));
    return id;
  }

  private newCall(id: number, operation: Uint8Array, kind: KindOfCall, deadline: number): PendingCall {
    return {
      id,
      operation,
      deadline,
      ...kind,
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
    this.replicas.linkUp(replica);
    if (this.unlinked) this.askForSession();
    this.unlinked = false;
  }

  linkDown(replica: ReplicaId): void {
    this.replicas.linkDown(replica);
    this.unlinked = true;
  }

  advanceClock(now: number): void {
    this.now = now;
  }

  /** Whether there is something to close. */
  get hasSession(): boolean {
    return this.sessionState !== 'new';
  }

  /** The incarnation of the group, as far as it is known: undefined before a session is open. */
  get knownIncarnation(): number | undefined {
    return this.incarnation;
  }

  /** Number of calls sent and not answered, abandoned ones included. */
  get outstanding(): number {
    return this.pending.size;
  }

  receive(reply: Reply, from: ReplicaId): void {
    if (reply.instance !== this.session.instance) return;
    this.replicas.learnView(reply.view, from);
    const call = this.pending.get(pendingKey(reply.slot, reply.sequence));
    if (call === undefined) return;
    call.votes.add(reply, from);
    this.evaluate(call);
  }

  /** A replica says that this client has been revoked; one of f+1 who do is correct. */
  onRevoked(from: ReplicaId): void {
    if (this.isRevoked) return;
    this.revokedAt.add(from);
    if (!this.isRevoked) return;
    const before = [...this.pending.values()].filter(({ id }) => id !== OWN);
    this.pending.clear();
    this.ready.sessionLost = this.sessionState === 'open';
    this.ready.revoked = true;
    for (const call of before) this.refuse(call);
  }

  /** Whether no call will ever be executed again. */
  get isRevoked(): boolean {
    return this.revokedAt.size > this.options.configuration.f;
  }

  /** Of what was sent it is not known whether it was executed; it never will be. */
  private refuse(call: PendingCall): void {
    const detail = 'this client was revoked';
    this.report(call, { kind: 'failed', call: call.id, failure: 'revoked', detail, final: true });
  }

  private evaluate(call: PendingCall): void {
    const { quorum } = this.options.configuration;
    const agreed = call.votes.agreed(quorum);
    if (agreed !== undefined) {
      // Of a new one: answered anew once it is begun here. Of a former one: no 2f+1 can say that any more.
      if (agreed.incarnation !== (this.incarnation ?? agreed.incarnation)) return;
      if (call.votes.dissenters(quorum).length > 0) this.counters.disagreements++;
      if (hasResult(agreed)) this.complete(call, agreed);
      else call.agreedAt ??= this.now;
      return;
    }
    if (!call.readOnly) return;
    const unheard = this.replicas.unheard((replica) => call.votes.heard(replica));
    if (!call.votes.possible(quorum, unheard)) this.orderRead(call);
  }

  private complete(call: PendingCall, { incarnation, status, result }: Agreed): void {
    if (call.id === OWN) {
      this.pending.delete(pendingKey(call.slot, call.sequence));
      return this.opened(status, incarnation);
    }
    const executed = status === ReplyStatus.Ok || status === ReplyStatus.NotCached;
    const closed = status === ReplyStatus.NoSession && call.kind === CallKind.CloseSession;
    if (!executed && !closed) return this.sessionLost(`the replicas answered with status ${status}`);
    this.pending.delete(pendingKey(call.slot, call.sequence));
    if (call.readOnly) this.readTime.note((call.agreedAt ?? this.now) - call.sentAt);
    else if (isLarge(call.request!)) this.largeTime.note(this.now - call.sentAt);
    this.release(call);
    // Not cached: executed, and changed nothing, so that it may as well be executed again.
    if (status === ReplyStatus.NotCached) this.again(call, false);
    else this.report(call, { kind: 'result', call: call.id, result: result ?? NOTHING });
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
    const { id, operation, kind, query, deadline } = call;
    this.waiting.unshift(this.newCall(id, operation, { kind, query, readOnly }, deadline));
  }

  /** Whether it would have found its quorum is not known: the next ones are given longer, or else never would. */
  private giveUpRead(call: PendingCall): void {
    this.readTime.note(2 * (this.now - call.sentAt));
    this.orderRead(call);
  }

  private orderRead(call: PendingCall): void {
    this.counters.orderedReads++;
    this.pending.delete(pendingKey(call.slot, call.sequence));
    this.again(call, false);
  }

  private newSession(instance: number): void {
    this.session = { client: this.options.client, instance };
    this.ready.attach = instance;
    this.sessionState = 'new';
    this.slotSequences.fill(0);
    this.freeSlots = this.slotSequences.map((_, slot) => slot).reverse();
    this.counters.sessions++;
  }

  /**
   * Replicas that were away may have lost power, and more than f of them what they knew: a client that asks for nothing
   * would not hear of it. An open session is opened once more at no cost, and in whatever incarnation there is.
   */
  private askForSession(): void {
    const asking = [...this.pending.values()].some(({ id }) => id === OWN);
    if (this.sessionState === 'open' && !asking && !this.isRevoked) this.sendOpen();
  }

  private opened(status: number, incarnation: number): void {
    if (status !== ReplyStatus.Ok) {
      if (this.sessionState === 'open') this.sessionLost(`the replicas answered with status ${status}`);
      else this.newSession(this.options.ports.newInstance());
      return;
    }
    this.incarnation = incarnation;
    this.sessionState = 'open';
  }

  private sessionLost(detail: string): void {
    const inFlight = [...this.pending.values()];
    this.pending.clear();
    this.giveUp(inFlight, detail);
    this.newSession(this.options.ports.newInstance());
  }

  /** The outcome of changes is unknown and will never be known: they are reported, never retried. The rest is asked again. */
  private giveUp(calls: readonly PendingCall[], detail: string): void {
    for (const call of calls) {
      if (call.query) this.again(call, call.readOnly);
      else if (call.id !== OWN)
        this.report(call, { kind: 'failed', call: call.id, failure: 'session-lost', detail, final: true });
    }
    this.ready.sessionLost = true;
  }

  /** Whether f+1 replicas speak of an incarnation that has not begun here. */
  private get risen(): boolean {
    return this.incarnation !== undefined && incarnationOf(this.replicas.view) > this.incarnation;
  }

  /**
   * The group went back to what was synced, behind what it had answered. A change asked for before that is known here
   * rests on what may be gone, and fails, even if it was not sent; what of it survived, nobody is told. None of it is
   * executed later, by whoever kept a copy: all sessions ended with the incarnation before.
   */
  private beginIncarnation(incarnation: number): void {
    this.incarnation = incarnation;
    this.counters.incarnations++;
    this.ready.incarnation = incarnation;
    const before = [...this.pending.values(), ...this.waiting];
    this.pending.clear();
    this.waiting = [];
    this.giveUp(before, `the group has begun incarnation ${incarnation}: whether it has this change is not known`);
    this.newSession(this.options.ports.newInstance());
  }

  /** Retransmits, gives up waiting for late repliers and for deadlines. */
  tick(now: number): void {
    this.now = now;
    const resent = new Set<Request>();
    for (const call of [...this.pending.values()]) {
      if (call.deadline <= now && !call.abandoned) this.abandon(call);
      if (call.agreedAt !== undefined && now - call.agreedAt >= Timing.replierMs) this.askEveryone(call, resent);
      else if (call.readOnly && now - call.sentAt >= this.readTime.timeout) this.giveUpRead(call);
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
    this.replicas.suspect(call.request!.replier, this.now);
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
    // What was answered before is handed over before: the rest of the turn waits for the next.
    if (this.risen && this.ready.completed.length === 0) this.beginIncarnation(incarnationOf(this.replicas.view));
    if (!this.risen && this.waiting.length > 0) this.sendWaiting();
    const { ready } = this;
    this.ready = nothing();
    return ready;
  }

  private sendWaiting(): void {
    if (this.isRevoked) {
      for (const call of this.waiting.splice(0)) this.refuse(call);
      return;
    }
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
    const primary = configuration.primary(this.replicas.view);
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
    this.sendOpen();
  }

  private sendOpen(): void {
    const operation = openSessionOperation(this.options.slots, incarnationOf(this.replicas.view));
    const call = this.newCall(OWN, operation, OPEN_SESSION, Number.POSITIVE_INFINITY);
    this.send([this.assign(call, SESSION_SLOT, this.nextSequence++)], false, 'replicas');
  }

  private send(calls: PendingCall[], readOnly: boolean, to: ReplicaId | 'replicas'): void {
    const request = this.options.ports.seal({
      session: this.session,
      readOnly,
      replier: this.replicas.designateReplier(this.now),
      calls: calls.map(({ kind, slot, sequence, operation }) => ({ kind, slot, sequence, operation })),
    });
    const patience = !readOnly && isLarge(request) ? this.largeTime.timeout : Timing.retransmitMs;
    for (const call of calls) {
      call.request = request;
      call.sentAt = this.now;
      call.retransmitAfter = patience;
      call.retransmitAt = this.now + call.retransmitAfter;
      this.pending.set(pendingKey(call.slot, call.sequence), call);
    }
    const { separateRequests } = this.options.configuration.optimizations;
    this.ready.send.push({ to: separateRequests && isLarge(request) ? 'replicas' : to, request });
  }
}
