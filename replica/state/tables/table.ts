/** One table as execution sees it: rows by key, read through a cache and written behind. */
import { assert } from '../../../src/limits.js';
import { leafDigest, type Octets } from '../../../src/merkle/index.js';
import { GenerationCache } from '../cache.js';
import { rowDigest } from '../row-bytes.js';
import type { PrimaryKeys } from './statements.js';

/** Rows that `leaves` looks up at once. */
const LEAVES_AT_ONCE = 256;

/** Told of each row that `settle` hands to SQLite, by its key in the partition tree. */
export interface ChangeLog {
  /** Whether it has what was there at the latest checkpoint. */
  hasImage(key: Octets): boolean;
  /** The row in canonical bytes as it was then; undefined: there was none. */
  keepImage(key: Octets, content: Buffer | undefined): void;
  /** Digest of the row's leaf as it is now; undefined: it was removed. */
  changed(key: Octets, leaf: Octets | undefined): void;
}

/** Any of the tables, by keys of the partition tree and canonical bytes; all as SQLite has it. */
export interface StoredRows {
  readonly number: number;
  contentAt(key: Octets): Buffer | undefined;
  leafAt(key: Octets): Octets | undefined;
  /**
   * Keys of at most `limit` rows in the order in which SQLite has them, from the first after `key`; undefined: from the
   * first that there is. Throws if there is one that no row of this table can have.
   */
  keysAfter(key: Octets | undefined, limit: number): Octets[];
  /** Every row's leaf, computed from the rows alone. */
  leaves(): IterableIterator<[key: Octets, leaf: Octets]>;
  /** Puts in or replaces the row that stands under `key`. @throws MalformedBytes */
  install(key: Octets, content: Buffer): void;
  uninstall(key: Octets): void;
  /** Rows were installed: what was read before is forgotten. */
  forget(): void;
}

/** A row changed since the last `settle`. */
interface Touched<Row> {
  /** Whether SQLite is known to have no such row. */
  readonly absent: boolean;
  now: Row | undefined;
  /** The last batch that changed it, and so has its before-image. */
  batch: number;
}

/** What a batch found under a key that it then changed. A list, since measured: arrays make a create 1 to 2 µs slower. */
interface BeforeImage<Key, Row> {
  readonly key: Key;
  /** Undefined: it was not touched. */
  readonly touched: Touched<Row> | undefined;
  readonly row: Row | undefined;
  /** Of another key. */
  readonly next: BeforeImage<Key, Row> | undefined;
}

/**
 * Rows changed since the last `settle` are held here; `settle` hands each once to SQLite and once to the log of
 * changes, however often it changed (a slot, a directory being filled). Nothing else writes: what is not in SQLite is in
 * one map per table, and what a tentative batch did can be undone in that map alone. The log of changes and the cache of
 * rows as SQLite has them know nothing of it.
 */
