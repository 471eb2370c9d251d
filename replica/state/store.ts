/** All rows of the state: the SQLite file, what has changed and is not in it yet, and their checkpoints. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import { leafDigest, type Octets, rootDigest, toBytes } from '../../src/merkle/index.js';
import type { Digest, SequenceNumber } from '../../src/pbft/messages.js';
import { treeOfRows } from './audit.js';
import { Checkpoints } from './checkpoints.js';
import { DatabaseContradiction } from './errors.js';
import { rowDigest } from './row-bytes.js';
import { HEADER_KEY, tableOf } from './row-keys.js';
import type { HeaderRow } from './rows.js';
import { HEADER_SEAL, PAGE_BYTES } from './schema.js';
import { keysInOrder, leafOf, Scrub } from './scrub.js';
import type { Staging } from './staging.js';
import { BlockTable } from './tables/blocks.js';
import { ClientTable } from './tables/clients.js';
import { DentryTable } from './tables/dentries.js';
import { DiscardedTable } from './tables/discarded.js';
import { HeaderTable } from './tables/header.js';
import { InodeTable } from './tables/inodes.js';
import { LeaseTable } from './tables/leases.js';
import { LockTable } from './tables/locks.js';
import { OrphanTable } from './tables/orphans.js';
import { RecordTable } from './tables/records.js';
import { EndedInstanceTable, SessionTable } from './tables/sessions.js';
import { SlotTable } from './tables/slots.js';
import { readStatement } from './tables/statements.js';
import type { StoredRows } from './tables/table.js';
import { TargetTable } from './tables/targets.js';
import { XattrTable } from './tables/xattrs.js';

/**
 * Rows that have changed are settled, and the tree brought up to date, when a checkpoint is taken, or earlier if there are
 * so many of them, or of blocks (≤ 4 MiB), so that no checkpoint has all of it to do at once.
 */
const SETTLED_AT = { rows: 512, blocks: 128 };

/**
 * Rows wait to be written until it would cost so much (`rowCost`), so that those that change again, or do not live long,
 * are written once or never; a commit writes them all. ≤ 1 MiB of blocks.
 */
const UNWRITTEN_ROWS = 512;
/** What checkpoints have of rows and of the tree waits longer: most is released first. ≤ 9 MiB, and ≤ 4 MiB of blocks. */
const UNWRITTEN_NODES = 1024;
const UNWRITTEN_IMAGES = 2048;

/** A commit is due when what it makes final has cost so much, to bound the pause that it is. */
const COMMITTED_AT = 1024;

/** The write-ahead log is copied back to the database in slices of about this size. */
const WAL_SLICE_BYTES = 4 * 1024 * 1024;

/** Staged rows installed in one step: ≤ 16 MiB. */
const INSTALLED_AT_ONCE = 256;

