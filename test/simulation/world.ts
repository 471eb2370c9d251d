import { Client } from '../../src/pbft/client.js';
import { Configuration } from '../../src/pbft/configuration.js';
import type { Batch, Digest, ReplicaMessage, Reply, Request } from '../../src/pbft/messages.js';
import type { History, JournalRecord } from '../../src/pbft/ports.js';
import { Replica } from '../../src/pbft/replica.js';
import { FakeAuthentication, seal } from './fake-authentication.js';
import { Histories } from './histories.js';
import { MemoryState } from './memory-state.js';
import { Random } from './random.js';

const TICK_MS = 20;

/** What the network does to a message. */
export interface Weather {
  minDelayMs: number;
  maxDelayMs: number;
  loss: number;
  duplication: number;
}

export const FAIR: Weather = { minDelayMs: 0.1, maxDelayMs: 2, loss: 0, duplication: 0 };
export const STORMY: Weather = { minDelayMs: 0.1, maxDelayMs: 30, loss: 0.1, duplication: 0.1 };

export interface WorldOptions {
  seed: number;
  f: number;
  clients: number;
  weather: Weather;
  /** Changes what a replica sends, to make it Byzantine: returns what goes out instead. */
  tamper?: (from: number, to: number | 'client', message: ReplicaMessage | Reply, random: Random) => unknown[];
}

type Event = { at: number; order: number; run: () => void };

/** A disk: what was appended survives a crash of the process. */
class SimulatedJournal implements History {
  readonly records: JournalRecord[] = [];

  digest(sequence: number): Digest | undefined {
    return this.batch(sequence)?.digest;
  }

  batch(sequence: number): Batch | undefined {
    const about = this.records.filter((record) => 'sequence' in record && record.sequence === sequence);
    const committed = about.find((record) => record.kind === 'committed');
    if (committed?.kind !== 'committed') return undefined;
    for (const record of about) {
      if ('batch' in record && record.batch && Buffer.compare(record.batch.digest, committed.digest) === 0) {
        return record.batch;
      }
    }
    return undefined;
  }
}

interface ReplicaHost {
  replica: Replica | undefined;
  state: MemoryState;
  journal: SimulatedJournal;
  /** Clock offset of the machine, ms. */
  skew: number;
  scheduled: boolean;
}

/** Replicas and clients, a network and a clock, all driven by one seed. */
export class World {
  readonly random: Random;
  readonly configuration: Configuration;
  readonly hosts: ReplicaHost[] = [];
  readonly histories: Histories;
  private readonly clients: Client[] = [];
  private readonly waiting = new Map<string, (result: Buffer | string) => void>();
  private events: Event[] = [];
  private order = 0;
  private lastInstance = 0;
  /** Pairs that cannot reach each other, as `a-b`. */
  readonly cut = new Set<string>();
  weather: Weather;
  now = 0;

  constructor(private readonly options: WorldOptions) {
    this.random = new Random(options.seed);
    this.weather = options.weather;
    this.configuration = new Configuration(options.f, -1);
    this.histories = new Histories(this.configuration.n);
    for (let id = 0; id < this.configuration.n; id++) {
      this.hosts.push({
        replica: undefined,
        state: new MemoryState(),
        journal: new SimulatedJournal(),
        skew: this.random.between(-50, 50),
        scheduled: false,
      });
      this.start(id);
    }
    for (let id = 0; id < options.clients; id++) this.clients.push(this.createClient(id));
    this.every(TICK_MS, () => this.tick());
  }

  start(id: number): void {
    const host = this.hosts[id];
    host.replica = new Replica({
      configuration: new Configuration(this.options.f, id),
      authentication: new FakeAuthentication(id),
      state: host.state,
      history: host.journal,
      recovered: host.journal.records,
      batchWindow: 4,
    });
    this.histories.restarted(id, host.state);
    this.turn(id);
  }

  /** SIGKILL: the journal stays, the state falls back to its last commit, messages in flight still arrive. */
  crash(id: number): void {
    this.hosts[id].replica = undefined;
    this.hosts[id].state.crash();
  }

  private createClient(id: number): Client {
    const client = new Client({
      configuration: this.configuration,
      client: id,
      slots: 4,
      ports: {
        seal: (request) => seal(request, this.configuration.n),
        resultDigest: (result) => new FakeAuthentication(0).resultDigest(result),
        newInstance: () => ++this.lastInstance,
      },
    });
    for (let replica = 0; replica < this.configuration.n; replica++) client.linkUp(replica);
    return client;
  }

  /** Calls the service and records invocation and response; resolves with the result, or why there is none. */
  call(id: number, operation: string, readOnly = false): Promise<string> {
    const client = this.clients[id];
    const invocation = this.histories.invoked(operation, this.now);
    const call = client.submit(Buffer.from(operation), readOnly, Number.POSITIVE_INFINITY);
    this.after(0, () => this.clientTurn(id));
    return new Promise((resolve) => {
      this.waiting.set(`${id}/${call}`, (result) => {
        this.histories.returned(invocation, result.toString(), this.now);
        resolve(result.toString());
      });
    });
  }

