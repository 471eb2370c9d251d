import { createHash } from 'node:crypto';
import { sessionKey } from '../../src/pbft/digests.js';
import type { SessionId, Timestamp } from '../../src/pbft/messages.js';
import type {
  Execution,
  ExecutionContext,
  ReplicatedState,
  Service,
  SessionRow,
  SessionStore,
  SlotRow,
} from '../../src/pbft/ports.js';

interface Rows {
  lastExecuted: number;
  clock: Timestamp;
  /** The service: a list of tokens, in the order they were appended. */
  list: string[];
  sessions: Record<string, SessionRow>;
  slots: Record<string, SlotRow>;
  ended: Record<number, number>;
}

const EMPTY: Rows = {
  lastExecuted: 0,
  clock: { seconds: 0, nanoseconds: 0 },
  list: [],
  sessions: {},
  slots: {},
  ended: {},
};

/**
 * A service whose history shows in its results: `append TOKEN` yields the token's position, `length` how many there
 * are. With it, the lazily committed storage of a replica: what was not committed at a crash is gone.
 */
export class MemoryState implements ReplicatedState, Service {
  private rows: Rows = structuredClone(EMPTY);
  private committed: Rows = structuredClone(EMPTY);
  private executing = 0;
  readonly service: Service = this;
  readonly sessions: SessionStore = new MemorySessions(() => this.rows);

  get lastExecuted(): number {
    return this.rows.lastExecuted;
  }

  get clock(): Timestamp {
    return this.rows.clock;
  }

  get list(): readonly string[] {
    return this.rows.list;
  }

  commit(): void {
    this.committed = structuredClone(this.rows);
  }

  crash(): void {
    this.rows = structuredClone(this.committed);
  }

  beginBatch(sequence: number): void {
    this.executing = sequence;
  }

  endBatch(clock: Timestamp): void {
    this.rows.lastExecuted = this.executing;
    this.rows.clock = clock;
  }

  checkpoint(): Uint8Array {
    const sorted = (record: object): unknown => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
    const { list, sessions, slots, ended, clock } = this.rows;
    const text = JSON.stringify([list, sorted(sessions), sorted(slots), sorted(ended), clock]);
    return createHash('sha256').update(text).digest();
  }

  execute(operation: Uint8Array, _context: ExecutionContext): Execution {
    const [verb, token] = Buffer.from(operation).toString().split(' ');
    if (verb === 'append') this.rows.list.push(token);
    return { result: Buffer.from(String(this.rows.list.length)), durable: false, transient: false };
  }

  query(operation: Uint8Array, _session: SessionId): Uint8Array {
    return Buffer.from(operation.toString().startsWith('append') ? 'refused' : String(this.rows.list.length));
  }

  sessionEnded(): void {}
}

class MemorySessions implements SessionStore {
  constructor(private readonly rows: () => Rows) {}

  endedInstance(client: number): number {
    return this.rows().ended[client] ?? 0;
  }

  setEndedInstance(client: number, instance: number): void {
    this.rows().ended[client] = instance;
  }

  sessions(client: number): SessionRow[] {
    return Object.values(this.rows().sessions).filter((row) => row.session.client === client);
  }

  session(id: SessionId): SessionRow | undefined {
    return this.rows().sessions[sessionKey(id)];
  }

  putSession(row: SessionRow): void {
    this.rows().sessions[sessionKey(row.session)] = row;
  }

  deleteSession(id: SessionId): void {
    const key = sessionKey(id);
    delete this.rows().sessions[key];
    for (const slot of Object.keys(this.rows().slots)) if (slot.startsWith(`${key}:`)) delete this.rows().slots[slot];
  }

  slot(id: SessionId, slot: number): SlotRow | undefined {
    return this.rows().slots[`${sessionKey(id)}:${slot}`];
  }

  putSlot(id: SessionId, row: SlotRow): void {
    this.rows().slots[`${sessionKey(id)}:${row.slot}`] = row;
  }
}
