/** The deterministic, SQLite-backed file state of one replica. */
import { statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import type { Digest, SequenceNumber, Timestamp } from '../../src/pbft/messages.js';
import type { ReplicatedState, Service, SessionStore } from '../../src/pbft/ports.js';
import { createDatabase, explained, type FileStateOptions, openDatabase } from './database.js';
import { ACCUMULATOR_BYTES } from './digest.js';
import { StateError } from './errors.js';
import { initialHeader, initialRoot } from './initial.js';
import { FileService } from './service.js';
import { StoredSessions } from './sessions.js';
import { Store } from './store.js';
import { readStatement } from './tables/statements.js';

/** A file up to this size has all its rows checked against its digest when it is opened: well under a second. */
const CHECKED_AT_OPEN_BYTES = 8 * 1024 * 1024;

/** All of it known without asking SQLite. */
export interface FileStateStatistics {
  /** `lastExecuted` of the last commit: a killed process goes on from here. */
  committed: SequenceNumber;
  /** `lastExecuted` that the database file is known to have; with `synced`, a power failure leaves at least this. */
  checkpointed: SequenceNumber;
  /** Rows changed and not yet handed to SQLite. */
  touchedRows: number;
  usedBytes: number;
  usedInodes: number;
}

/**
 * The replica's journal is the write-ahead log of this state: the SQLite transaction stays open across batches, and
 * what was not committed when the process dies is executed again from `lastExecuted`, a row of the same transaction.
 * SQLite's failures are not caught here: they are this replica's own, and stop it (DESIGN: one engine for truth).
 */
export class FileState implements ReplicatedState {
  readonly service: Service;
  readonly sessions: SessionStore;
  private batch: SequenceNumber | undefined;
  private committed: SequenceNumber;
  private checkpointed: SequenceNumber;

  constructor(
    private readonly db: Database,
    private readonly store: Store,
  ) {
    this.service = new FileService(store);
    this.sessions = new StoredSessions(store);
    this.committed = this.lastExecuted;
    this.checkpointed = this.lastExecuted;
    store.beginTransaction();
  }

  get lastExecuted(): SequenceNumber {
    return this.store.header.row.lastExecuted;
  }

  get clock(): Timestamp {
    return this.store.header.row.clock;
  }

  get statistics(): FileStateStatistics {
    const { committed, checkpointed, store } = this;
    const { usedBytes, usedInodes } = store.header.row;
    return { committed, checkpointed, touchedRows: store.touchedRows, usedBytes, usedInodes };
  }

  beginBatch(sequence: SequenceNumber): void {
    assert(this.batch === undefined, 'one batch at a time');
    assert(sequence === this.lastExecuted + 1, `batch ${sequence} follows ${this.lastExecuted}`);
    this.batch = sequence;
  }

  endBatch(clock: Timestamp): void {
    assert(this.batch !== undefined, 'a batch has begun');
    this.store.updateHeader({ lastExecuted: this.batch, clock });
    this.batch = undefined;
    this.store.settleIfLarge();
  }

  checkpoint(): Digest {
    assert(this.batch === undefined, 'a checkpoint lies between batches');
    return this.store.root();
  }

  /** The digest computed from all rows again, at a cost in proportion to the state: for tests and audits. */
  recomputeDigest(): Digest {
    assert(this.batch === undefined, 'a digest lies between batches');
    return this.store.recomputeRoot();
  }

  /** Makes what has been executed survive the death of the process. For the shell, every so many batches or ms. */
  commit(): void {
    assert(this.batch === undefined, 'a commit lies between batches');
    const copied = this.store.commit();
    this.committed = this.lastExecuted;
    if (copied) this.checkpointed = this.committed;
    this.store.beginTransaction();
  }

  /** Commits and closes; the object is of no use afterwards. */
  close(): void {
    this.commit();
    this.db.exec('COMMIT');
    this.db.pragma('wal_checkpoint(TRUNCATE)');
    this.db.close();
  }
}

/** Makes a new database with the agreed initial state. @throws StateError if there is one, or it cannot be written */
export function createFileState(options: FileStateOptions): FileState {
  createDatabase(options, (db) => {
    const store = makeStore(db, options, Buffer.alloc(ACCUMULATOR_BYTES));
    const root = initialRoot(options.cluster);
    store.beginTransaction();
    store.inodes.insert(root.ino, root);
    store.header.insert(0, initialHeader(options.cluster));
    store.commit();
  });
  return openFileState(options);
}

/** Opens an existing one: it never starts empty. @throws StateError */
export function openFileState(options: FileStateOptions): FileState {
  const { path } = options;
  const db = openDatabase(options);
  try {
    return explained(path, () => {
      const saved = readStatement<[], [Buffer]>(db, 'SELECT accumulator FROM state WHERE id = 1').get()![0];
      if (saved.length !== ACCUMULATOR_BYTES) throw new StateError('corrupt', path, 'its digest has a wrong length');
      const store = makeStore(db, options, saved);
      if (statSync(path).size <= CHECKED_AT_OPEN_BYTES && Buffer.compare(store.root(), store.recomputeRoot()) !== 0) {
        throw new StateError('corrupt', path, 'its rows do not have the digest it recorded');
      }
      return new FileState(db, store);
    });
  } catch (error) {
    db.close();
    throw error;
  }
}

const makeStore = (db: Database, { cluster }: FileStateOptions, accumulator: Buffer): Store =>
  new Store(db, cluster.id, { bytes: cluster.capacityBytes, inodes: cluster.capacityInodes }, accumulator);
