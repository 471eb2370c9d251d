/** The state of replica/state, with a list and registers on its rows, and what may become of its files. */
import type { Database } from 'better-sqlite3';
import type { FileStateOptions } from '../../../replica/state/database.js';
import { createFileState, type FileState, openFileState } from '../../../replica/state/index.js';
import { removeStaging, type Staging } from '../../../replica/state/staging.js';
import type { Store } from '../../../replica/state/store.js';
import { assert } from '../../../src/limits.js';
import { incarnationOf } from '../../../src/pbft/incarnation.js';
import type { Digest, ReplicaId, SequenceNumber, Timestamp } from '../../../src/pbft/messages.js';
import type { Service, SessionStore } from '../../../src/pbft/ports.js';
import type { StateTransfer } from '../../../src/pbft/transfer-ports.js';
import { beginsText, executedText, slotText } from '../checkers/executions.js';
import { ListService } from '../list-service.js';
import type { Random } from '../random.js';
import type { SimulatedState, Write } from '../storage.js';
import { DatabaseFiles } from './database-files.js';
import { StoredList } from './stored-list.js';

export interface SqliteStateOptions extends Pick<FileStateOptions, 'path' | 'cluster' | 'durability'> {
  random: Random;
  /** Of the journal: the highest sequence number that it speaks of. */
  lastRecorded: () => SequenceNumber;
  /** Called before and after each write; what it throws is the death of the process. */
  onWrite: (what: Write) => void;
}

interface Opened {
  file: FileState;
  store: Store;
  list: StoredList;
}

export class SqliteState implements SimulatedState {
  onCommit: SimulatedState['onCommit'];
  onRollback: SimulatedState['onRollback'];
  onInstalled: SimulatedState['onInstalled'];
  isTentative = false;
  private readonly files: DatabaseFiles;
  /** None while the process is down, until somebody looks. */
  private opened: Opened | undefined;
  /** What the batch under way has executed. */
  private content = '';
  private onDisk: SequenceNumber = 0;
  /** As the shell's marker: rows were found to be altered, so that the next process begins anew. */
  private marked = false;
  private audited: { file: FileState; sequence: SequenceNumber; digest: Digest } | undefined;

  constructor(private readonly options: SqliteStateOptions) {
    this.files = new DatabaseFiles(options.path);
    createFileState(this.fileOptions()).close();
  }

  private fileOptions(store?: (store: Store) => Service): FileStateOptions {
    const { path, cluster, durability } = this.options;
    return { path, cluster, durability, service: store, now: () => 0 };
  }

  private get now(): Opened {
    this.opened ??= this.open();
    return this.opened;
  }

  private get file(): FileState {
    return this.now.file;
  }

  private open(): Opened {
    if (this.marked) this.beginAnew();
    let opened: Omit<Opened, 'file'> | undefined;
    const options = this.fileOptions((store) => {
      const list = new StoredList(store.records);
      opened = { store, list };
      return new ListService(list);
    });
    const file = openFileState(options);
    const { store, list } = opened!;
    const { onWrite } = this.options;
    around<'commit', boolean>(
      store,
      'commit',
      () => onWrite('commit'),
      (isFlushed) => {
        if (isFlushed) this.noteFlushed();
      },
    );
    const { sessions } = file;
    const putSlot = sessions.putSlot.bind(sessions);
    sessions.putSlot = (id, row) => {
      this.content += slotText(row);
      putSlot(id, row);
    };
    return { file, store, list };
  }

  private noteFlushed(): void {
    this.files.noteFlushed();
    this.onDisk = this.opened!.file.lastExecuted;
  }

  /** What the shell does with a state that is known to be wrong (replica/open.ts). */
  private beginAnew(): void {
    this.files.remove();
    createFileState(this.fileOptions(), this.options.lastRecorded()).close();
    // Of the log of the database that was there before nothing comes back.
    this.files.noteFlushed();
    this.marked = false;
    this.onDisk = 0;
  }

  get initialDigest(): Digest {
    return this.file.initialDigest;
  }

  register(key: string): string | undefined {
    return this.now.list.register(key);
  }

  get lastExecuted(): SequenceNumber {
    return this.file.lastExecuted;
  }

  get clock(): Timestamp {
    return this.file.clock;
  }

  get installed(): SequenceNumber {
    return this.file.installed;
  }

  get damaged(): boolean {
    return this.file.damaged;
  }

  get flushedUpTo(): SequenceNumber {
    return this.marked ? 0 : this.onDisk;
  }

  get sessions(): SessionStore {
    return this.file.sessions;
  }

  readonly service: Service = {
    execute: (operation, context) => {
      const execution = this.file.service.execute(operation, context);
      this.content += executedText(context.session, operation, execution.result);
      return execution;
    },
    query: (operation, session) => this.file.service.query(operation, session),
    sessionEnded: (session, context) => this.file.service.sessionEnded(session, context),
  };

  beginBatch(sequence: SequenceNumber): void {
    const begins = incarnationOf(sequence) > incarnationOf(this.lastExecuted);
    this.content = begins ? beginsText(this.lastExecuted) : '';
    this.now.list.appended.length = 0;
    this.file.beginBatch(sequence);
    this.isTentative = true;
  }