export abstract class RowTable<Key extends string | number, Row, Columns extends unknown[] = unknown[]>
  implements StoredRows
{
  private readonly touched = new Map<Key, Touched<Row>>();
  /** Rows as SQLite has them; null where it has none. */
  private readonly clean: GenerationCache<Key, Row | null>;
  /** Of the batch that is not final: each key that it changed once. */
  private undo: BeforeImage<Key, Row> | undefined;
  private batch = 0;

  constructor(
    cacheRows: number,
    private readonly primaryKeys: Pick<PrimaryKeys<Columns>, 'after'>,
  ) {
    this.clean = new GenerationCache(cacheRows);
  }

  abstract readonly number: number;
  protected abstract keyOf(row: Row): Key;
  /** Key in the partition tree. */
  protected abstract treeKey(key: Key): Octets;
  /** Primary key in SQLite, from the one and from the other. */
  protected abstract columns(key: Key): Columns;
  protected abstract columnsAt(key: Octets): Columns;
  protected abstract keyAt(columns: Columns): Octets;
  protected abstract load(columns: Columns): Row | undefined;
  protected abstract store(row: Row): void;
  protected abstract erase(columns: Columns): void;
  protected abstract encode(row: Row): Buffer;
  protected abstract decode(content: Buffer): Row;

  get(key: Key): Row | undefined {
    const touched = this.touched.get(key);
    return touched === undefined ? this.settledRow(key) : touched.now;
  }

  /** As SQLite has it. */
  private settledRow(key: Key): Row | undefined {
    let row = this.clean.get(key);
    if (row === undefined) {
      row = this.load(this.columns(key)) ?? null;
      this.clean.set(key, row);
    }
    return row ?? undefined;
  }

  /** Adds or replaces the row. */
  put(key: Key, row: Row): void {
    this.touch(key).now = row;
  }

  /** Adds a row under a key that never had one: spares looking. */
  insert(key: Key, row: Row): void {
    this.touched.set(key, { absent: true, now: row, batch: this.batch });
    this.undo = { key, touched: undefined, row: undefined, next: this.undo };
  }

  remove(key: Key): void {
    this.touch(key).now = undefined;
  }

  /** The row if it is in memory, null where it is known not to exist, undefined if only SQLite knows. */
  protected peek(key: Key): Row | null | undefined {
    const touched = this.touched.get(key);
    return touched === undefined ? this.clean.get(key) : (touched.now ?? null);
  }

  protected noteAbsent(key: Key): void {
    this.clean.set(key, null);
  }

  private touch(key: Key): Touched<Row> {
    let touched = this.touched.get(key);
    if (touched === undefined) {
      touched = { absent: this.clean.get(key) === null, now: undefined, batch: this.batch };
      this.touched.set(key, touched);
      this.undo = { key, touched: undefined, row: undefined, next: this.undo };
    } else if (touched.batch !== this.batch) {
      this.undo = { key, touched, row: touched.now, next: this.undo };
      touched.batch = this.batch;
    }
    return touched;
  }

  /** All changes so far are final. */
  commitBatch(): void {
    if (this.undo === undefined) return;
    this.undo = undefined;
    this.batch++;
  }

  /** Makes all rows what they were at the last `commitBatch`. */
  rollbackBatch(): void {
    for (let image = this.undo; image !== undefined; image = image.next) {
      if (image.touched === undefined) this.touched.delete(image.key);
      else image.touched.now = image.row;
    }
    this.commitBatch();
  }

  get touchedRows(): number {
    return this.touched.size;
  }

  /** Whether SQLite's row under `key`, or that it has none, may be out of date. */
  protected isTouched(key: Key): boolean {
    return this.touched.has(key);
  }

  /** Rows that SQLite may have otherwise or not at all: for queries of several at once. Looks at all that is touched. */
  protected touchedWhere(belongs: (row: Row) => boolean): Row[] {
    const rows: Row[] = [];
    for (const { now } of this.touched.values()) if (now !== undefined && belongs(now)) rows.push(now);
    return rows;
  }

  /** Hands what has changed to SQLite, and what was there before, and is there now, to the log of changes. */
  settle(log: ChangeLog): void {
    assert(this.undo === undefined, 'a tentative batch is not settled');
    for (const [key, { absent, now }] of this.touched) {
      const treeKey = this.treeKey(key);
      let gone = absent;
      if (!log.hasImage(treeKey)) {
        const before = absent ? undefined : this.settledRow(key);
        gone = before === undefined;
        if (!gone || now !== undefined) log.keepImage(treeKey, before && this.encode(before));
      }
      if (now !== undefined) this.store(now);
      else if (!gone) this.erase(this.columns(key));
      if (!gone || now !== undefined) log.changed(treeKey, now && this.leaf(treeKey, now));
      this.clean.set(key, now ?? null);
    }
    this.touched.clear();
  }

  private leaf(key: Octets, row: Row): Octets {
    return leafDigest(key, this.digest(row));
  }

  protected digest(row: Row): Octets {
    return rowDigest(this.encode(row));
  }

  contentAt(key: Octets): Buffer | undefined {
    const row = this.load(this.columnsAt(key));
    return row && this.encode(row);
  }

  leafAt(key: Octets): Octets | undefined {
    const row = this.load(this.columnsAt(key));
    return row && this.leaf(key, row);
  }

  keysAfter(key: Octets | undefined, limit: number): Octets[] {
    const found = this.primaryKeys.after(key === undefined ? undefined : this.columnsAt(key), limit);
    return found.map((columns) => this.keyAt(columns));
  }

  *leaves(): IterableIterator<[key: Octets, leaf: Octets]> {
    let keys = this.keysAfter(undefined, LEAVES_AT_ONCE);
    while (keys.length > 0) {
      for (const key of keys) yield [key, this.leafAt(key)!];
      keys = this.keysAfter(keys[keys.length - 1], LEAVES_AT_ONCE);
    }
  }

  install(key: Octets, content: Buffer): void {
    const row = this.decode(content);
    assert(this.treeKey(this.keyOf(row)) === key, 'a row is installed under its own key');
    this.store(row);
  }

  uninstall(key: Octets): void {
    this.erase(this.columnsAt(key));
  }

  /** Forgets what was not settled, and what was read. */
  discard(): void {
    this.touched.clear();
    this.undo = undefined;
    this.clean.clear();
  }

  forget(): void {
    assert(this.touched.size === 0, 'rows are installed where all is settled');
    this.clean.clear();
  }
}