/** Rows whose leaves are made again in one step: ≤ 16 MiB. */
const REMADE_AT_ONCE = 256;

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
  readonly discarded: DiscardedTable;
  readonly targets: TargetTable;
  readonly orphans: OrphanTable;
  readonly xattrs: XattrTable;
  readonly locks: LockTable;
  readonly leases: LeaseTable;
  readonly sessions: SessionTable;
  readonly slots: SlotTable;
  readonly endedInstances: EndedInstanceTable;
  readonly clients: ClientTable;
  /** The checkpoint that was installed last; 0 if none. */
  installed: SequenceNumber;
  /** Of a service that is not the file service. */
  readonly records: RecordTable;
  readonly tables;
  readonly checkpoints: Checkpoints;
  /** What rows have cost that were written since the last commit. */
  private written = 0;
  private readonly begin;
  private readonly seal;
  private readonly end;
  private readonly walFrames;
  private readonly walCheckpoint;

  /** @param cluster the cluster's id */
  constructor(
    private readonly db: Database,
    cluster: Buffer,
    readonly capacity: Capacity,
  ) {
    this.header = new HeaderTable(db, cluster);
    this.inodes = new InodeTable(db);
    this.dentries = new DentryTable(db);
    this.blocks = new BlockTable(db);
    this.discarded = new DiscardedTable(db);
    this.targets = new TargetTable(db);
    this.orphans = new OrphanTable(db);
    this.xattrs = new XattrTable(db);
    this.locks = new LockTable(db);
    this.leases = new LeaseTable(db);
    this.sessions = new SessionTable(db);
    this.slots = new SlotTable(db);
    this.endedInstances = new EndedInstanceTable(db);
    this.records = new RecordTable(db);
    this.clients = new ClientTable(db);
    this.tables = [
      ...[this.header, this.inodes, this.dentries, this.blocks, this.targets],
      ...[this.orphans, this.sessions, this.slots, this.endedInstances, this.records],
      ...[this.xattrs, this.locks, this.leases, this.discarded, this.clients],
    ];
    for (const [at, { number }] of this.tables.entries())
      assert(number === at, 'tables are in the order of their numbers');
    const rows = {
      contentAt: (key: Octets) => this.table(key)?.contentAt(key),
      leafAt: (key: Octets) => this.table(key)?.leafAt(key),
    };
    this.installed = this.header.installed;
    this.checkpoints = new Checkpoints(db, rows, this.header.get(0)?.lastExecuted ?? 0);
    this.begin = db.prepare('BEGIN');
    this.seal = db.prepare(`UPDATE state SET seal = ${HEADER_SEAL}`);
    this.end = db.prepare('COMMIT');
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

  /** A number for an inode or a fork, that nothing had before. */
  takeNumber(): number {
    const { nextIno } = this.header.row;
    this.updateHeader({ nextIno: nextIno + 1 });
    return nextIno;
  }

  get touchedRows(): number {
    let rows = 0;
    for (const table of this.tables) rows += table.touchedRows;
    return rows;
  }

  private get unsettledRows(): number {
    let rows = 0;
    for (const table of this.tables) rows += table.unsettledRows;
    return rows;
  }

  private get unwrittenCost(): number {
    let cost = 0;
    for (const table of this.tables) cost += table.unwrittenCost;
    return cost;
  }

  /** Whether much has changed since the last commit. */
  get isCommitDue(): boolean {
    return this.unsettledRows + this.unwrittenCost + this.written >= COMMITTED_AT;
  }

  /** Makes final what has changed since the last batch, and bounds the memory that changed rows take. */
  commitBatch(): void {
    for (const table of this.tables) table.commitBatch();
    if (this.unsettledRows >= SETTLED_AT.rows || this.blocks.unsettledRows >= SETTLED_AT.blocks) this.updateTree();
  }

  /** Makes every row what it was after the last batch that was made final. */
  rollbackBatch(): void {
    for (const table of this.tables) table.rollbackBatch();
  }

  /** The table that a row with that key would be in; undefined: there is none with its number. */
  table(key: Octets): StoredRows | undefined {
    return this.tables[tableOf(key)];
  }

  /** Makes a checkpoint of all rows as they are now; returns the root of their tree. */
  checkpoint(): Digest {
    this.settle();
    const root = this.checkpoints.take(this.header.row.lastExecuted);
    this.writeExcess();
    return root;
  }

  /** Brings the tree up to date without making a checkpoint. */
  updateTree(): Digest {
    this.settle();
    const root = this.checkpoints.updateTree(this.header.row.lastExecuted);
    this.writeExcess();
    return root;
  }

  /**
   * Becomes what was staged: the rows of a checkpoint, some of them at each step. The caller's transaction makes it all
   * or nothing, and until the last step the rows are neither.
   * @returns root of the rows as they are then; undefined: a row is not what it was when it was staged
   */
  *installStaged(staging: Staging, sequence: SequenceNumber): Generator<void, Digest | undefined> {
    const { checkpoints } = this;
    checkpoints.startOver(sequence);
    let changes = staging.changesAfter('', INSTALLED_AT_ONCE);
    while (changes.length > 0) {
      for (const { key, row } of changes) {
        if (row !== undefined && leafDigest(key, rowDigest(row.content)) !== row.leaf) return undefined;
        const table = this.table(key);
        assert(table !== undefined, 'a certified row is of one of the tables');
        if (row === undefined) table.uninstall(key);
        else table.install(key, row.content);
        checkpoints.changed(key, row?.leaf);
      }
      checkpoints.updateTree(sequence);
      checkpoints.write();
      yield;
      changes = staging.changesAfter(changes[changes.length - 1].key, INSTALLED_AT_ONCE);
    }
    this.header.markInstalled(sequence);
    this.installed = sequence;
    for (const table of this.tables) table.forget();
    return checkpoints.take(sequence);
  }

  /** The root computed from the rows alone: for tests and audits. */
  recomputeRoot(): Digest {
    this.updateTree();
    this.writeRows(Number.MAX_SAFE_INTEGER);
    return toBytes(rootDigest(treeOfRows(this.tables)));
  }

  /** A pass over all rows, to be made in steps. */
  scrub(): Scrub {
    return new Scrub(this);
  }

  /** Nothing of what was executed and is not written is to be kept. `lastExecuted` stays. */
  discardTouched(): void {
    for (const table of this.tables) if (table !== this.header) table.discard();
    this.header.settle(this.checkpoints);
    this.header.write(1);
  }

  /**
   * Makes the tree again of the rows as they are, right or wrong, some of them at each step; rows that are none are
   * removed. There is no checkpoint afterwards. Nothing that was stored of the tree is looked at.
   */
  *remakeTree(): Generator<void> {
    this.db.exec('REINDEX dentry');
    this.checkpoints.forgetAll();
    for (const table of this.tables) {
      let keys = keysInOrder(table, undefined, REMADE_AT_ONCE);
      while (keys.length > 0) {
        for (const key of keys) this.remakeLeaf(table, key);
        this.checkpoints.updateTree(this.header.row.lastExecuted);
        this.checkpoints.write();
        yield;
        keys = keysInOrder(table, keys[keys.length - 1], REMADE_AT_ONCE);
      }
    }
  }

  private remakeLeaf(table: StoredRows, key: Octets): void {
    const leaf = leafOf(table, key);
    if (leaf === 'absent') throw new DatabaseContradiction('a row is not found by its key');
    if (leaf !== 'unreadable') this.checkpoints.changed(key, leaf);
    // The header is replaced by that of another state; it is not removed.
    else if (key !== HEADER_KEY) table.uninstall(key);
  }

  /**
   * Ends the transaction; no other is open afterwards. Returns whether the database file itself now has everything,
   * the write-ahead log having been copied to it and flushed.
   * @param copied it shall have
   */
  commit(copied = false): boolean {
    assert(this.db.inTransaction, 'a transaction is open');
    this.settle();
    this.checkpoints.updateTree(this.header.row.lastExecuted);
    this.writeRows(Number.MAX_SAFE_INTEGER);
    this.checkpoints.write();
    this.written = 0;
    this.seal.run();
    this.end.run();
    const [, frames, copiedBefore] = this.walFrames.get()!;
    if (!copied && (frames - copiedBefore) * PAGE_BYTES < WAL_SLICE_BYTES) return false;
    const [busy, log, done] = this.walCheckpoint.get()!;
    return busy === 0 && log === done;
  }

  /** Between batches only, as all that leads here: neither SQLite nor a checkpoint ever has anything tentative. */
  private settle(): void {
    for (const table of this.tables) table.settle(this.checkpoints);
  }

  private writeExcess(): void {
    this.writeRows(this.unwrittenCost - UNWRITTEN_ROWS);
    const { checkpoints } = this;
    const { unwrittenNodes } = checkpoints.tree;
    if (unwrittenNodes >= UNWRITTEN_NODES || checkpoints.unwrittenCost >= UNWRITTEN_IMAGES) checkpoints.write();
  }

  /** @param most what it may cost, more or less */
  private writeRows(most: number): void {
    let left = most;
    for (const table of this.tables) if (left > 0) left -= table.write(left);
    if (most > 0) this.written += most - left;
  }
}