  endBatch(clock: Timestamp): void {
    this.file.endBatch(clock);
  }

  commitBatch(): void {
    const { file, list } = this.now;
    file.commitBatch();
    this.isTentative = false;
    const { seconds, nanoseconds } = file.clock;
    this.onCommit?.(file.lastExecuted, `${this.content} ${seconds}.${nanoseconds}`, [...list.appended]);
  }

  rollbackBatch(): void {
    this.onRollback?.(this.file.lastExecuted);
    this.file.rollbackBatch();
    this.isTentative = false;
  }

  checkpoint(): Digest {
    return this.file.checkpoint();
  }

  /** Of a state that nothing was executed on since, it is the same. */
  audit(): Digest | undefined {
    const { file, lastExecuted: sequence } = this;
    if (file.damaged) return undefined;
    if (this.audited?.file !== file || this.audited.sequence !== sequence) {
      this.audited = { file, sequence, digest: file.recomputeDigest() };
    }
    return this.audited.digest;
  }

  get readableCheckpoints(): readonly SequenceNumber[] {
    return this.file.readableCheckpoints;
  }

  releaseCheckpoints(below: SequenceNumber): void {
    this.file.releaseCheckpoints(below);
  }

  serve(query: Uint8Array, reader: ReplicaId): Uint8Array | undefined {
    return this.file.serve(query, reader);
  }

  distrust(): void {
    this.file.distrust();
  }

  beginTransfer(sequence: SequenceNumber, stateDigest: Digest): StateTransfer {
    const { onWrite } = this.options;
    const transfer = this.file.beginTransfer(sequence, stateDigest);
    around<'commit', void>(inside(this.file).staging!, 'commit', () => onWrite('staging'));
    around<'install', boolean>(
      transfer,
      'install',
      () => onWrite('install'),
      (isInstalled) => {
        if (!isInstalled) return;
        this.marked = false;
        this.audited = undefined;
        this.onInstalled?.(this.lastExecuted);
      },
    );
    return transfer;
  }

  commit(flushed = true): void {
    this.file.commit(flushed);
  }

  crash(): void {
    const { opened } = this;
    this.opened = undefined;
    this.isTentative = false;
    if (opened === undefined) return;
    this.files.kill(() => {
      opened.file.distrust();
      opened.file.close();
    });
  }

  losePower(): void {
    const { path, durability, random } = this.options;
    this.files.losePower(random);
    // As the shell does.
    if (durability === 'buffered') removeStaging(path);
  }

  backUp(): () => void {
    const { marked } = this;
    const restore = this.files.backUp();
    return () => {
      restore();
      this.marked = marked;
      this.onDisk = this.lastExecuted;
    };
  }

  decay(): void {
    const { file } = this;
    if (!file.isScrubbable || this.isTentative) return;
    const { random } = this.options;
    // What is yet to be written would replace what is altered.
    file.commit();
    if (!alterRow(inside(file).db, random)) return;
    this.marked = true;
    const scrub = file.scrub();
    while (!scrub.step());
    assert(scrub.damaged > 0, 'a pass over the rows finds the one that was altered');
  }

  close(): void {
    this.crash();
  }
}

const inside = (file: FileState): { db: Database; staging: Staging | undefined } =>
  file as unknown as { db: Database; staging: Staging | undefined };

/** Tables with rows that clients have made, their keys, and a column of bytes. */
const ALTERABLE = [
  { table: 'record', key: 'key_digest', column: 'value' },
  { table: 'record', key: 'key_digest', column: 'key' },
  { table: 'slot', key: 'client, instance, slot', column: 'request_digest' },
  { table: 'tree_node', key: 'id', column: 'content' },
];

/** A byte of a row becomes another. @returns whether there was a row to be altered */
function alterRow(db: Database, random: Random): boolean {
  const { table, key, column } = random.pick(ALTERABLE);
  const rows = db.prepare<[], Record<string, Buffer | number>>(
    `SELECT ${key}, ${column} AS bytes FROM ${table} WHERE length(${column}) > 0 ORDER BY ${key}`,
  );
  const found = rows.all();
  if (found.length === 0) return false;
  const { bytes, ...where } = random.pick(found);
  const altered = Buffer.from(bytes as Buffer);
  altered[random.below(altered.length)] ^= 1 + random.below(255);
  const conditions = Object.keys(where).map((name) => `${name} = :${name}`);
  db.prepare(`UPDATE ${table} SET ${column} = :bytes WHERE ${conditions.join(' AND ')}`).run({
    ...where,
    bytes: altered,
  });
  return true;
}

/** Has something done around each call of one object's method. */
function around<Name extends string, Result>(
  object: { [Key in Name]: (...parameters: never[]) => Result },
  name: Name,
  beforeAndAfter: () => void,
  then?: (result: Result) => void,
): void {
  const method = object[name].bind(object) as (...parameters: unknown[]) => Result;
  const watched = (...parameters: unknown[]): Result => {
    beforeAndAfter();
    const result = method(...parameters);
    then?.(result);
    beforeAndAfter();
    return result;
  };
  Object.assign(object, { [name]: watched });
}
