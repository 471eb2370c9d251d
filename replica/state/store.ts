/** All rows of the state: the SQLite file, what has changed and is not in it yet, and the digest over both. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import type { Digest } from '../../src/pbft/messages.js';
import { LtHash, type StateDigest } from './digest.js';
import type { HeaderRow } from './rows.js';
import { PAGE_BYTES } from './schema.js';
import { BlockTable } from './tables/blocks.js';
import { DentryTable } from './tables/dentries.js';
import { HeaderTable } from './tables/header.js';
import { InodeTable } from './tables/inodes.js';
import { EndedInstanceTable, OrphanTable, SessionTable, SlotTable } from './tables/sessions.js';
import { readStatement } from './tables/statements.js';
import { TargetTable } from './tables/targets.js';

/** Changed rows held in memory before they are settled without waiting for a commit: ≤ 32 MiB, nearly all blocks. */
const TOUCHED_ROWS = 8192;
const TOUCHED_BLOCKS = 1024;

/** The write-ahead log is copied back to the database in slices of about this size. */
const WAL_SLICE_BYTES = 4 * 1024 * 1024;

/** Of the file system, for ENOSPC: agreed in the cluster file. */
export interface Capacity {
  bytes: number;
  inodes: number;
}

export class Store {
  readonly header: HeaderTable;
  readonly inodes: InodeTable;
  readonly dentries: DentryTable;
  readonly blocks: BlockTable;
  readonly targets: TargetTable;
  readonly orphans: OrphanTable;
  readonly sessions: SessionTable;
  readonly slots: SlotTable;
  readonly endedInstances: EndedInstanceTable;
  private readonly tables;
  private readonly digest: StateDigest;
  private readonly begin;
  private readonly end;
  private readonly saveAccumulator;
  private readonly walFrames;
  private readonly walCheckpoint;

  /** @param cluster the cluster's id @param accumulator what the digest of the rows in `db` had saved */
  constructor(
    private readonly db: Database,
    cluster: Buffer,
    readonly capacity: Capacity,
    accumulator: Uint8Array,
  ) {
    this.header = new HeaderTable(db, cluster);
    this.inodes = new InodeTable(db);
    this.dentries = new DentryTable(db);
    this.blocks = new BlockTable(db);
    this.targets = new TargetTable(db);
    this.orphans = new OrphanTable(db);
    this.sessions = new SessionTable(db);
    this.slots = new SlotTable(db);
    this.endedInstances = new EndedInstanceTable(db);
    this.tables = [
      ...[this.header, this.inodes, this.dentries, this.blocks, this.targets],
      ...[this.orphans, this.sessions, this.slots, this.endedInstances],
    ];
    this.digest = new LtHash(accumulator);
    this.begin = db.prepare('BEGIN');
    this.end = db.prepare('COMMIT');
    this.saveAccumulator = db.prepare<[Buffer]>('UPDATE state SET accumulator = ?');
    this.walFrames = readStatement<[], [busy: number, log: number, copied: number]>(db, 'PRAGMA wal_checkpoint(NOOP)');
    this.walCheckpoint = readStatement<[], [busy: number, log: number, copied: number]>(
      db,
      'PRAGMA wal_checkpoint(PASSIVE)',
    );
  }

  /** Opens the transaction that `commit` ends; it spans batches. */
  beginTransaction(): void {
    this.begin.run();
  }

  updateHeader(changed: Partial<HeaderRow>): void {
    this.header.row = { ...this.header.row, ...changed };
  }

  get touchedRows(): number {
    let rows = 0;
    for (const table of this.tables) rows += table.touchedRows;
    return rows;
  }

  /** Bounds the memory that changed rows take; to be called between batches. */
  settleIfLarge(): void {
    if (this.blocks.touchedRows > TOUCHED_BLOCKS || this.touchedRows > TOUCHED_ROWS) this.settle();
  }

  /** Digest over all rows as they are now. */
  root(): Digest {
    this.settle();
    return this.digest.root();
  }

  /** The same from the rows alone: for tests, and to check a state when it is opened. */
  recomputeRoot(): Digest {
    this.settle();
    const digest = new LtHash();
    for (const table of this.tables) table.digestAll(digest);
    return digest.root();
  }

  /**
   * Ends the transaction; no other is open afterwards. Returns whether the database file itself now has everything,
   * the write-ahead log having been copied to it (and, where `synchronous` is on, flushed).
   */
  commit(): boolean {
    assert(this.db.inTransaction, 'a transaction is open');
    this.settle();
    this.saveAccumulator.run(this.digest.save());
    this.end.run();
    const [, frames, copiedBefore] = this.walFrames.get()!;
    if ((frames - copiedBefore) * PAGE_BYTES < WAL_SLICE_BYTES) return false;
    const [busy, log, copied] = this.walCheckpoint.get()!;
    return busy === 0 && log === copied;
  }

  private settle(): void {
    for (const table of this.tables) table.settle(this.digest);
  }
}
