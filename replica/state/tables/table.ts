/** One table as execution sees it: rows by key, read through a cache and written behind. */
import { assert } from '../../../src/limits.js';
import { leafDigest, type Octets } from '../../../src/merkle/index.js';
import { GenerationCache } from '../cache.js';
import { rowDigest } from '../row-bytes.js';
import type { PrimaryKeys } from './statements.js';

/** Rows that `leaves` looks up at once. */
const LEAVES_AT_ONCE = 256;

/** Told of each row that `settle` finds changed, by its key in the partition tree. */
export interface ChangeLog {
  /** Whether it has what was there at the latest checkpoint. */
  hasImage(key: Octets): boolean;
  /**
   * @param image makes the row in canonical bytes as it was then; undefined: there was none
   * @param cost of writing it, see `rowCost`
   */
  keepImage(key: Octets, image: RowContent | undefined, cost: number): void;
  /** Digest of the row's leaf as it is now; undefined: it was removed. */
  changed(key: Octets, leaf: Octets | undefined): void;
}

/** Canonical bytes that are made when somebody wants them: most images are released before. */
export type RowContent = () => Buffer;

/**
 * What it costs to write a row, in small rows. Measured with all that follows from it, settling included: a row of 32 KiB
 * takes 300 µs, a small one 15 to 20.
 */
export const rowCost = (bytes: number): number => 1 + (bytes >>> 11);

/** Any of the tables, by keys of the partition tree and canonical bytes; as SQLite has it but where it says otherwise. */
export interface StoredRows {
  readonly number: number;
  /** The row as it was last settled. */
  contentAt(key: Octets): Buffer | undefined;
  /** Whether that may be another than SQLite has, or one that it has not, until it is written. */
  isUnwritten(key: Octets): boolean;
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

/** A row that SQLite may have otherwise. */
interface Touched<Row> {
  readonly key: string | number;
  /** Key in the partition tree, once it was needed. */
  treeKey: Octets | undefined;
  /** Whether SQLite is known to have no such row. */
  absent: boolean;
  now: Row | undefined;
  /** What it was when it was last settled; null: there was none; undefined: as SQLite has it. */
  settled: Row | null | undefined;
  /** Of writing what was settled. */
  cost: number;
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
 * Rows that SQLite does not have yet are held here, and a row goes three ways. An operation changes it; `settle` tells the
 * log of changes of it, once however often it changed since; `write` hands it to SQLite, once however often it was settled,
 * and not at all if it came and went meanwhile. Nothing else writes: what is not in SQLite is in one map per table, and
 * what a tentative batch did can be undone in that map alone. The cache of rows as SQLite has them knows nothing of it.
 */
export abstract class RowTable<Key extends string | number, Row, Columns extends unknown[] = unknown[]>
  implements StoredRows
{
  private readonly touched = new Map<Key, Touched<Row>>();
  /** Of these, what has changed since it was last settled … */
  private readonly unsettled = new Set<Touched<Row>>();
  /** … and, by tree key, what was settled and is not in SQLite. */
  private readonly unwritten = new Map<Octets, Touched<Row>>();
  /** Of writing these. */
  unwrittenCost = 0;
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
    this.begin(key, null).now = row;
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
    const touched = this.touched.get(key);
    if (touched === undefined) return this.begin(key, this.clean.get(key));
    if (touched.batch !== this.batch) {
      this.undo = { key, touched, row: touched.now, next: this.undo };
      touched.batch = this.batch;
      this.unsettled.add(touched);
    }
    return touched;
  }

  private begin(key: Key, settled: Row | null | undefined): Touched<Row> {
    const { batch } = this;
    const touched = { key, treeKey: undefined, absent: settled === null, now: undefined, settled, cost: 0, batch };
    this.touched.set(key, touched);
    this.unsettled.add(touched);
    this.undo = { key, touched: undefined, row: undefined, next: this.undo };
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
      if (image.touched !== undefined) image.touched.now = image.row;
      else {
        this.unsettled.delete(this.touched.get(image.key)!);
        this.touched.delete(image.key);
      }
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

  /** Tells the log of changes what has changed, what was there before, and what is there now. */
  settle(log: ChangeLog): void {
    assert(this.undo === undefined, 'a tentative batch is not settled');
    for (const touched of this.unsettled) this.settleRow(touched, log);
    this.unsettled.clear();
  }

  private settleRow(touched: Touched<Row>, log: ChangeLog): void {
    const key = touched.key as Key;
    const { now } = touched;
    const after = now ?? null;
    let before = touched.settled;
    const treeKey = touched.treeKey ?? this.treeKey(key);
    touched.treeKey = treeKey;
    if (before !== after && !log.hasImage(treeKey)) {
      if (before === undefined) {
        before = this.settledRow(key) ?? null;
        touched.absent = before === null;
      }
      const image = before;
      if (image === null) {
        if (after !== null) log.keepImage(treeKey, undefined, rowCost(0));
      } else log.keepImage(treeKey, () => this.encode(image), rowCost(this.largeBytes(image)));
    }
    if (before !== after) {
      log.changed(treeKey, now && this.leaf(treeKey, now));
      this.unwritten.set(treeKey, touched);
      this.account(touched, rowCost(now === undefined ? 0 : this.largeBytes(now)));
    }
    touched.settled = after;
    // What SQLite never had and has not to have, and what changed and was undone, is done with.
    if (touched.absent && now === undefined) {
      this.unwritten.delete(treeKey);
      this.account(touched, 0);
    }
    if (!this.unwritten.has(treeKey)) {
      this.touched.delete(key);
      this.clean.set(key, after);
    }
  }

  private account(touched: Touched<Row>, cost: number): void {
    this.unwrittenCost += cost - touched.cost;
    touched.cost = cost;
  }

  get unsettledRows(): number {
    return this.unsettled.size;
  }

  /**
   * Hands rows to SQLite as they were last settled, from those that wait longest.
   * @param most what it may cost, more or less
   * @returns what it cost
   */
  write(most: number): number {
    const before = this.unwrittenCost;
    for (const [treeKey, touched] of this.unwritten) {
      if (before - this.unwrittenCost >= most) break;
      const key = touched.key as Key;
      const row = touched.settled as Row | null;
      if (row !== null) this.store(row);
      else this.erase(this.columns(key));
      this.unwritten.delete(treeKey);
      this.account(touched, 0);
      touched.absent = row === null;
      if (this.unsettled.has(touched)) continue;
      this.touched.delete(key);
      this.clean.set(key, row);
    }
    return before - this.unwrittenCost;
  }

  private leaf(key: Octets, row: Row): Octets {
    return leafDigest(key, this.digest(row));
  }

  /** Of a row that may be large: what makes it so. */
  protected largeBytes(_row: Row): number {
    return 0;
  }

  protected digest(row: Row): Octets {
    return rowDigest(this.encode(row));
  }

  contentAt(key: Octets): Buffer | undefined {
    const unwritten = this.unwritten.get(key);
    const row = unwritten === undefined ? this.load(this.columnsAt(key)) : (unwritten.settled ?? undefined);
    return row && this.encode(row);
  }

  isUnwritten(key: Octets): boolean {
    return this.unwritten.has(key);
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

  /** Forgets what was not written, and what was read. */
  discard(): void {
    this.touched.clear();
    this.unsettled.clear();
    this.unwritten.clear();
    this.unwrittenCost = 0;
    this.undo = undefined;
    this.clean.clear();
  }

  forget(): void {
    assert(this.touched.size === 0, 'rows are installed where all is settled');
    this.clean.clear();
  }
}
