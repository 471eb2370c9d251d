import { hash } from 'node:crypto';
import { assert, Limits } from '../../src/limits.js';
import { sessionKey } from '../../src/pbft/digests.js';
import type { Digest, SessionId, Timestamp } from '../../src/pbft/messages.js';
import type {
  Execution,
  ExecutionContext,
  ReplicatedState,
  Service,
  SessionRow,
  SessionStore,
  SlotRow,
} from '../../src/pbft/ports.js';

/** What undoes one change of a row: what it held before, or that there was none. */
interface Undo {
  key: string;
  before: unknown;
}

/** Where the state stood at some moment: enough to go back to it with the undo log. */
interface Mark {
  undo: number;
  list: number;
  lastExecuted: number;
  clock: Timestamp;
}

/**
 * Two services in one, whose histories show in their results, beside the sessions, as rows of one state:
 *
 *   a list:    `append TOKEN` yields the token's position, `length` how many there are, `last` position and last token;
 *   registers: `get K`, `put K VALUE` (yields what was there), `cas K OLD NEW`, `delete K`; `-` is what an empty one holds;
 *   `sync T`   is answered only from stable storage.
 *
 * With them, the storage of a replica: a crash takes back what was not made permanent by `commit`. Both a crash and a
 * rollback go back over one undo log, so that a batch costs what it changes.
 */
export class MemoryState implements ReplicatedState, Service {
  private readonly rows = new Map<string, unknown>();
  private readonly tokens: string[] = [];
  private undo: Undo[] = [];
  private executing = 0;
  private executed = 0;
  private time: Timestamp = { seconds: 0, nanoseconds: 0 };
  /** What a loss of power goes back to; the undo log begins here. */
  private onDisk: Mark = this.mark();
  /** What a crash goes back to. */
  private permanent: Mark = this.mark();
  /** Before the tentative batch, while there is one. */
  private tentative: Mark | undefined;
  /** Digest over what the current batch executed: what is compared between replicas when it commits. */
  private batchContent = '';
  readonly service: Service = this;
  readonly sessions: SessionStore = new MemorySessions(this);
  /** Called at each commit with the sequence number, a text that says what was executed, and the tokens appended. */
  onCommit: ((sequence: number, content: string, appended: readonly string[]) => void) | undefined;
  onRollback: ((sequence: number) => void) | undefined;

  get lastExecuted(): number {
    return this.executed;
  }

  get clock(): Timestamp {
    return this.time;
  }

  get list(): readonly string[] {
    return this.tokens;
  }

  get isTentative(): boolean {
    return this.tentative !== undefined;
  }

  private mark(): Mark {
    const { executed, time } = this;
    return { undo: this.undo.length, list: this.tokens.length, lastExecuted: executed, clock: time };
  }

  row(key: string): unknown {
    return this.rows.get(key);
  }

  keys(): IterableIterator<string> {
    return this.rows.keys();
  }

  /** Sets a row, or removes it when `value` is undefined. Values are not changed once they are here. */
  setRow(key: string, value: unknown): void {
    this.undo.push({ key, before: this.rows.get(key) });
    this.restoreRow(key, value);
  }

  private restoreRow(key: string, value: unknown): void {
    if (value === undefined) this.rows.delete(key);
    else this.rows.set(key, value);
  }

  private backTo(mark: Mark): void {
    while (this.undo.length > mark.undo) {
      const { key, before } = this.undo.pop()!;
      this.restoreRow(key, before);
    }
    this.tokens.length = mark.list;
    this.executed = mark.lastExecuted;
    this.time = mark.clock;
  }

  /**
   * Makes permanent all that has committed; a tentative batch is not written.
   * @param flushed on stable storage too
   */
  commit(flushed = true): void {
    this.permanent = this.tentative ?? this.mark();
    if (!flushed) return;
    this.undo = this.undo.slice(this.permanent.undo);
    this.permanent = { ...this.permanent, undo: 0 };
    if (this.tentative !== undefined) this.tentative = this.permanent;
    this.onDisk = this.permanent;
  }

  crash(): void {
    this.tentative = undefined;
    this.backTo(this.permanent);
  }

  /** All up to here would be left of it if the power were lost. */
  get flushedUpTo(): number {
    return this.onDisk.lastExecuted;
  }

  losePower(): void {
    this.tentative = undefined;
    this.backTo(this.onDisk);
    this.permanent = this.onDisk;
  }

  beginBatch(sequence: number): void {
    assert(this.tentative === undefined, `batch ${sequence} begins on a tentative one`);
    this.tentative = this.mark();
    this.executing = sequence;
    this.batchContent = '';
  }

