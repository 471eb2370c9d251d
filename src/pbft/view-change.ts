import { assert, Limits } from '../limits.js';
import type { Checkpointing } from './checkpointing.js';
import { type Core, isDesignated, mayVote } from './core.js';
import type { Execution } from './execution.js';
import { incarnationOf } from './incarnation.js';
import type { NewView, OrderedBatch, ReplicaId, SequenceNumber, Status, View, ViewChange } from './messages.js';
import type { NormalCase } from './normal-case.js';
import type { RequestTimer } from './request-timer.js';
import type { Requests } from './requests.js';
import { type Selection, select } from './selection.js';
import { isViewChange, selectionOf } from './view-change-validity.js';

/** How long a primary is named for what may have been the network's fault. */
const BLAME_MS = 60_000;

/** View-changes and new-views of one replica that are looked at between two ticks: each costs several signatures. */
const LOOKED_AT_PER_TICK = 4;

export interface Rooms {
  execution: Execution;
  checkpointing: Checkpointing;
  normalCase: NormalCase;
  requests: Requests;
  timer: RequestTimer;
  /** Asks the others for contents that are missing. */
  fetch(): void;
  sendStatus(): void;
  /** This replica signed what it has no record of. */
  onForgotten(): void;
}

/** How a view is left, and the next one begun (TOCS '02 §4.4 and §4.5, DESIGN 3.4). */
export class ViewChanges {
  /** The latest valid view-change of each replica, this one's too. */
  private readonly received: (ViewChange | undefined)[] = [];
  /** Of the highest view this replica knows to have begun. */
  private latest: NewView | undefined;
  /** What this replica, primary of a view that has yet to begin, will begin it with once it holds all contents. */
  private pending: { viewChanges: ViewChange[]; selection: Selection } | undefined;
  private lookedAt: number[] = [];
  /** What this replica has against the primary of the current view … */
  private complaint: string | undefined;
  /** A view whose primary says that it recovers. */
  private silentIn: View | undefined;
  /** … and who else has something. */
  private readonly dissatisfiedOthers = new Set<ReplicaId>();
  /** Who is in a higher view: to one that has a complaint of its own they count as others that have. */
  private readonly gone = new Set<ReplicaId>();
  private readonly blamed = new Map<ReplicaId, { why: string; until: number }>();

  constructor(
    private readonly core: Core,
    private readonly rooms: Rooms,
  ) {}

  tick(): void {
    this.lookedAt = [];
    if (this.core.recovering) return;
    if (!this.core.active) {
      if (this.rooms.timer.expired) this.giveUp('no new-view in time');
      return;
    }
    const before = this.complaint;
    // Who waits for the state cannot judge how fast requests are executed.
    const awaitsState = this.core.decided && this.rooms.execution.isSuspended;
    this.complaint = awaitsState ? undefined : this.grievance();
    if (this.complaint !== undefined && before === undefined) this.rooms.sendStatus();
    this.leaveIfShared();
  }

  /** How the primary fails this replica, if it does. */
  private grievance(): string | undefined {
    const { timer, requests } = this.rooms;
    if (this.silentIn === this.core.view) return 'the primary recovers';
    if (timer.tooSlow) return 'waiting requests are executed slowly';
    if (timer.stuck) return 'a batch did not commit in time';
    if (!timer.expired) return undefined;
    // Only for what is genuine and still to be had.
    requests.dropSettled();
    requests.verifyWaiting();
    timer.dropped();
    return timer.expired ? 'a waiting request was not executed in time' : undefined;
  }

  /** Whether this replica has a complaint of the primary, for its STATUS. */
  get dissatisfied(): boolean {
    return this.complaint !== undefined;
  }

  /** What another replica's STATUS says of the primary. */
  onComplaint(from: ReplicaId, { view, active, dissatisfied, recovering }: Status): void {
    // It orders nothing in this view any more, and if nobody asks for anything no timer would tell (recovery.ts).
    if (recovering && from === this.core.configuration.primary(this.core.view)) this.silentIn = this.core.view;
    if (!dissatisfied || !active || view !== this.core.view) this.dissatisfiedOthers.delete(from);
    else if (this.core.active) this.dissatisfiedOthers.add(from);
    // It will not come back to this view, whatever made it leave.
    if (view > this.core.view) this.gone.add(from);
    else this.gone.delete(from);
    this.leaveIfShared();
  }

  /**
   * A view is left by f+1 together, one of them correct. If a replica left alone, for what may be its own lag, the view
   * would go on without it, and it would be missing where every correct one is needed.
   */
  private leaveIfShared(): void {
    const { core, complaint } = this;
    const complaints = this.dissatisfiedOthers.size + (complaint === undefined ? 0 : 1 + this.gone.size);
    if (core.active && !core.recovering && complaints >= core.configuration.weakQuorum)
      this.giveUp(complaint ?? 'f+1 others complain of it');
  }

