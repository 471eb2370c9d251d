import { assert } from '../../src/limits.js';
import { sessionKey } from '../../src/pbft/digests.js';
import { incarnationOf, startOf } from '../../src/pbft/incarnation.js';
import type { Digest, SessionId, Timestamp } from '../../src/pbft/messages.js';
import type {
  Execution,
  ExecutionContext,
  Service,
  SessionRow,
  SessionStore,
  SlotRow,
  Standing,
} from '../../src/pbft/ports.js';
import type { StateTransfer } from '../../src/pbft/transfer-ports.js';
import { beginsText, executedText, slotText } from './checkers/executions.js';
import { type ListRows, ListService } from './list-service.js';
import { fromText, MemoryTransfer, rootOf, serveFrom, toText } from './memory-transfer.js';
import type { SimulatedState } from './storage.js';

/** Checkpoints kept though nobody releases them. */
const MOST_CHECKPOINTS = 5;

const REGISTER = 'register ';
const INITIAL = toText({ executed: 0, clock: { seconds: 0, nanoseconds: 0 }, tokens: [], rows: [] });

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
 * List, registers and sessions as rows of one state. With them, the storage of a replica: a crash takes back what was
 * not made permanent by `commit`. Both a crash and a rollback go back over one undo log, so that a batch costs what it
 * changes.
 */
export class MemoryState implements SimulatedState, Service {
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
  /** Texts of the checkpoints that others can take, by sequence number. */
  private readonly checkpoints = new Map<number, string>([[0, INITIAL]]);
  /** Parts of states that earlier transfers gathered. */
  private readonly gathered = new Map<string, string>();
  private transferring = false;
  installed = 0;
  damaged = false;
  /** Digest over what the current batch executed: what is compared between replicas when it commits. */
  private batchContent = '';
  readonly service: Service = this;
  private readonly lists = new ListService(this.listRows());
  readonly sessions: SessionStore = new MemorySessions(this);
  /** Called at each commit with the sequence number, a text that says what was executed, and the tokens appended. */
  onCommit: ((sequence: number, content: string, appended: readonly string[]) => void) | undefined;
  onRollback: ((sequence: number) => void) | undefined;
  onInstalled: ((sequence: number) => void) | undefined;

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

  private listRows(): ListRows {
    const { tokens } = this;
    return {
      get length() {
        return tokens.length;
      },
      get last() {
        return tokens.at(-1);
      },
      append: (token) => tokens.push(token),
      register: (key) => this.rows.get(`register ${key}`) as string | undefined,
      setRegister: (key, value) => this.setRow(`register ${key}`, value),
    };
  }

  private mark(): Mark {
    const { executed, time } = this;
    return { undo: this.undo.length, list: this.tokens.length, lastExecuted: executed, clock: time };
  }

  row(key: string): unknown {
    this.checkIdle();
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
    if (this.damaged) return;
    this.permanent = this.tentative ?? this.mark();
    if (!flushed) return;
    this.undo = this.undo.slice(this.permanent.undo);
    this.permanent = { ...this.permanent, undo: 0 };
    if (this.tentative !== undefined) this.tentative = this.permanent;
    this.onDisk = this.permanent;
  }

  crash(): void {
    this.goBack(this.permanent);
  }

  losePower(): void {
    this.goBack(this.onDisk);
    this.permanent = this.onDisk;
  }

  private goBack(mark: Mark): void {
    this.tentative = undefined;
    this.transferring = false;
    this.damaged = false;
    this.backTo(mark);
    for (const sequence of this.checkpoints.keys()) if (sequence > this.executed) this.checkpoints.delete(sequence);
  }

  backUp(): () => void {
    const { executed, time, installed } = this;
    const rows = [...this.rows];
    const tokens = [...this.tokens];
    const checkpoints = [...this.checkpoints];
    return () => {
      this.become(executed, time, tokens, rows);
      this.installed = installed;
      this.checkpoints.clear();
      for (const [sequence, text] of checkpoints) this.checkpoints.set(sequence, text);
    };
  }

