import { Limits } from '../../src/limits.js';
import { isWhole } from '../../src/pbft/bodies.js';
import { ALL_OPTIMIZATIONS, Configuration, type Optimizations } from '../../src/pbft/configuration.js';
import { digestKey } from '../../src/pbft/digests.js';
import { incarnationOf } from '../../src/pbft/incarnation.js';
import type { Message, NewView, ReplicaId, ReplicaMessage, Reply, Request } from '../../src/pbft/messages.js';
import type { JournalRecord } from '../../src/pbft/ports.js';
import type { OutgoingReply } from '../../src/pbft/ready.js';
import type { Behaviour } from './byzantine/behaviour.js';
import { ByzantineClient } from './byzantine/clients.js';
import { Agreement } from './checkers/agreement.js';
import { checkDurability } from './checkers/durability.js';
import { Eras } from './checkers/eras.js';
import { beginsAfter, Executions } from './checkers/executions.js';
import { type Invocation, Invocations } from './checkers/invocations.js';
import { ClientHost } from './client-host.js';
import { Disk } from './disk.js';
import { plainForm, setForm } from './fake-authentication.js';
import { MemoryState } from './memory-state.js';
import { type Address, FAIR, FIRST_CLIENT, Network, type Weather } from './network.js';
import { type SmallLimits, setProtocolLimits } from './protocol-limits.js';
import { Random } from './random.js';
import { RealStorage } from './real/storage.js';
import { Wire, wireForm } from './real/wire.js';
import { ReplicaHost, type Surroundings } from './replica-host.js';
import { Scheduler } from './scheduler.js';
import { Statistics } from './statistics.js';
import type { Storage, Write } from './storage.js';
import { Transcript } from './transcript.js';
import { Violation } from './violation.js';

const TICK_MS = 20;
const MEMORY_CHECK_MS = 1000;
/** Which of two twins hears a sender changes this often, ms. */
const TWIN_PERIOD_MS = 400;
const MESSAGES_UNDER_WAY = 100_000;
/** Clocks may have been stepped back since a time was accepted. */
const CLOCK_STEP_SECONDS = 5;

/** Whether a message from one process to another is lost: what an adversary does who reads along. */
export type Censor = (message: ReplicaMessage | Reply, from: Address, to: Address) => boolean;

export interface WorldOptions {
  seed: number;
  f: number;
  clients: number;
  weather?: Weather;
  batchWindow?: number;
  synced?: boolean;
  limits?: SmallLimits;
  /** Default: all on. */
  optimizations?: Optimizations;
  /** Byzantine replicas, by id, and what they do. */
  behaviours?: ReadonlyMap<ReplicaId, readonly Behaviour[]>;
  /** Byzantine replicas that run twice, with one key. */
  twins?: readonly ReplicaId[];
  byzantineClients?: number;
  /** A correct replica that stops itself is not a violation: it stays down, and the others are judged. */
  tolerateStops?: boolean;
  /** State, journal and messages are the real ones: SQLite, files and bytes. Then the world is to be closed. */
  sqlite?: boolean;
  /** With `sqlite`, called before and after each write of a replica; what it throws is the death of the process. */
  onWrite?: (host: ReplicaHost, what: Write) => void;
  /** Prints the transcript as it comes. */
  verbose?: boolean;
}

/** How far agreed time may be from correct clocks, seconds. */
const timeBound = (): number => Limits.clockSkewMs / 1000 + CLOCK_STEP_SECONDS;