  private giveUp(why: string): void {
    const { core } = this;
    core.outbox.reject(why);
    // One that says it recovers is not at fault.
    if (this.silentIn !== core.view) {
      this.blamed.set(core.configuration.primary(core.view), { why, until: core.now + BLAME_MS });
    }
    this.start(core.view + 1);
  }

  /** Primaries that this replica gave up a moment ago, and why. */
  blames(): { replica: ReplicaId; why: string }[] {
    const recent = [...this.blamed].filter(([, { until }]) => until > this.core.now);
    return recent.map(([replica, { why }]) => ({ replica, why }));
  }

  /** Leaves the current view for a higher one, in which this replica has a voice. */
  private start(asked: View): void {
    const { core, rooms } = this;
    const view = Math.max(asked, core.votesFrom);
    const { id } = core.configuration;
    assert(view > core.view, `view ${view} does not follow ${core.view}`);
    this.leaveFor(view);
    rooms.timer.leftView();
    rooms.requests.verifyWaiting();
    const unsigned = { kind: 'view-change', view, replica: id, ...this.seen() } as const;
    const message: ViewChange = { ...unsigned, signature: core.authentication.signViewChange(unsigned) };
    this.received[id] = message;
    core.outbox.persist({ kind: 'view-change', message });
    core.outbox.send('replicas', message);
    // What it settled is not in our P and Q any more: that must not stay our secret.
    if (this.latest !== undefined) core.outbox.send('replicas', this.latest);
    this.proceed();
  }

  private leaveFor(view: View): void {
    const { core, rooms } = this;
    rooms.execution.leaveView();
    rooms.normalCase.leaveView();
    core.view = view;
    core.active = false;
    core.tally.viewChanges++;
    this.pending = undefined;
    this.complaint = undefined;
    this.dissatisfiedOthers.clear();
    this.gone.clear();
    core.queue.viewEnded();
  }

  /** h with its proof, P and Q. */
  private seen(): Pick<ViewChange, 'certificate' | 'prepared' | 'prePrepared'> {
    const { certificate } = this.rooms.checkpointing;
    const low = this.rooms.checkpointing.certified;
    const prepared: OrderedBatch[] = [];
    const prePrepared: OrderedBatch[] = [];
    for (const entry of this.core.log.inOrder(low + 1)) {
      const { sequence } = entry;
      const { lastPrepared, everPrePrepared } = entry.votesToTell;
      assert(
        everPrePrepared.length <= Limits.prePreparedPerNumber,
        'a new-view settles what was pre-prepared before it',
      );
      if (lastPrepared !== undefined) prepared.push({ sequence, ...lastPrepared });
      for (const each of everPrePrepared) prePrepared.push({ sequence, ...each });
    }
    return { certificate, prepared, prePrepared };
  }

  onViewChange(message: ViewChange, from: ReplicaId): void {
    const { core } = this;
    if (message.replica !== from) return core.outbox.suspect(from, "another replica's view-change");
    const { view } = message;
    if (incarnationOf(view) !== core.incarnation) return core.outbox.reject('view-change of another incarnation');
    if (view <= (this.received[from]?.view ?? 0)) return;
    if (view < core.view || (view === core.view && core.active)) return core.outbox.reject('view-change for the past');
    if (!this.mayLookAt(from)) return core.outbox.reject('too many view-changes of one replica');
    if (!isViewChange(message, core.configuration, core.authentication)) {
      return core.outbox.suspect(from, 'invalid view-change');
    }
    this.received[from] = message;
    if (message.certificate !== undefined) this.rooms.checkpointing.adopt(message.certificate);
    this.join();
    this.proceed();
  }

  private mayLookAt(from: ReplicaId): boolean {
    this.lookedAt[from] = (this.lookedAt[from] ?? 0) + 1;
    return this.lookedAt[from] <= LOOKED_AT_PER_TICK;
  }

  /** f+1 others, one of them correct, are in higher views: follows to the highest that so many have reached. */
  private join(): void {
    const { core } = this;
    const { id, weakQuorum } = core.configuration;
    const higher: View[] = [];
    this.received.forEach((message, replica) => {
      if (message !== undefined && replica !== id && message.view > core.view) higher.push(message.view);
    });
    if (core.recovering || higher.length < weakQuorum) return;
    higher.sort((a, b) => b - a);
    this.start(higher[weakQuorum - 1]);
  }

  /** Whose view-changes for the current view are here: bit i for replica i. */
  get mask(): number {
    let mask = 0;
    this.received.forEach((message, replica) => {
      if (message?.view === this.core.view) mask |= 1 << replica;
    });
    return mask;
  }

  /** 2f+1 ask for the view: its primary begins it, the others give the primary a time to do so. */
  private proceed(): void {
    const { core, rooms } = this;
    if (core.active) return;
    // Whoever has gone further waits for this view no more, but has asked for it or something later all the same.
    const reached = this.received.filter((message) => message !== undefined && message.view >= core.view);
    if (reached.length >= core.configuration.quorum) rooms.timer.awaitNewView();
    if (!isDesignated(core) || !mayVote(core) || this.pending !== undefined) return this.beginIfComplete();
    const viewChanges = reached.filter((message) => message?.view === core.view) as ViewChange[];
    const selection = select(viewChanges, core.configuration);
    if (selection === undefined) return;
    this.pending = { viewChanges, selection };
    this.beginIfComplete();
  }