  /** All of it on stable storage. */
  private become(
    executed: number,
    clock: Timestamp,
    tokens: readonly string[],
    rows: readonly (readonly [string, unknown])[],
  ): void {
    this.tokens.splice(0, this.tokens.length, ...tokens);
    this.rows.clear();
    for (const [key, value] of rows) this.rows.set(key, value);
    this.executed = executed;
    this.time = clock;
    this.undo = [];
    this.permanent = this.mark();
    this.onDisk = this.permanent;
  }

  private checkIdle(): void {
    assert(!this.damaged, 'nothing is asked of rows that are damaged');
    assert(!this.transferring, 'nothing is executed while another state is gathered');
  }

  distrust(): void {
    this.damaged = true;
    this.checkpoints.clear();
  }

  releaseCheckpoints(below: number): void {
    const latest = Math.max(0, ...this.checkpoints.keys());
    for (const each of this.checkpoints.keys()) if (each < below && each !== latest) this.checkpoints.delete(each);
  }

  get readableCheckpoints(): readonly number[] {
    return [...this.checkpoints.keys()];
  }

  serve(query: Uint8Array): Uint8Array | undefined {
    return serveFrom(this.checkpoints, query);
  }

  beginTransfer(sequence: number, stateDigest: Digest): StateTransfer {
    assert(this.tentative === undefined && !this.transferring, 'a transfer begins between batches');
    this.transferring = true;
    const end = {
      install: (text: string) => this.install(text),
      cancel: () => {
        this.transferring = false;
      },
    };
    return new MemoryTransfer(sequence, stateDigest, this.gathered, end);
  }

  private install(text: string): void {
    const { executed, clock, tokens, rows } = fromText(text);
    this.transferring = false;
    this.damaged = false;
    this.become(executed, clock, tokens, rows);
    this.installed = executed;
    this.checkpoints.clear();
    this.checkpoints.set(executed, text);
    this.gathered.clear();
    this.onInstalled?.(executed);
  }

  /** All up to here would be left of it if the power were lost. */
  get flushedUpTo(): number {
    return this.onDisk.lastExecuted;
  }

  beginBatch(sequence: number): void {
    assert(this.tentative === undefined, `batch ${sequence} begins on a tentative one`);
    this.checkIdle();
    const begins = incarnationOf(sequence) > incarnationOf(this.executed);
    assert(sequence === (begins ? startOf(incarnationOf(sequence)) : this.executed) + 1, 'batches come in order');
    this.tentative = this.mark();
    this.executing = sequence;
    this.batchContent = begins ? beginsText(this.executed) : '';
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
    const { executed, time: clock, tokens } = this;
    const rows = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const text = toText({ executed, clock, tokens, rows });
    this.checkpoints.set(executed, text);
    for (const each of this.checkpoints.keys())
      if (this.checkpoints.size > MOST_CHECKPOINTS) this.checkpoints.delete(each);
    if (incarnationOf(this.onDisk.lastExecuted) < incarnationOf(executed)) this.commit(true);
    return rootOf(text);
  }

  register(key: string): string | undefined {
    return this.rows.get(`${REGISTER}${key}`) as string | undefined;
  }

  get initialDigest(): Digest {
    return rootOf(INITIAL);
  }

  execute(operation: Uint8Array, context: ExecutionContext): Execution {
    const execution = this.lists.execute(operation);
    this.batchContent += executedText(context.session, operation, execution.result);
    return execution;
  }

  /** The reply cache says in which slot, as what sequence number, the last operation was executed. */
  executedIn(row: SlotRow): void {
    this.batchContent += slotText(row);
  }

  query(operation: Uint8Array, _session: SessionId): Uint8Array {
    return this.lists.query(operation);
  }

  sessionEnded(): void {}

  audit(): Digest {
    return this.checkpoint();
  }
}

class MemorySessions implements SessionStore {
  constructor(private readonly state: MemoryState) {}

  standing(): Standing {
    return 'registered';
  }

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

  all(): SessionRow[] {
    const rows: SessionRow[] = [];
    for (const key of this.state.keys()) if (key.startsWith('session ')) rows.push(this.state.row(key) as SessionRow);
    return rows.sort((a, b) => a.session.client - b.session.client || a.session.instance - b.session.instance);
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
    this.state.executedIn(row);
    this.state.setRow(`slot ${sessionKey(id)}:${row.slot}`, row);
  }
}