/** Replicas and clients, a network and a clock, all driven by one seed. */
export class World implements Surroundings {
  readonly f: number;
  readonly n: number;
  readonly synced: boolean;
  readonly batchWindow: number;
  readonly optimizations: Readonly<Optimizations>;
  readonly random: Random;
  readonly scheduler = new Scheduler();
  readonly network: Network;
  readonly hosts: ReplicaHost[] = [];
  readonly clients: ClientHost[] = [];
  readonly agreement = new Agreement();
  readonly invocations = new Invocations();
  readonly eras = new Eras(this.agreement, this.invocations);
  private readonly executions = new Executions(this.invocations);
  /** Where durable calls that were answered had been executed. */
  private readonly durable: number[] = [];
  readonly statistics = new Statistics();
  readonly transcript: Transcript;
  private readonly real: { storage: RealStorage; wire: Wire } | undefined;
  /** Correct replicas that stopped themselves, and why. */
  readonly stopped: string[] = [];
  private readonly byzantineClients: ByzantineClient[] = [];
  private readonly newViews = new Set<number>();
  /** View-changes that correct replicas put on record … */
  viewChanges = 0;
  /** … and those of them by which a view was left whose primary is correct. */
  correctPrimariesLeft = 0;
  /** The view that each process was in last. */
  private readonly views = new Map<Address, number>();
  readonly censors = new Set<Censor>();
  private readonly certified = new Set<number>();
  private lastInstance = 0;

  constructor(private readonly options: WorldOptions) {
    setProtocolLimits(options.limits ?? {});
    this.f = options.f;
    this.n = new Configuration(options.f, -1).n;
    this.synced = options.synced ?? false;
    if (options.sqlite) {
      const { f, n, synced } = this;
      const storage = new RealStorage({ seed: options.seed, f, n, synced, onWrite: options.onWrite });
      this.real = { storage, wire: new Wire(n) };
      this.statistics.sqliteWorlds++;
    }
    setForm(this.real === undefined ? plainForm : wireForm);
    this.batchWindow = options.batchWindow ?? 4;
    this.optimizations = options.optimizations ?? ALL_OPTIMIZATIONS;
    this.random = new Random(options.seed);
    this.network = new Network(this.scheduler, this.random);
    this.network.weather = options.weather ?? FAIR;
    this.transcript = new Transcript(options.verbose ?? false);
    for (let id = 0; id < this.n; id++) this.addHost(id, id, `r${id}`);
    for (const id of options.twins ?? []) this.addHost(id, this.hosts.length, `r${id}′`);
    for (let id = 0; id < options.clients; id++) this.addClient(id);
    for (let id = 0; id < (options.byzantineClients ?? 0); id++) this.addByzantineClient(options.clients + id);
    for (const host of this.hosts) host.start();
    this.scheduler.every(TICK_MS, () => this.tick());
    this.scheduler.every(MEMORY_CHECK_MS, () => this.checkMemory());
  }

  private addHost(id: ReplicaId, address: Address, name: string): void {
    const { options, random } = this;
    const behaviours = options.behaviours?.get(id) ?? [];
    const faulty = behaviours.length > 0 || (options.twins?.includes(id) ?? false);
    const clock = { offset: random.between(-50, 50), drift: random.between(-1e-4, 1e-4) };
    const title = `${name}${behaviours.map((behaviour) => ` (${behaviour.name})`).join('')}`;
    this.hosts.push(new ReplicaHost(id, address, title, clock, behaviours, faulty, this));
  }

  storageOf(host: ReplicaHost): Storage {
    return this.real?.storage.storageOf(host) ?? { state: new MemoryState(), disk: new Disk() };
  }

  /** Lets go of what the replicas keep. */
  close(): void {
    this.real?.storage.close();
  }

  private addClient(id: number): void {
    this.clients.push(
      new ClientHost(id, FIRST_CLIENT + id, {
        f: this.f,
        optimizations: this.optimizations,
        now: () => this.now,
        newInstance: () => this.newInstance(),
        incarnation: () => this.eras.incarnation,
        routeRequest: (from, client, to, request) => this.routeRequest(from, client, to, request),
      }),
    );
  }

  private addByzantineClient(id: number): void {
    this.byzantineClients.push(
      new ByzantineClient(id, {
        f: this.f,
        random: this.random,
        newInstance: () => this.newInstance(),
        incarnation: () => this.eras.incarnation,
        mayHappen: (operation) => {
          this.invocations.mayHappen(id, operation, this.now);
        },
        send: (client, to, request) => this.sendRequest(client, to, request),
      }),
    );
  }

  newInstance(): number {
    return ++this.lastInstance;
  }

  get now(): number {
    return this.scheduler.now;
  }

  get correctHosts(): ReplicaHost[] {
    return this.hosts.filter(({ faulty }) => !faulty);
  }

