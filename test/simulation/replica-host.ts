import { Configuration, type Optimizations } from '../../src/pbft/configuration.js';
import type { ReplicaId, ReplicaMessage, Request, Timestamp } from '../../src/pbft/messages.js';
import type { JournalRecord } from '../../src/pbft/ports.js';
import type { Outgoing, OutgoingReply, Ready } from '../../src/pbft/ready.js';
import { Replica } from '../../src/pbft/replica.js';
import type { Behaviour, Puppeteer } from './byzantine/behaviour.js';
import { FakeAuthentication } from './fake-authentication.js';
import type { Address } from './network.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';
import type { SimulatedDisk, SimulatedState, Storage } from './storage.js';
import { Violation } from './violation.js';

/** What arrived by the time a turn of the event loop ends is in it; ms. */
const TURN_MS = 0.05;
/** The shell's timers. */
const COMMIT_MS = 100;
/** As src/steady-clock.ts: a turn never advances protocol time further than this. */
const MAX_STEP_MS = 50;
/** Simulated wall clocks begin here, seconds. */
const EPOCH_SECONDS = 1000;

/** What a host needs of the world around it. */
export interface Surroundings {
  readonly f: number;
  readonly optimizations: Readonly<Optimizations>;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly batchWindow: number;
  /** Whether records are flushed before what they allow is said (DESIGN 3.11). */
  readonly synced: boolean;
  storageOf(host: ReplicaHost): Storage;
  route(from: ReplicaHost, to: ReplicaId, message: ReplicaMessage): void;
  routeReply(from: ReplicaHost, outgoing: OutgoingReply): void;
  onRecords(host: ReplicaHost, records: readonly JournalRecord[]): void;
  onCommit(host: ReplicaHost, sequence: number, content: string, appended: readonly string[]): void;
  onRollback(host: ReplicaHost, sequence: number): void;
  onInstalled(host: ReplicaHost, sequence: number): void;
  onStopped(host: ReplicaHost, error: Error): void;
}

export interface HostClock {
  /** Of the wall clock, ms. */
  offset: number;
  /** Parts of a simulated millisecond that a local one is longer. */
  drift: number;
}

/** One replica's machine: process, disk and clocks; the shell that replica/server.ts is, in simulated time. */
export class ReplicaHost {
  replica: Replica | undefined;
  readonly state: SimulatedState;
  readonly disk: SimulatedDisk;
  private readonly configuration: Configuration;
  private readonly authentication: FakeAuthentication;
  private readonly puppeteer: Puppeteer;
  /** Of the process now alive: what was begun in another life must not go on in this one. */
  private life = 0;
  private scheduled = false;
  private steady = 0;
  private lastReal = 0;
  private stalledUntil = 0;
  private waiting: (() => void)[] = [];
  private flushedAt = 0;
  private nextCommitAt = 0;
  private lives = 0;
  private lostPower = false;
  /** It may have forgotten what it said, and counts against f until it is up to date (DESIGN 3.12). */
  forgetful = false;
  /** So too one whose disk went back in time; but it does not know. */
  wentBack = false;

  constructor(
    readonly id: ReplicaId,
    readonly address: Address,
    readonly name: string,
    readonly clock: HostClock,
    /** Empty for a correct replica. */
    readonly behaviours: readonly Behaviour[],
    /** Whether it counts against f. */
    public faulty: boolean,
    private readonly world: Surroundings,
  ) {
    this.configuration = new Configuration(world.f, id, world.optimizations);
    this.authentication = new FakeAuthentication(id);
    ({ state: this.state, disk: this.disk } = world.storageOf(this));
    this.state.onCommit = (sequence, content, appended) => world.onCommit(this, sequence, content, appended);
    this.state.onRollback = (sequence) => world.onRollback(this, sequence);
    this.state.onInstalled = (sequence) => world.onInstalled(this, sequence);
    this.puppeteer = {
      configuration: this.configuration,
      authentication: this.authentication,
      random: world.random,
      now: () => world.scheduler.now,
      send: (to, message) => world.route(this, to, message),
    };
  }

