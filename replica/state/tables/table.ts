/** One table as execution sees it: rows by key, read through a cache and written behind. */
import type { Digest } from '../../../src/pbft/messages.js';
import { GenerationCache } from '../cache.js';
import type { StateDigest } from '../digest.js';

/** A row changed since the last `settle`. */
interface Touched<Row> {
  /** Digest of the row as the state's digest has it; undefined: it has none. */
  readonly before: Digest | undefined;
  now: Row | undefined;
  /** SQLite has a row under this key … */
  stored: boolean;
  /** … and it, or its absence, is not `now`. */
  dirty: boolean;
}

/**
 * Rows changed since the last `settle` are held here; `settle` hands each once to SQLite and once to the digest,
 * however often it changed (a slot, a directory being filled). All that is not in SQLite is thus in one map per table,
 * and every change passes through `touch`: the place where a before-image is taken.
 */
export abstract class RowTable<Key extends string | number, Row> {
  private readonly touched = new Map<Key, Touched<Row>>();
  /** Rows as SQLite has them; null where it has none. */
  private readonly clean: GenerationCache<Key, Row | null>;

  constructor(cacheRows: number) {
    this.clean = new GenerationCache(cacheRows);
  }

  protected abstract digest(row: Row): Digest;
  protected abstract load(key: Key): Row | undefined;
  protected abstract store(row: Row): void;
  protected abstract erase(key: Key): void;
  /** Each row as SQLite has it. */
  protected abstract stored(): IterableIterator<Row>;

  get(key: Key): Row | undefined {
    const touched = this.touched.get(key);
    if (touched !== undefined) return touched.now;
    let row = this.clean.get(key);
    if (row === undefined) {
      row = this.load(key) ?? null;
      this.clean.set(key, row);
    }
    return row ?? undefined;
  }

  /** Adds or replaces the row. */
  put(key: Key, row: Row): void {
    const touched = this.touch(key);
    touched.now = row;
    touched.dirty = true;
  }

  /** Adds a row under a key that never had one: spares looking. */
  insert(key: Key, row: Row): void {
    this.touched.set(key, { before: undefined, now: row, stored: false, dirty: true });
  }

  remove(key: Key): void {
    const touched = this.touch(key);
    touched.now = undefined;
    touched.dirty = touched.stored;
  }

  /** Digest of the untouched row under `key`. */
  protected cleanDigest(key: Key): Digest | undefined {
    const row = this.get(key);
    return row === undefined ? undefined : this.digest(row);
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
      const before = this.cleanDigest(key);
      touched = { before, now: undefined, stored: before !== undefined, dirty: false };
      this.touched.set(key, touched);
    }
    return touched;
  }

  private write(key: Key, touched: Touched<Row>): void {
    if (touched.now === undefined) this.erase(key);
    else this.store(touched.now);
    touched.stored = touched.now !== undefined;
    touched.dirty = false;
  }

  get touchedRows(): number {
    return this.touched.size;
  }

  /** Hands changed rows to SQLite, as must be done before it is asked for several rows at once. */
  flush(): void {
    for (const [key, touched] of this.touched) if (touched.dirty) this.write(key, touched);
  }

  /** Flushes, and brings the digest up to date. */
  settle(digest: StateDigest): void {
    for (const [key, touched] of this.touched) {
      if (touched.dirty) this.write(key, touched);
      digest.replace(touched.before, touched.now === undefined ? undefined : this.digest(touched.now));
      this.clean.set(key, touched.now ?? null);
    }
    this.touched.clear();
  }

  /** Adds the digests of all rows, computed from the rows alone. Only directly after `settle`. */
  digestAll(digest: StateDigest): void {
    for (const row of this.stored()) digest.replace(undefined, this.digest(row));
  }
}
