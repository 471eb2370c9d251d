import type { ReplicaId, ReplicaMessage, Reply, SessionId } from './messages.js';
import type { JournalRecord } from './ports.js';

export interface Outgoing {
  /** One replica, or all others. */
  to: ReplicaId | 'replicas';
  message: ReplicaMessage;
}

export interface OutgoingReply {
  to: SessionId;
  reply: Reply;
}

/**
 * What a turn of the state machine wants done, in this order (the contract of etcd's raft `Ready`):
 *   1. write `persist` to the journal, and in `synced` mode flush it;
 *   2. only then send `send` and `replies`;
 *   3. if it has a `flush`, flush the journal, and then tell `Replica.flushed` that number.
 * `notes` may be written at any later time, in order, or be lost.
 */
export interface Ready {
  persist: JournalRecord[];
  notes: JournalRecord[];
  send: Outgoing[];
  replies: OutgoingReply[];
  /** Rises from turn to turn. One flush may serve several turns, and is reported with the last one's number. */
  flush: number | undefined;
}

/** Questions, contents that prove themselves, and what others said. */
const SAID_WHILE_SILENT: ReadonlySet<ReplicaMessage['kind']> = new Set([
  'request',
  'status',
  'fetch-batch',
  'batch-data',
  'flushed-certificate',
  'query-stable',
  'forgotten',
  'new-incarnation',
  'fetch-state',
  'state-data',
] as const);

const nothing = (): Ready => ({ persist: [], notes: [], send: [], replies: [], flush: undefined });

function add(counts: Map<string, number>, reason: string): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
}

/** Collects the effects of a turn, and counts what was refused and why. */
export class Outbox {
  private ready = nothing();
  private flushes = 0;
  /** Messages to all replicas that wait for another one to ride with. */
  private deferred: ReplicaMessage[] = [];
  /** Nothing leaves that could contradict what was said before (DESIGN 3.12). */
  silent = false;
  /** Refused input by reason, since the start. */
  readonly rejected = new Map<string, number>();
  /** Of that, what came in messages of other replicas, by these. */
  readonly rejectedFrom = new Map<ReplicaId, Map<string, number>>();
  /** Whose message is being handled. */
  sender: ReplicaId | undefined;
  /** Refused input by replica that sent it, since the start: who is suspected, and of what. */
  readonly suspicions = new Map<ReplicaId, string>();

  persist(record: JournalRecord): void {
    this.ready.persist.push(record);
  }

  note(record: JournalRecord): void {
    this.ready.notes.push(record);
  }

  send(to: ReplicaId | 'replicas', message: ReplicaMessage): void {
    if (this.silent && !SAID_WHILE_SILENT.has(message.kind)) return;
    if (to === 'replicas') this.sendDeferred();
    this.ready.send.push({ to, message });
  }

  /** From now on, and of this turn already. */
  fallSilent(): void {
    this.silent = true;
    this.deferred = [];
    this.ready.replies = [];
    this.ready.send = this.ready.send.filter(({ message }) => SAID_WHILE_SILENT.has(message.kind));
  }

  /** To all replicas, together with what is sent to them next: a message of its own is most of its cost. */
  defer(message: ReplicaMessage): void {
    if (this.ready.send.some(({ to }) => to === 'replicas')) this.send('replicas', message);
    else this.deferred.push(message);
  }

  /** Nothing to ride with is in sight, or someone waits. */
  sendDeferred(): void {
    if (this.deferred.length === 0) return;
    for (const message of this.deferred.splice(0)) this.ready.send.push({ to: 'replicas', message });
  }

  reply(to: SessionId, reply: Reply): void {
    if (this.silent) return;
    this.ready.replies.push({ to, reply });
  }

  /**
   * Wants all that was persisted so far, this turn included, on stable storage.
   * @returns the number under which that is reported
   */
  flush(): number {
    this.ready.flush ??= ++this.flushes;
    return this.ready.flush;
  }

  /** A peer's nonsense, or bad luck of the network: counted, never acted on. */
  reject(reason: string): void {
    add(this.rejected, reason);
    if (this.sender === undefined) return;
    const counts = this.rejectedFrom.get(this.sender) ?? new Map<string, number>();
    this.rejectedFrom.set(this.sender, counts);
    add(counts, reason);
  }

  /** What only a faulty replica does. */
  suspect(replica: ReplicaId, reason: string): void {
    this.reject(reason);
    this.suspicions.set(replica, reason);
  }

  /** Whether there is anything to take but notes, which can wait. */
  get empty(): boolean {
    const { persist, send, replies, flush } = this.ready;
    return persist.length === 0 && send.length === 0 && replies.length === 0 && flush === undefined;
  }

  take(): Ready {
    const ready = this.ready;
    this.ready = nothing();
    return ready;
  }
}
