import { isWhole } from '../../../src/pbft/bodies.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import {
  CallKind,
  type Digest,
  type OrderedBatch,
  type ProposedBatch,
  type ReplicaMessage,
  type Reply,
  type Request,
  SESSION_SLOT,
} from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { Replica } from '../../../src/pbft/replica.js';
import { openSessionOperation } from '../../../src/pbft/sessions.js';
import { FakeAuthentication, seal } from '../../simulation/fake-authentication.js';
import { MemoryState } from '../../simulation/memory-state.js';

const CLIENT = 7;
const SESSION = { client: CLIENT, instance: 1 };
const TICK_MS = 20;

interface InFlight {
  from: number;
  to: number;
  message: ReplicaMessage;
}

/**
 * Four replicas and a client who act only when told to, and the story of what they said, one line a message: to be read
 * next to the paper.
 */
export class Stage {
  readonly replicas: Replica[] = [];
  private readonly journals: JournalRecord[][] = [];
  private readonly states: MemoryState[] = [];
  private readonly story: string[] = [];
  private readonly names = new Map<string, string>();
  private inFlight: InFlight[] = [];
  private readonly sequences: number[] = [];
  private now = 0;

  constructor(readonly n = 4) {
    for (let id = 0; id < n; id++) {
      this.states.push(new MemoryState());
      this.journals.push([]);
      this.replicas.push(this.create(id));
    }
  }

  private create(id: number): Replica {
    return new Replica({
      configuration: new Configuration((this.n - 1) / 3, id),
      authentication: new FakeAuthentication(id),
      state: this.states[id],
      history: { digest: () => undefined, batch: () => undefined },
      recovered: this.journals[id],
      synced: false,
      life: 1,
      batchWindow: 4,
    });
  }

  /** A line that tells what follows. */
  scene(title: string): void {
    this.story.push('', `# ${title}`);
  }

  /** What was told so far. */
  get text(): string {
    return `${this.story.join('\n').trim()}\n`;
  }

  /** The client opens its session. */
  open(): Request {
    const operation = openSessionOperation(4, 0);
    return this.sealed('open', { kind: CallKind.OpenSession, slot: SESSION_SLOT, sequence: 1, operation });
  }

  /** An `append` in the given slot. */
  append(token: string, slot = 0): Request {
    this.sequences[slot] = (this.sequences[slot] ?? 0) + 1;
    const operation = Buffer.from(`append ${token}`);
    return this.sealed(token, { kind: CallKind.Service, slot, sequence: this.sequences[slot], operation });
  }

  /** A durable call. */
  sync(slot = 0): Request {
    this.sequences[slot] = (this.sequences[slot] ?? 0) + 1;
    const operation = Buffer.from('sync');
    return this.sealed('sync', { kind: CallKind.Service, slot, sequence: this.sequences[slot], operation });
  }

  private sealed(name: string, call: Request['calls'][number]): Request {
    const request = seal({ session: SESSION, readOnly: false, replier: 0, calls: [call] }, this.n);
    this.names.set(Buffer.from(request.digest).toString('hex'), name);
    return request;
  }

  /** The client sends a request to some replicas. */
  request(request: Request, ...to: number[]): void {
    this.tell('client', to, `REQUEST ${this.nameOf(request)}`);
    for (const id of to) {
      this.replicas[id].receiveFromClient(request, CLIENT);
      this.turn(id);
    }
  }

  /** Delivers all that is in flight, and what that brings about, but for what `lost` names. */
  deliver(lost: (message: InFlight) => boolean = () => false): void {
    while (this.inFlight.length > 0) {
      const { from, to, message } = this.inFlight.shift()!;
      if (lost({ from, to, message })) continue;
      this.replicas[to].receive(message, from);
      this.turn(to);
    }
  }