  endBatch(clock: Timestamp): void {
    this.executed = this.executing;
    this.time = clock;
  }

  commitBatch(): void {
    const { tentative } = this;
    assert(tentative !== undefined && this.executed === this.executing, 'a whole batch is committed, once');
    this.tentative = undefined;
    const { seconds, nanoseconds } = this.time;
    this.onCommit?.(this.executed, `${this.batchContent} ${seconds}.${nanoseconds}`, this.tokens.slice(tentative.list));
  }

  rollbackBatch(): void {
    const { tentative } = this;
    assert(tentative !== undefined, 'only a tentative batch is rolled back');
    this.tentative = undefined;
    this.onRollback?.(this.executed);
    this.backTo(tentative);
  }

  checkpoint(): Digest {
    const { seconds, nanoseconds } = this.time;
    const rows = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const content = [this.executed, `${seconds}.${nanoseconds}`, ...this.tokens].join(' ');
    return hash('sha256', content + JSON.stringify(rows, canonical), 'buffer');
  }

  execute(operation: Uint8Array, context: ExecutionContext): Execution {
    const text = Buffer.from(operation).toString();
    this.batchContent += `${sessionKey(context.session)} ${text};`;
    const [verb, key, value, replacement] = text.split(' ');
    if (verb === 'append') this.tokens.push(key);
    else if (verb === 'put' || verb === 'delete' || verb === 'cas') return this.change(verb, key, value, replacement);
    const result = this.answer(verb, key);
    return { result, durable: verb === 'sync', transient: result.length > Limits.cachedReplyBytes };
  }

  private change(verb: 'put' | 'delete' | 'cas', key: string, value: string, replacement: string): Execution {
    const before = this.register(key);
    if (verb === 'put') this.setRow(`register ${key}`, value);
    if (verb === 'delete') this.setRow(`register ${key}`, undefined);
    if (verb === 'cas' && before === value) this.setRow(`register ${key}`, replacement);
    return { result: Buffer.from(before), durable: false, transient: false };
  }

  private register(key: string): string {
    return (this.rows.get(`register ${key}`) as string | undefined) ?? '-';
  }

  query(operation: Uint8Array, _session: SessionId): Uint8Array {
    const [verb, key] = Buffer.from(operation).toString().split(' ');
    const changes = verb === 'append' || verb === 'put' || verb === 'delete' || verb === 'cas';
    return changes ? Buffer.from('refused') : this.answer(verb, key);
  }

  private answer(verb: string, key: string): Buffer {
    if (verb === 'get') return Buffer.from(this.register(key));
    if (verb === 'last') return Buffer.from(`${this.tokens.length}:${this.tokens.at(-1) ?? ''}`);
    return Buffer.from(String(this.tokens.length));
  }

  sessionEnded(): void {}
}

/** Rows hold digests, which JSON would write at length. */
function canonical(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
}

class MemorySessions implements SessionStore {
  constructor(private readonly state: MemoryState) {}

  endedInstance(client: number): number {
    return (this.state.row(`ended ${client}`) as number | undefined) ?? 0;
  }

  setEndedInstance(client: number, instance: number): void {
    this.state.setRow(`ended ${client}`, instance);
  }

  sessions(client: number): SessionRow[] {
    const rows: SessionRow[] = [];
    for (const key of this.state.keys()) {
      if (key.startsWith(`session ${client}/`)) rows.push(this.state.row(key) as SessionRow);
    }
    return rows.sort((a, b) => a.session.instance - b.session.instance);
  }

  session(id: SessionId): SessionRow | undefined {
    return this.state.row(`session ${sessionKey(id)}`) as SessionRow | undefined;
  }

  putSession(row: SessionRow): void {
    this.state.setRow(`session ${sessionKey(row.session)}`, row);
  }

  deleteSession(id: SessionId): void {
    const { slots } = this.session(id)!;
    this.state.setRow(`session ${sessionKey(id)}`, undefined);
    for (let slot = 0; slot < slots; slot++) {
      if (this.slot(id, slot) !== undefined) this.state.setRow(`slot ${sessionKey(id)}:${slot}`, undefined);
    }
  }

  slot(id: SessionId, slot: number): SlotRow | undefined {
    return this.state.row(`slot ${sessionKey(id)}:${slot}`) as SlotRow | undefined;
  }

  putSlot(id: SessionId, row: SlotRow): void {
    this.state.setRow(`slot ${sessionKey(id)}:${row.slot}`, row);
  }
}