  /** Primary: begins the view, once every content that it re-proposes is held here (condition A3). */
  beginIfComplete(): void {
    const { pending, core } = this;
    if (pending === undefined) return;
    const { start, chosen } = pending.selection;
    let missing = false;
    chosen.forEach((digest, index) => {
      const sequence = start + 1 + index;
      if (digest === undefined || !core.log.recordable(sequence)) return;
      const entry = core.log.entry(sequence, core.now);
      if (this.rooms.normalCase.holds(entry, digest)) return;
      entry.wanted = digest;
      missing = true;
    });
    if (missing) return this.rooms.fetch();
    const { view } = core;
    const { viewChanges } = pending;
    const signature = core.authentication.signNewView(view, viewChanges);
    const message: NewView = { kind: 'new-view', view, viewChanges, signature };
    core.outbox.send('replicas', message);
    this.enter(message, pending.selection);
  }

  /** From its primary, or passed on by anyone who is in the view. */
  onNewView(message: NewView, from: ReplicaId): void {
    const { core } = this;
    const { view } = message;
    if (incarnationOf(view) !== core.incarnation) return core.outbox.reject('new-view of another incarnation');
    if (view <= (this.latest?.view ?? 0)) return;
    if (!this.mayLookAt(from)) return core.outbox.reject('too many view-changes of one replica');
    const selection = selectionOf(message, core.configuration, core.authentication);
    if (selection === undefined) return core.outbox.suspect(from, 'invalid new-view');
    if (this.hasForgotten(message)) this.rooms.onForgotten();
    if (view < core.view) this.settle(message, selection);
    else {
      if (view > core.view) this.leaveFor(view);
      this.enter(message, selection);
    }
  }

  /** Whether a view-change of this replica's own is in it that is not on record: its disk went back (see `Checkpointing`). */
  private hasForgotten({ view, viewChanges }: NewView): boolean {
    const { core } = this;
    const { id } = core.configuration;
    // What it may have asked for before it forgot, as one that recovers or has recovered, is no news.
    if (core.recovering || view <= Math.max(this.received[id]?.view ?? 0, core.votesFrom)) return false;
    return viewChanges.some(({ replica }) => replica === id);
  }

  /** A view that began without this replica, which has left it behind: it decides all the same what is moot by now. */
  private settle(message: NewView, { start, chosen }: Selection): void {
    const { core } = this;
    this.latest = message;
    core.outbox.persist({ kind: 'new-view', message });
    this.settleEntries(message.view, start, chosen);
  }

  private settleEntries(view: View, start: SequenceNumber, chosen: Selection['chosen']): void {
    const { log } = this.core;
    for (const entry of log.inOrder(start + 1)) {
      const digest = this.rooms.normalCase.digestOf(chosen, entry.sequence - start - 1);
      entry.settle(view, digest);
    }
  }

  private enter(message: NewView, selection: Selection): void {
    const { core, rooms } = this;
    const { start, chosen, certificate } = selection;
    this.settle(message, selection);
    if (certificate !== undefined) rooms.checkpointing.adopt(certificate);
    core.active = true;
    this.pending = undefined;
    rooms.normalCase.enterView(selection);
    // What was answered in earlier views is among these: nothing is read before they are executed again.
    rooms.execution.holdReadsUntil(start + chosen.length);
    rooms.normalCase.resume();
    rooms.requests.enteredView();
    rooms.timer.enteredView();
    rooms.fetch();
  }

  /** Sends a replica that is not as far as this one what takes it there (trap 8). */
  help(to: ReplicaId, view: View, active: boolean, mask: number): void {
    const { core, latest } = this;
    const { id } = core.configuration;
    if (view > core.view || (view === core.view && active)) return;
    if (latest !== undefined && latest.view >= view) core.outbox.send(to, latest);
    const own = this.received[id];
    if (core.active || own?.view !== core.view) return;
    if (view < core.view || (mask & (1 << id)) === 0) core.outbox.send(to, own);
  }

  /** What the journal held, in the order it was written. */
  restoreViewChange(message: ViewChange): void {
    this.received[message.replica] = message;
    if (message.view > this.core.view) this.leaveFor(message.view);
  }

  restoreNewView(message: NewView): void {
    const { core } = this;
    if (message.view < (this.latest?.view ?? 0)) return;
    const selection = select(message.viewChanges, core.configuration);
    assert(selection !== undefined, 'a new-view on record is a valid one');
    this.latest = message;
    this.settleEntries(message.view, selection.start, selection.chosen);
    if (message.view < core.view) return;
    if (message.view > core.view) this.leaveFor(message.view);
    core.active = true;
  }

  /** What the current view began with, if it began here. */
  get begun(): Selection | undefined {
    const { core, latest } = this;
    return core.active && latest?.view === core.view ? select(latest.viewChanges, core.configuration) : undefined;
  }
}