  /** Time passes, in which everyone but those named is alive and reached by messages. */
  pass(ms: number, dead: number[] = []): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += TICK_MS;
      this.replicas.forEach((replica, id) => {
        if (dead.includes(id)) return;
        replica.tick(this.now, { seconds: 1000, nanoseconds: this.now * 1_000_000 });
        this.turn(id);
      });
      this.deliver(({ from, to }) => dead.includes(from) || dead.includes(to));
    }
  }

  /** A killed process that starts again from its journal. */
  restart(id: number): void {
    this.story.push(`${id} is killed, and starts again`);
    this.states[id].crash();
    this.replicas[id] = this.create(id);
    this.turn(id);
  }

  private turn(id: number): void {
    const { persist, notes, send, replies, flush } = this.replicas[id].takeReady();
    this.journals[id].push(...persist, ...notes);
    for (const { to, message } of send) {
      const receivers =
        to === 'replicas' ? this.replicas.map((_, other) => other).filter((other) => other !== id) : [to];
      // A STATUS every so often says nothing new, unless its sender complains.
      if (message.kind !== 'status' || message.dissatisfied) this.tell(String(id), receivers, this.describe(message));
      for (const other of receivers) this.inFlight.push({ from: id, to: other, message });
    }
    for (const { reply } of replies) this.tell(String(id), ['client'], this.describeReply(reply));
    if (flush === undefined) return;
    this.story.push(`${id} flushes its journal`);
    this.replicas[id].flushed(flush);
    this.turn(id);
  }

  private tell(from: string, to: (number | string)[], what: string): void {
    this.story.push(`${`${from} → ${to.join(', ')}`.padEnd(17)} ${what}`);
  }

  private describeReply({ tentative, view, result }: Reply): string {
    const text = result === undefined ? '' : ` ${Buffer.from(result).toString()}`;
    return `REPLY${text}${tentative ? `, tentative in view ${view}` : ''}`;
  }

  private describe(message: ReplicaMessage): string {
    switch (message.kind) {
      case 'request':
        return `REQUEST ${this.nameOf(message)}, relayed`;
      case 'pre-prepare':
        return `PRE-PREPARE v=${message.view} n=${message.sequence} ${this.batchName(message.batch)}${isWhole(message.batch) ? '' : ', named only'}`;
      case 'prepare':
      case 'commit':
        return `${message.kind.toUpperCase()} v=${message.view} n=${message.sequence} ${this.digestName(message.digest)}`;
      case 'committed':
        return `COMMITTED n=${message.sequence} ${this.digestName(message.digest)}`;
      case 'fetch-batch':
        return `FETCH n=${message.sequence} ${this.digestName(message.digest)}`;
      case 'batch-data':
        return `BATCH n=${message.sequence} ${this.batchName(message.batch)}`;
      case 'view-change': {
        const list = (all: OrderedBatch[]): string =>
          all.map(({ sequence, digest, view }) => `n=${sequence} ${this.digestName(digest)} v=${view}`).join('; ');
        const h = message.certificate?.sequence ?? 0;
        return `VIEW-CHANGE v=${message.view} h=${h} P={${list(message.prepared)}} Q={${list(message.prePrepared)}}`;
      }
      case 'new-view':
        return `NEW-VIEW v=${message.view} from the view-changes of ${message.viewChanges.map(({ replica }) => replica).join(', ')}`;
      case 'checkpoint':
        return `CHECKPOINT n=${message.sequence} of ${message.replica}`;
      case 'flushed':
        return `FLUSHED n=${message.sequence}`;
      case 'flushed-certificate':
        return `certificate of FLUSHED n=${message.certificate.sequence}`;
      case 'query-stable':
        return 'QUERY-STABLE';
      case 'reply-stable':
        return `REPLY-STABLE c=${message.lastCheckpoint} p=${message.lastPrepared} v=${message.view}`;
      case 'forgotten':
        return `FORGOTTEN in ${message.incarnation}`;
      case 'new-incarnation':
        return `NEW-INCARNATION ${message.incarnation}`;
      case 'status':
        return 'STATUS dissatisfied';
      case 'fetch-state':
        return `FETCH-STATE ${Buffer.from(message.query).toString()}`;
      case 'state-data':
        return `STATE-DATA ${message.answer === undefined ? 'cannot' : `${message.answer.length} bytes`}`;
    }
  }

  private nameOf(request: { digest: Digest }): string {
    return this.names.get(Buffer.from(request.digest).toString('hex')) ?? '?';
  }

  private batchName(batch: ProposedBatch): string {
    const name = `[${batch.requests.map((request) => this.nameOf(request)).join(' ')}]`;
    this.names.set(Buffer.from(batch.digest).toString('hex'), name);
    return name;
  }

  private digestName(digest: Uint8Array): string {
    const nothing = new FakeAuthentication(0).batchDigest({ seconds: 0, nanoseconds: 0 }, []);
    if (Buffer.compare(nothing, digest) === 0) return '[null]';
    return this.names.get(Buffer.from(digest).toString('hex')) ?? '?';
  }

  /** What each replica has appended, tentatively or not. */
  executed(): void {
    const each = this.replicas.map((replica, id) => {
      const { view, lastExecuted } = replica.describe();
      return `${id}: ${this.states[id].list.join(' ') || '-'} (view ${view}, committed ${lastExecuted})`;
    });
    this.story.push(...each);
  }
}
