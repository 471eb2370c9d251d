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
  /** Leaves only after everything persisted so far is on stable storage. */
  durable: boolean;
}

/**
 * What a turn of the state machine wants done, in this order (the contract of etcd's raft `Ready`):
 *   1. write `persist` to the journal, and in `synced` mode flush it;
 *   2. only then send `send` and `replies`;
 *   3. flush the journal before those replies that are `durable`.
 * `notes` may be written at any later time, in order, or be lost.
 */
export interface Ready {
  persist: JournalRecord[];
  notes: JournalRecord[];
  send: Outgoing[];
  replies: OutgoingReply[];
}

/** Collects the effects of a turn, and counts what was refused and why. */
export class Outbox {
  private ready: Ready = { persist: [], notes: [], send: [], replies: [] };
  /** Messages to all replicas that wait for another one to ride with. */
  private deferred: ReplicaMessage[] = [];
  /** Refused input by reason, since the start. */
  readonly rejected = new Map<string, number>();
  /** Refused input by replica that sent it, since the start: who is suspected, and of what. */
  readonly suspicions = new Map<ReplicaId, string>();

  persist(record: JournalRecord): void {
    this.ready.persist.push(record);
  }

  note(record: JournalRecord): void {
    this.ready.notes.push(record);
  }

  send(to: ReplicaId | 'replicas', message: ReplicaMessage): void {
    if (to === 'replicas') this.sendDeferred();
    this.ready.send.push({ to, message });
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

  reply(to: SessionId, reply: Reply, durable = false): void {
    this.ready.replies.push({ to, reply, durable });
  }

  /** A peer's nonsense, or bad luck of the network: counted, never acted on. */
  reject(reason: string): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
  }

  /** What only a faulty replica does. */
  suspect(replica: ReplicaId, reason: string): void {
    this.reject(reason);
    this.suspicions.set(replica, reason);
  }

  /** Whether there is anything to take but notes, which can wait. */
  get empty(): boolean {
    const { persist, send, replies } = this.ready;
    return persist.length === 0 && send.length === 0 && replies.length === 0;
  }

  take(): Ready {
    const ready = this.ready;
    this.ready = { persist: [], notes: [], send: [], replies: [] };
    return ready;
  }
}