  get clientAddresses(): Address[] {
    return this.clients.map(({ address }) => address);
  }

  /** Of the view that most correct replicas are in, as far as one can tell from outside. */
  get primary(): ReplicaId {
    const views = this.correctHosts.map(({ replica }) => replica?.describe().view ?? 0).sort((a, b) => a - b);
    return views[Math.floor(views.length / 2)] % this.n;
  }

  /** Calls the service; invocation and response are recorded. `onResult` is told when the response is there. */
  call(client: number, operation: string, readOnly = false, onResult?: () => void): Invocation {
    const invocation = this.invocations.invoked(client, operation, this.now);
    this.clients[client].call(operation, readOnly, (result) => {
      if (result === undefined) this.invocations.abandoned(invocation);
      else this.invocations.returned(invocation, result, this.now);
      if (invocation.verb === 'sync' && result !== undefined) this.checkDurable(operation);
      onResult?.();
    });
    return invocation;
  }

  private checkDurable(operation: string): void {
    this.statistics.durableReplies++;
    const sequence = this.agreement.sequenceOf(operation);
    this.durable.push(sequence ?? 0);
    checkDurability(operation, sequence, this.correctHosts, new Configuration(this.f, -1), !this.synced);
  }

  /** Byzantine clients say no more: while they do, there is always something under way. */
  silenceByzantineClients(): void {
    this.byzantineClients.length = 0;
  }

  private tick(): void {
    for (const host of this.hosts) host.tick();
    for (const client of this.clients) client.tick();
    for (const client of this.byzantineClients) client.tick();
  }

