/**
 * What a transfer has gathered: verified pieces, in a file of their own beside the state's, so that a restart goes on
 * with them, and the state's file does not keep the room they took.
 */
import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { type Octets, octets, toBytes } from '../../src/merkle/index.js';
import { isDamage } from './database.js';
import { StagingError } from './errors.js';
import { PAGE_BYTES } from './schema.js';
import { readStatement } from './tables/statements.js';

/** A row that becomes another, or is removed: undefined. */
export interface StagedChange {
  key: Octets;
  row: { leaf: Octets; content: Buffer } | undefined;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS node (
    prefix BLOB PRIMARY KEY,
    content BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS row (
    key BLOB PRIMARY KEY,
    leaf BLOB NOT NULL,
    content BLOB NOT NULL
  ) STRICT;
  -- What the walk found to differ; leaf is null where a row is to be removed.
  CREATE TABLE IF NOT EXISTS change (
    key BLOB PRIMARY KEY,
    leaf BLOB
  ) STRICT, WITHOUT ROWID;
  DELETE FROM change;
`;

type ChangeColumns = [key: Buffer, leaf: Buffer | null, content: Buffer | null];

/** What cannot be read is begun anew: all of it can be had again. */
function openAnew(path: string, durability: 'buffered' | 'synced'): Database.Database {
  const db = new Database(path, { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma(`page_size = ${PAGE_BYTES}`);
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${durability === 'synced' ? 'NORMAL' : 'OFF'}`);
    db.exec(SCHEMA);
    return db;
  } catch (error) {
    db.close();
    if (!isDamage(error)) throw error;
    remove(path);
    return openAnew(path, durability);
  }
}

function remove(path: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(path + part, { force: true });
}

const pathBeside = (state: string): string => `${state}-staging`;

/** @param state path of the state's file */
export const removeStaging = (state: string): void => remove(pathBeside(state));

/** What SQLite finds in a damaged record may be of any type. */
function bytes(value: Buffer | null): Buffer {
  if (!Buffer.isBuffer(value)) throw new TypeError('a column has no bytes');
  return value;
}

export class Staging {
  private readonly path: string;
  private readonly db: Database.Database;
  private readonly selectNode;
  private readonly insertNode;
  private readonly selectLeaf;
  private readonly insertRow;
  private readonly anyRow;
  private readonly insertChange;
  private readonly selectChanges;
  private readonly deleteChanges;

  /** @param state path of the state's file, beside which it is */
  constructor(state: string, durability: 'buffered' | 'synced') {
    this.path = pathBeside(state);
    const db = openAnew(this.path, durability);
    this.db = db;
    this.selectNode = readStatement<[Buffer], [Buffer]>(db, 'SELECT content FROM node WHERE prefix = ?');
    this.insertNode = db.prepare<[Buffer, Buffer]>('INSERT OR REPLACE INTO node VALUES (?, ?)');
    this.selectLeaf = readStatement<[Buffer], [Buffer]>(db, 'SELECT leaf FROM row WHERE key = ?');
    this.insertRow = db.prepare<[Buffer, Buffer, Buffer]>('INSERT OR REPLACE INTO row VALUES (?, ?, ?)');
    this.anyRow = readStatement<[], [number]>(db, 'SELECT 1 FROM row LIMIT 1');
    this.insertChange = db.prepare<[Buffer, Buffer | null]>('INSERT INTO change VALUES (?, ?)');
    this.selectChanges = readStatement<[Buffer, number], ChangeColumns>(
      db,
      `SELECT key, change.leaf, content FROM change LEFT JOIN row USING (key)
       WHERE key > ? ORDER BY key LIMIT ?`,
    );
    this.deleteChanges = db.prepare('DELETE FROM change');
    db.exec('BEGIN');
  }

  /** Every use of the file. The disk's refusals are this replica's end; what it has altered is not the state's. */
  private use<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof Database.SqliteError && !isDamage(error)) throw error;
      this.discard();
      throw new StagingError(`${this.path}: ${(error as Error).message}: it is gathered anew`);
    }
  }

  node(prefix: Octets): Buffer | undefined {
    return this.use(() => {
      const found = this.selectNode.get(toBytes(prefix));
      return found && bytes(found[0]);
    });
  }

  putNode(prefix: Octets, content: Buffer): void {
    this.use(() => this.insertNode.run(toBytes(prefix), content));
  }

  /** Digest of the leaf of the row that is here under `key`. */
  leaf(key: Octets): Octets | undefined {
    return this.use(() => {
      const found = this.selectLeaf.get(toBytes(key));
      return found && octets(bytes(found[0]));
    });
  }

  putRow(key: Octets, leaf: Octets, content: Buffer): void {
    this.use(() => this.insertRow.run(toBytes(key), toBytes(leaf), content));
  }

  get hasRows(): boolean {
    return this.use(() => this.anyRow.get() !== undefined);
  }

  /** Notes that the row is to become the one of that leaf, or to be removed. Once a key. */
  change(key: Octets, leaf: Octets | undefined): void {
    this.use(() => this.insertChange.run(toBytes(key), leaf === undefined ? null : toBytes(leaf)));
  }

  /** The changes, in the order of their keys: a number of them, from the first after `key`. */
  changesAfter(key: Octets, limit: number): StagedChange[] {
    return this.use(() =>
      this.selectChanges.all(toBytes(key), limit).map(([key, leaf, content]) => ({
        key: octets(bytes(key)),
        row: leaf === null ? undefined : { leaf: octets(bytes(leaf)), content: bytes(content) },
      })),
    );
  }

  forgetChanges(): void {
    this.use(() => this.deleteChanges.run());
  }

  /** What is here survives the death of the process. */
  commit(): void {
    if (this.db.open) this.use(() => this.db.exec('COMMIT; BEGIN'));
  }

  close(): void {
    if (!this.db.open) return;
    this.use(() => this.db.exec('COMMIT'));
    this.db.close();
  }

  /** Closes it and removes the file. */
  discard(): void {
    this.db.close();
    remove(this.path);
  }
}