  get up(): boolean {
    return this.replica !== undefined;
  }

  start(): void {
    if (this.up) return;
    const { disk, state, world } = this;
    this.life++;
    this.scheduled = false;
    this.waiting = [];
    this.stalledUntil = 0;
    this.lastReal = world.scheduler.now;
    this.flushedAt = world.scheduler.now;
    this.guard(() => {
      // A state that was begun anew comes from others: there is nothing to be executed again.
      const isAnew = state.installed > state.lastExecuted;
      const recovered = disk.recover(isAnew ? disk.stable : Math.min(disk.stable, state.lastExecuted));
      if (this.lostPower && !world.synced) {
        const mark: JournalRecord = { kind: 'recovering', diskLost: false };
        disk.append([mark]);
        recovered.push(mark);
      }
      this.lostPower = false;
      // What a killed process wrote need not be on the disk, and what is said may rest on it.
      if (world.synced) this.flushedAt = this.flush();
      this.replica = new Replica({
        configuration: this.configuration,
        authentication: this.authentication,
        state,
        history: disk,
        recovered,
        synced: world.synced,
        life: ++this.lives,
        batchWindow: world.batchWindow,
      });
      this.advanceClock();
    });
    this.schedule();
  }

  /** SIGKILL: the disk keeps what was handed to the system, the state falls back to its last commit. */
  kill(): void {
    this.replica = undefined;
    this.life++;
    this.disk.kill();
    this.state.crash();
  }

  losePower(): void {
    this.kill();
    this.disk.losePower(this.world.random);
    this.state.losePower();
    this.lostPower = true;
    if (!this.world.synced) this.forgetful = true;
  }

  /** What the disk has now, the process being dead. @returns puts it back, as an operator may who means well */
  backUp(): () => void {
    const restores = [this.disk.backUp(), this.state.backUp()];
    return () => {
      for (const restore of restores) restore();
      this.forgetful = true;
      this.wentBack = true;
    };
  }

  /** The process stands still, as under SIGSTOP or in a long collection; its sockets fill. */
  stall(ms: number): void {
    if (!this.up) return;
    const { scheduler } = this.world;
    const { life } = this;
    this.stalledUntil = Math.max(this.stalledUntil, scheduler.now + ms);
    scheduler.after(ms, () => {
      if (life !== this.life || this.stalled) return;
      for (const input of this.waiting.splice(0)) input();
    });
  }

  private get stalled(): boolean {
    return this.world.scheduler.now < this.stalledUntil;
  }

  deliver(message: ReplicaMessage, from: ReplicaId): void {
    this.input(() => {
      this.replica?.receive(message, from);
      for (const behaviour of this.behaviours) behaviour.hear?.(message, from, this.puppeteer);
    });
  }

  deliverRequest(request: Request, client: number): void {
    this.input(() => this.replica?.receiveFromClient(request, client));
  }

  findDamage(): void {
    // Before there is a checkpoint, the shell begins the state anew.
    this.input(() => {
      if ((this.replica?.describe().stableCheckpoint ?? 0) === 0) return;
      this.state.decay?.();
      this.replica?.stateDamaged();
    });
  }

  linkUp(from: ReplicaId): void {
    this.input(() => this.replica?.linkUp(from));
  }

  private input(take: () => void): void {
    if (!this.up) return;
    if (this.stalled) {
      this.waiting.push(() => this.input(take));
      return;
    }
    this.guard(take);
    if (!this.scheduled && this.replica?.hasReady) this.schedule();
  }

  private schedule(): void {
    const { life } = this;
    this.scheduled = true;
    this.world.scheduler.after(TURN_MS, () => {
      if (life !== this.life) return;
      this.scheduled = false;
      if (this.stalled) {
        this.waiting.push(() => this.schedule());
        return;
      }
      this.advanceClock();
      this.turn();
    });
  }

