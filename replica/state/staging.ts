/**
 * What a transfer has gathered: verified pieces, in a file of their own beside the state's, so that a restart goes on
 * with them, and the state's file does not keep the room they took.
 */
import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { type Octets, octets, toBytes } from '../../src/merkle/index.js';
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
    if (!(error instanceof Database.SqliteError) || !/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) throw error;
    remove(path);
    return openAnew(path, durability);
  }
}

function remove(path: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(path + part, { force: true });
}

export class Staging {
  private readonly db: Database.Database;
  private readonly selectNode;
  private readonly insertNode;
  private readonly selectLeaf;
  private readonly insertRow;
  private readonly anyRow;
  private readonly insertChange;
  private readonly selectChanges;
  private readonly deleteChanges;

  constructor(
    private readonly path: string,
    durability: 'buffered' | 'synced',
  ) {
    const db = openAnew(path, durability);
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

  node(prefix: Octets): Buffer | undefined {
    return this.selectNode.get(toBytes(prefix))?.[0];
  }

  putNode(prefix: Octets, content: Buffer): void {
    this.insertNode.run(toBytes(prefix), content);
  }

  /** Digest of the leaf of the row that is here under `key`. */
  leaf(key: Octets): Octets | undefined {
    const found = this.selectLeaf.get(toBytes(key))?.[0];
    return found && octets(found);
  }

  putRow(key: Octets, leaf: Octets, content: Buffer): void {
    this.insertRow.run(toBytes(key), toBytes(leaf), content);
  }

  get hasRows(): boolean {
    return this.anyRow.get() !== undefined;
  }

  /** Notes that the row is to become the one of that leaf, or to be removed. Once a key. */
  change(key: Octets, leaf: Octets | undefined): void {
    this.insertChange.run(toBytes(key), leaf === undefined ? null : toBytes(leaf));
  }

  /** The changes, in the order of their keys: a number of them, from the first after `key`. */
  changesAfter(key: Octets, limit: number): StagedChange[] {
    return this.selectChanges.all(toBytes(key), limit).map(([key, leaf, content]) => ({
      key: octets(key),
      row: leaf === null ? undefined : { leaf: octets(leaf), content: content! },
    }));
  }

  forgetChanges(): void {
    this.deleteChanges.run();
  }

  /** What is here survives the death of the process. */
  commit(): void {
    this.db.exec('COMMIT; BEGIN');
  }

  close(): void {
    this.db.exec('COMMIT');
    this.db.close();
  }

  /** Closes it and removes the file. */
  discard(): void {
    this.close();
    remove(this.path);
  }
}
