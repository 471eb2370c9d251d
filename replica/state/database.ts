/** The SQLite file: making one, and opening it only if it is what it should be. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import type { Cluster } from '../../src/cluster/types.js';
import type { Service } from '../../src/pbft/ports.js';
import { DatabaseContradiction, StateError } from './errors.js';
import { APPLICATION_ID, HEADER_SEAL, PAGE_BYTES, SCHEMA, SCHEMA_VERSION } from './schema.js';
import type { Store } from './store.js';
import { readStatement } from './tables/statements.js';

/** A service that keeps all it knows in rows is hashed, rolled back and transferred with them. */
export type MakeService = (store: Store) => Service;

export interface FileStateOptions {
  /** The .db file; SQLite keeps its write-ahead log beside it. */
  path: string;
  cluster: Cluster;
  /** Whether what a state transfer has gathered survives a power failure. */
  durability: 'buffered' | 'synced';
  /** Makes the service that is replicated, on the rows it lives in. Default: the file service. */
  service?: MakeService;
  /** Milliseconds, from anywhere on, by which long work is done in slices. Default: those of this process. */
  now?: () => number;
  /** Told how many rows a damaged state was found to have damaged, when a transfer begins to mend them. */
  onDamage?: (rows: number) => void;
}

const PAGE_CACHE_KIB = 64 * 1024;
/** What one large transaction made the log grow to is given back when the log begins anew. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Makes the file with the tables and with what `fill` puts in, all or nothing: it gets its name when it is complete.
 * A log left without its database would be applied to the new one, so that too counts as a state that exists.
 */
export function createDatabase({ path, cluster }: FileStateOptions, fill: (db: Database.Database) => void): void {
  for (const part of [path, `${path}-wal`]) {
    if (existsSync(part)) throw new StateError('exists', part, 'exists already; remove it to begin anew');
  }
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  rmSync(`${unfinished}-journal`, { force: true });
  const db = open(path, unfinished, {});
  try {
    makeTables(db, cluster);
    fill(db);
  } finally {
    db.close();
  }
  renameSync(unfinished, path);
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

/** With the tables, and with nobody to keep it. */
export function createInMemory({ cluster }: FileStateOptions): Database.Database {
  const db = new Database(':memory:');
  makeTables(db, cluster);
  return db;
}

function makeTables(db: Database.Database, cluster: Cluster): void {
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
  db.exec(SCHEMA);
  db.prepare('INSERT INTO state VALUES (1, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)').run(cluster.id);
}

/** Opens it for this process alone. @throws StateError */
export function openDatabase({ path, cluster }: FileStateOptions): Database.Database {
  if (!existsSync(path)) throw new StateError('missing', path, 'there is no file state');
  const db = open(path, path, { fileMustExist: true, timeout: 0 });
  try {
    explained(path, () => {
      db.pragma('locking_mode = EXCLUSIVE');
      check(db, path, cluster);
      if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
        throw new StateError('unreadable', path, 'SQLite cannot keep a write-ahead log beside it');
      }
      db.pragma('wal_autocheckpoint = 0');
      db.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
      // A power failure goes back to the last commit that was copied to the database, whose journal is kept (DESIGN 3.11).
      db.pragma('synchronous = NORMAL');
      db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
      db.pragma('temp_store = MEMORY');
    });
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function check(db: Database.Database, path: string, cluster: Cluster): void {
  if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw new StateError('corrupt', path, 'not a file state of byzfs');
  }
  const version = db.pragma('user_version', { simple: true });
  if (version !== SCHEMA_VERSION) {
    throw new StateError('version', path, `its version is ${version}, this program knows version ${SCHEMA_VERSION}`);
  }
  const [id, isSealed] =
    readStatement<[], [Buffer, number]>(db, `SELECT cluster, seal = ${HEADER_SEAL} FROM state WHERE id = 1`).get() ??
    [];
  if (id === undefined) throw new StateError('corrupt', path, 'it has no header');
  if (isSealed !== 1 || !Buffer.isBuffer(id)) throw new StateError('corrupt', path, 'its header was altered');
  if (!id.equals(cluster.id)) {
    throw new StateError('cluster', path, `it is the state of cluster ${short(id)}, not of ${short(cluster.id)}`);
  }
}

/** @param path what errors name */
function open(path: string, file: string, how: Database.Options): Database.Database {
  return explained(path, () => {
    try {
      return new Database(file, how);
    } catch (error) {
      // So the binding reports a directory that does not exist.
      if (error instanceof TypeError) throw new StateError('unreadable', path, error.message);
      throw error;
    }
  });
}

const short = (id: Buffer): string => id.toString('hex', 0, 8);

/** Whether SQLite says that the file is no database, or that a part of it cannot be read. */
const isUnreadable = (code: string): boolean =>
  /^SQLITE_(CORRUPT|NOTADB|IOERR_(READ|SHORT_READ|CORRUPTFS|DATA))/.test(code);

/** Whether the file state is damaged in a way that nothing in it can be trusted to mend. */
export function isDamage(error: unknown): boolean {
  if (error instanceof StateError) return error.code === 'corrupt';
  return error instanceof DatabaseContradiction || (error instanceof Database.SqliteError && isUnreadable(error.code));
}

/** What SQLite and the operating system say, as one of the reasons that `StateError` knows. */
export function explained<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof Database.SqliteError) {
      if (isUnreadable(error.code)) throw new StateError('corrupt', path, error.message);
      if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) throw new StateError('locked', path, 'another process has it open');
      if (/^SQLITE_ERROR/.test(error.code)) throw new StateError('corrupt', path, error.message);
      throw new StateError('unreadable', path, error.message);
    }
    throw error;
  }
}