  /** Lets so many simulated milliseconds pass. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.scheduler.step(end));
    this.scheduler.now = end;
  }

  /** Lets time pass until the condition holds. @returns whether it did, within that many milliseconds */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    const end = this.now + limitMs;
    while (!condition()) if (!this.scheduler.step(end)) return condition();
    return true;
  }

  /** Replicas that answer answers would fill the network. */
  private checkTraffic(): void {
    const { waiting } = this.scheduler;
    if (waiting > MESSAGES_UNDER_WAY) throw new Violation('memory', `${waiting} messages are under way`);
  }

  route(from: ReplicaHost, to: ReplicaId, message: ReplicaMessage): void {
    this.transcript.message(this.now, from.name, `r${to}`, message);
    this.checkTraffic();
    if (message.kind === 'new-view') this.countNewView(message);
    if (message.kind === 'pre-prepare' && !isWhole(message.batch)) this.statistics.namingPrePrepares++;
    if (message.kind === 'fetch-batch') this.statistics.batchFetches++;
    for (const host of this.hearers(from.address, to)) {
      if (host.id === from.id || this.isLost(message, from.address, host.address)) continue;
      const arrive = this.carry(message, from.faulty, (each) => host.deliver(each, from.id));
      this.network.transmit(from.address, host.address, arrive);
    }
  }

  /** @returns what happens when the message arrives: as the object it is, or as what its bytes are decoded to */
  private carry<Each extends Message>(message: Each, faulty: boolean, deliver: (message: Each) => void): () => void {
    if (this.real === undefined) return () => deliver(message);
    const decode = this.real.wire.carry(message, faulty);
    return () => {
      const decoded = decode();
      if (decoded !== undefined) deliver(decoded);
    };
  }

  private isLost(message: ReplicaMessage | Reply, from: Address, to: Address): boolean {
    let lost = false;
    // Each is asked: some only listen.
    for (const censor of this.censors) if (censor(message, from, to)) lost = true;
    return lost;
  }

  /** A request as that client, correct or not, sends it. */
  sendRequest(client: number, to: ReplicaId, request: Request): void {
    this.routeRequest(FIRST_CLIENT + client, client, to, request);
  }

  private routeRequest(from: Address, client: number, to: ReplicaId, request: Request): void {
    this.transcript.message(this.now, `c${client}`, `r${to}`, request);
    for (const host of this.hearers(from, to)) {
      if (this.isLost(request, from, host.address)) continue;
      const arrive = this.carry(request, this.clients[client] === undefined, (each) =>
        host.deliverRequest(each, client),
      );
      this.network.transmit(from, host.address, arrive);
    }
  }

  routeReply(from: ReplicaHost, { to, reply }: OutgoingReply): void {
    const client = this.clients[to.client];
    if (client === undefined) return;
    this.transcript.message(this.now, from.name, `c${to.client}`, reply);
    if (reply.tentative) this.statistics.tentativeReplies++;
    if (this.isLost(reply, from.address, client.address)) return;
    const arrive = this.carry(reply, from.faulty, (each) => client.receive(each, from.id));
    this.network.transmit(from.address, client.address, arrive);
  }

  /** The processes that hear what is sent to a replica: of twins one, the other or both, by sender and time. */
  private hearers(from: Address, to: ReplicaId): ReplicaHost[] {
    const twin = this.options.twins?.indexOf(to) ?? -1;
    if (twin < 0) return [this.hosts[to]];
    const both = [this.hosts[to], this.hosts[this.n + twin]];
    const draw = new Random(this.options.seed ^ (from * 7919) ^ Math.floor(this.now / TWIN_PERIOD_MS)).below(5);
    return draw === 0 ? both : [both[draw % 2]];
  }

  onRecords(host: ReplicaHost, records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.kind === 'stable') this.certified.add(record.certificate.sequence);
      if (record.kind === 'recovered') host.wentBack = false;
      if (record.kind === 'recovered' || record.kind === 'incarnation') host.forgetful = host.wentBack;
      if (host.faulty) continue;
      if (record.kind === 'recovering' && !host.wentBack) {
        throw new Violation('validity', `${host.name} takes its disk for one that went back in time`);
      }
      if (record.kind === 'new-view') this.views.set(host.address, record.message.view);
      if (record.kind === 'view-change') this.onViewLeft(host, record.message.view);
      if (record.kind === 'committed') this.agreement.recorded(host.name, record.sequence, record.digest);
      if (record.kind === 'checkpoint') {
        this.agreement.checkpoint(host.name, record.checkpoint.sequence, record.checkpoint.stateDigest);
      }
    }
  }

  private onViewLeft(host: ReplicaHost, view: number): void {
    this.viewChanges++;
    const left = this.views.get(host.address) ?? 0;
    this.views.set(host.address, view);
    if (!this.hosts.some(({ id, faulty }) => faulty && id === left % this.n)) this.correctPrimariesLeft++;
    const suspicions = host.replica?.describe().suspicions ?? [];
    const suspected = suspicions.map(({ replica, why }) => `r${replica}: ${why}`).join(', ');
    this.transcript.event(this.now, host.name, `leaves for v${view} (suspects ${suspected || 'nobody'})`);
  }

  onCommit(host: ReplicaHost, sequence: number, content: string, appended: readonly string[]): void {
    this.transcript.event(this.now, host.name, `commits n${sequence}: ${content}`);
    if (host.faulty) return;
    const after = beginsAfter(content);
    if (after !== undefined && this.agreement.highest < sequence) this.onIncarnation(host, sequence, after);
    if (this.agreement.committed(host.name, sequence, content, appended)) this.executions.executed(content);
    this.checkTime(host, sequence);
  }

  /** All that was promised to last must be in the state it begins from. */
  private onIncarnation(host: ReplicaHost, sequence: number, after: number): void {
    this.statistics.groupRecoveries++;
    this.transcript.event(this.now, 'world', `incarnation ${incarnationOf(sequence)} begins after n${after}`);
    const lost = this.durable.find((each) => each > after && each < sequence);
    if (lost !== undefined) throw new Violation('durability', `what was durable at ${lost} is lost`);
    this.eras.next(sequence, after, (key) => host.state.register(key));
  }

  /** Agreed time runs ahead of no correct clock by more than the bound; each call moves it by a nanosecond at least. */
  private checkTime(host: ReplicaHost, sequence: number): void {
    const { seconds } = host.state.clock;
    const latest = Math.max(...this.correctHosts.map((each) => each.wallClock().seconds));
    if (seconds <= latest + timeBound()) return;
    throw new Violation(
      'validity',
      `${host.name} executed n${sequence} at ${seconds} s; the latest clock is at ${latest} s`,
    );
  }

  /** Of correct replicas, seconds. */
  earliestClock(): number {
    return Math.min(...this.correctHosts.map((each) => each.wallClock().seconds));
  }

  /** Throws unless what was asked for and executed since then was executed at a time near correct clocks. */
  checkTimeSince(earliest: number): void {
    const seconds = Math.max(...this.correctHosts.map(({ state }) => state.clock.seconds));
    if (seconds >= earliest - timeBound()) return;
    throw new Violation('validity', `the agreed time is ${seconds} s, and no clock was before ${earliest} s`);
  }

  onRollback(host: ReplicaHost, sequence: number): void {
    this.transcript.event(this.now, host.name, `rolls back n${sequence}`);
    this.statistics.rollbacks++;
  }

  onInstalled(host: ReplicaHost, sequence: number): void {
    this.transcript.event(this.now, host.name, `has the state of n${sequence} from others`);
    this.statistics.stateTransfers++;
    if (!host.faulty) this.agreement.checkpoint(host.name, sequence, host.state.checkpoint());
  }

  onStopped(host: ReplicaHost, error: Error): void {
    this.transcript.event(this.now, host.name, `stops: ${error.message}`);
    if (host.faulty || error.name === 'DiskFailure') return;
    this.stopped.push(`${host.name}: ${error.stack ?? error.message}`);
    if (!this.options.tolerateStops) throw new Violation('stopped', this.stopped.at(-1)!);
  }

  private countNewView(message: NewView): void {
    if (this.newViews.has(message.view)) return;
    this.newViews.add(message.view);
    this.statistics.newViews++;
    const stable = Math.max(...message.viewChanges.map(({ certificate }) => certificate?.sequence ?? 0));
    const prepared = message.viewChanges.flatMap((viewChange) => viewChange.prepared);
    if (prepared.some(({ sequence }) => sequence > stable)) this.statistics.newViewsWithPrepared++;
  }

  private checkMemory(): void {
    for (const { replica, name } of this.correctHosts) {
      const entries = replica?.describe().logEntries ?? 0;
      // Of a replica that lags: above its own state, and above the last stable checkpoint.
      const bound = 2 * (Limits.logSize + Limits.checkpointInterval);
      if (entries > bound) throw new Violation('memory', `${name} has ${entries} log entries; ${bound} are allowed`);
    }
  }

  /** Throws unless all that clients were told can be the work of one correct server. */
  checkHistories(): void {
    this.eras.check();
  }

  /** Why the correct replicas are not in one state, all that was agreed executed; undefined if they are. */
  divergence(): string | undefined {
    const { highest } = this.agreement;
    // What prepared in the view before, and was answered, is executed again once the next has begun.
    const waiting = this.correctHosts.filter(({ replica }) => replica?.describe().state === 'view-change');
    if (waiting.length > this.f) return `${waiting.map(({ name }) => name).join(', ')} wait for a view to begin`;
    const roots = new Set<string>();
    for (const host of this.correctHosts) {
      const { name, state, up } = host;
      if (!up && this.options.tolerateStops && this.stopped.some((each) => each.startsWith(name))) continue;
      if (!up) return `${name} is down`;
      if (host.forgetful) return `${name} has not recovered`;
      if (state.isTentative) return `${name} has executed ${state.lastExecuted} tentatively`;
      if (state.lastExecuted !== highest) return `${name} has executed ${state.lastExecuted} of ${highest}`;
      const root = state.audit();
      if (root === undefined) return `the rows of ${name} are damaged`;
      roots.add(digestKey(root));
    }
    return roots.size > 1 ? `${roots.size} different states after ${highest}` : undefined;
  }

  collectStatistics(): Statistics {
    const { statistics } = this;
    statistics.events = this.scheduler.executed;
    statistics.operations = this.invocations.completed;
    statistics.stableCheckpoints = this.certified.size;
    for (const { counters } of this.clients) {
      statistics.retriedSlots += counters.retransmissions;
      statistics.readOnlyFallbacks += counters.orderedReads;
    }
    return statistics;
  }
}