  wallClock(): Timestamp {
    const { now } = this.world.scheduler;
    const ms = now + this.clock.offset + now * this.clock.drift;
    const seconds = Math.floor(ms / 1000);
    return { seconds: EPOCH_SECONDS + seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1000) * 1000 };
  }

  private steadyNow(): number {
    const { now } = this.world.scheduler;
    this.steady += Math.min((now - this.lastReal) * (1 + this.clock.drift), MAX_STEP_MS);
    this.lastReal = now;
    return this.steady;
  }

  private advanceClock(): void {
    this.replica?.advanceClock(this.steadyNow(), this.wallClock());
  }

  tick(): void {
    if (!this.up || this.stalled) return;
    const { now } = this.world.scheduler;
    this.guard(() => this.replica!.tick(this.steadyNow(), this.wallClock()));
    this.turn();
    for (const behaviour of this.behaviours) behaviour.tick?.(this.puppeteer);
    if (now >= this.nextCommitAt) {
      this.nextCommitAt = now + COMMIT_MS;
      this.guard(() => {
        this.disk.append([]);
        if (this.world.synced) this.disk.flush();
        this.state.commit(this.world.random.chance(0.2));
        const settled = this.replica?.describe().settled ?? 0;
        this.disk.prune?.(Math.min(settled, this.state.flushedUpTo));
      });
    }
  }

  /** Does what the state machine wants done, in the order its contract demands. */
  private turn(): void {
    this.guard(() => {
      const ready = this.replica?.takeReady();
      if (ready !== undefined) this.carryOut(ready);
    });
    if (!this.scheduled && this.replica?.hasReady) this.schedule();
  }

  private carryOut(ready: Ready): void {
    const { disk, world } = this;
    if (ready.notes.length > 0) {
      world.onRecords(this, ready.notes);
      disk.note(ready.notes);
    }
    if (ready.persist.length > 0) {
      world.onRecords(this, ready.persist);
      disk.append(ready.persist);
      if (world.synced) this.flushedAt = this.flush();
    }
    if (ready.flush !== undefined) {
      const number = ready.flush;
      disk.append([]);
      this.whenFlushed(this.flush(), () => this.input(() => this.replica?.flushed(number)));
    }
    if (!world.synced) return this.say(ready.send, ready.replies);
    this.whenFlushed(this.flushedAt, () => this.say(ready.send, ready.replies));
  }

  /** @returns when all that is appended now will be on stable storage */
  private flush(): number {
    const { scheduler, random } = this.world;
    const { life, disk } = this;
    const { length } = disk;
    const at = Math.max(this.flushedAt, scheduler.now) + random.between(0.1, 3);
    scheduler.after(at - scheduler.now, () => {
      if (life === this.life) disk.flush(length);
    });
    return at;
  }

  private whenFlushed(at: number, action: () => void): void {
    const { scheduler } = this.world;
    if (at <= scheduler.now) return action();
    const { life } = this;
    scheduler.after(at - scheduler.now, () => {
      if (life === this.life) this.guard(action);
    });
  }

  private say(messages: readonly Outgoing[], replies: readonly OutgoingReply[]): void {
    for (const outgoing of replies) this.reply(outgoing);
    for (const { to, message } of messages) {
      if (to !== 'replicas') this.send(to, message);
      else for (let other = 0; other < this.configuration.n; other++) this.send(other, message);
    }
  }

  private send(to: ReplicaId, message: ReplicaMessage): void {
    if (to === this.id) return;
    let messages = [message];
    for (const { send } of this.behaviours) {
      if (send !== undefined) messages = messages.flatMap((each) => send(each, to, this.puppeteer));
    }
    for (const each of messages) this.world.route(this, to, each);
  }

  private reply(outgoing: OutgoingReply): void {
    let replies = [outgoing.reply];
    for (const { reply } of this.behaviours) {
      if (reply !== undefined) replies = replies.flatMap((each) => reply(each, this.puppeteer));
    }
    for (const reply of replies) this.world.routeReply(this, { ...outgoing, reply });
  }

  /** As the shell: whatever is thrown stops this replica. */
  private guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof Violation) throw error;
      this.kill();
      this.world.onStopped(this, error as Error);
    }
  }
}