  private clientTurn(id: number): void {
    const client = this.clients[id];
    client.advanceClock(this.now);
    const ready = client.takeReady();
    for (const { to, request } of ready.send) {
      for (let replica = 0; replica < this.configuration.n; replica++) {
        if (to === 'replicas' || to === replica) {
          this.transmit(`c${id}`, String(replica), () => this.deliverRequest(replica, request, id));
        }
      }
    }
    for (const completion of ready.completed) {
      const key = `${id}/${completion.call}`;
      if (completion.kind === 'result') this.waiting.get(key)?.(Buffer.from(completion.result));
      if (completion.kind === 'failed') this.waiting.get(key)?.(`failed: ${completion.failure}`);
      this.waiting.delete(key);
    }
  }

  private deliverRequest(id: number, request: Request, client: number): void {
    this.hosts[id].replica?.receiveFromClient(request, client);
    this.schedule(id);
  }

  /** One turn of the event loop: everything that arrived by now is in before effects come out. */
  private schedule(id: number): void {
    const host = this.hosts[id];
    if (host.scheduled) return;
    host.scheduled = true;
    this.after(0, () => {
      host.scheduled = false;
      this.turn(id);
    });
  }

  private turn(id: number): void {
    const { replica, journal, state, skew } = this.hosts[id];
    if (replica === undefined) return;
    const wall = this.now + 1_000_000 + skew;
    replica.advanceClock(this.now, {
      seconds: Math.floor(wall / 1000),
      nanoseconds: Math.floor((wall % 1000) * 1_000_000),
    });
    const ready = replica.takeReady();
    journal.records.push(...ready.persist, ...ready.notes);
    this.histories.executed(id, state);
    if (this.random.chance(0.05)) state.commit();
    for (const { to, message } of ready.send) {
      for (let other = 0; other < this.configuration.n; other++) {
        if (other === id || (to !== 'replicas' && to !== other)) continue;
        for (const sent of this.tampered(id, other, message)) {
          this.transmit(String(id), String(other), () => this.deliver(other, sent as ReplicaMessage, id));
        }
      }
    }
    for (const { to, reply } of ready.replies) {
      for (const sent of this.tampered(id, 'client', reply)) {
        this.transmit(String(id), `c${to.client}`, () => {
          this.clients[to.client].receive(sent as Reply, id);
          this.clientTurn(to.client);
        });
      }
    }
  }

  private tampered(from: number, to: number | 'client', message: ReplicaMessage | Reply): unknown[] {
    return this.options.tamper?.(from, to, message, this.random) ?? [message];
  }

  private deliver(id: number, message: ReplicaMessage, from: number): void {
    this.hosts[id].replica?.receive(message, from);
    this.schedule(id);
  }

  private transmit(from: string, to: string, run: () => void): void {
    if (this.cut.has(`${from}-${to}`) || this.cut.has(`${to}-${from}`)) return;
    const { minDelayMs, maxDelayMs, loss, duplication } = this.weather;
    if (this.random.chance(loss)) return;
    this.after(this.random.between(minDelayMs, maxDelayMs), run);
    if (this.random.chance(duplication)) this.after(this.random.between(minDelayMs, 5 * maxDelayMs), run);
  }

  /** Cuts a replica off from everyone, clients too, or lets it back. */
  isolate(id: number, isolated: boolean): void {
    const others = [...this.hosts.keys()].filter((other) => other !== id).map(String);
    for (const other of [...others, ...this.clients.map((_, client) => `c${client}`)]) {
      if (isolated) this.cut.add(`${id}-${other}`);
      else this.cut.delete(`${id}-${other}`);
    }
  }

  private tick(): void {
    for (let id = 0; id < this.hosts.length; id++) {
      const { replica, skew } = this.hosts[id];
      const wall = this.now + 1_000_000 + skew;
      replica?.tick(this.now, { seconds: Math.floor(wall / 1000), nanoseconds: 0 });
      this.schedule(id);
    }
    for (let id = 0; id < this.clients.length; id++) {
      this.clients[id].tick(this.now);
      this.clientTurn(id);
    }
  }

  after(delay: number, run: () => void): void {
    const event = { at: this.now + delay, order: this.order++, run };
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle].at > event.at) high = middle;
      else low = middle + 1;
    }
    this.events.splice(low, 0, event);
  }

  every(interval: number, run: () => void): void {
    this.after(interval, () => {
      run();
      this.every(interval, run);
    });
  }

  /** Runs until the promise is settled, or for at most so many simulated milliseconds. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    const end = this.now + limitMs;
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    while (!settled) {
      if (!(await this.step(end)) && !settled) throw new Error(`no progress by ${Math.round(this.now)} ms`);
    }
    return promise;
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    while (await this.step(end));
    this.now = end;
  }

  /** The next event, with all that its results set going. False if there is none before `end`. */
  private async step(end: number): Promise<boolean> {
    // Promises of calls settle through a few microtasks before the caller goes on.
    for (let i = 0; i < 6; i++) await undefined;
    if (this.events.length === 0 || this.events[0].at > end) return false;
    const event = this.events.shift()!;
    this.now = Math.max(this.now, event.at);
    event.run();
    return true;
  }
}
