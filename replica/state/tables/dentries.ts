/** Directory entries by name, and in READDIR order. */
import type { Database } from 'better-sqlite3';
import { type Octets, octets, toBytes } from '../../../src/merkle/index.js';
import { decodeDentry, encodeDentry } from '../row-bytes.js';
import { integerAt, dentryKey as keyOfDentry, nameDigest, nameDigestIn } from '../row-keys.js';
import { type DentryRow, Table } from '../rows.js';
import { DentryIndex, type IndexEntry } from './dentry-indexes.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** Latin-1 maps each byte to one character, so that distinct names are distinct keys. */
const dentryKey = (parent: number, name: Uint8Array): string =>
  `${parent}/${Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')}`;

type DentryPosition = [parent: number, nameDigest: Buffer];
type DentryColumns = [parent: number, name: Buffer, child: number, cookie: number];

const keyOf = (row: DentryRow): string => dentryKey(row.parent, row.name);
const byCookie = (a: DentryRow, b: DentryRow): number => a.cookie - b.cookie;

const toDentry = ([parent, name, child, cookie]: DentryColumns): DentryRow => ({ parent, name, child, cookie });

export class DentryTable extends RowTable<string, DentryRow, DentryPosition> {
  override readonly number = Table.Dentry;
  private readonly byName;
  private readonly afterCookie;
  private readonly ofChild;
  /** By which READDIR goes, and by which the names of a file are found. */
  readonly indexes: readonly DentryIndex[];
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(16_384, new PrimaryKeys(db, 'dentry', ['parent', 'name_digest']));
    this.byName = readStatement<DentryPosition, DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry WHERE parent = ? AND name_digest = ?',
    );
    this.afterCookie = readStatement<[number, number, number], DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ?',
    );
    this.ofChild = readStatement<[number], DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry INDEXED BY dentry_by_child WHERE child = ?',
    );
    this.indexes = [
      new DentryIndex(db, 'dentry_by_cookie', ['parent', 'cookie'], true),
      new DentryIndex(db, 'dentry_by_child', ['child', 'parent'], false),
    ];
    this.upsert = db.prepare<[number, Buffer, Buffer, number, number]>(
      'INSERT OR REPLACE INTO dentry VALUES (?, ?, ?, ?, ?)',
    );
    this.delete = db.prepare<DentryPosition>('DELETE FROM dentry WHERE parent = ? AND name_digest = ?');
  }

  find(parent: number, name: Uint8Array): DentryRow | undefined {
    return this.get(dentryKey(parent, name));
  }

  /** The row keeps its `name`: a copy, not a view of a message. */
  set(row: DentryRow): void {
    this.put(keyOf(row), row);
  }

  unset(row: DentryRow): void {
    this.remove(keyOf(row));
  }

  /** At most `limit` entries of a directory, in order of their cookies, from the first one above `cookie`. `limit` > 0. */
  list(parent: number, cookie: number, limit: number): DentryRow[] {
    const rows = this.touchedWhere((row) => row.parent === parent && row.cookie > cookie);
    const enough = rows.length + limit;
    for (let after = cookie; rows.length < enough; ) {
      const found = this.afterCookie.all(parent, after, limit);
      for (const columns of found) {
        const row = toDentry(columns);
        if (!this.isTouched(keyOf(row))) rows.push(row);
      }
      if (found.length < limit) break;
      after = found[found.length - 1][3];
    }
    return rows.sort(byCookie).slice(0, limit);
  }

  /** The directories that have names of an inode, each once, in no order. */
  parentsOf(child: number): Set<number> {
    const parents = new Set(this.touchedWhere((row) => row.child === child).map(({ parent }) => parent));
    for (const columns of this.ofChild.all(child)) {
      const row = toDentry(columns);
      if (!this.isTouched(keyOf(row))) parents.add(row.parent);
    }
    return parents;
  }

  /** Whether an entry of the index is that of a row. */
  hasRowOf(index: DentryIndex, entry: IndexEntry): boolean {
    const row = this.load([index.parentIn(entry), entry[2]]);
    return row !== undefined && index.isOf(entry, row);
  }

  /** Whether every index has the row under `key`, which is there, at its place. */
  isIndexed(key: Octets): boolean {
    const columns = this.columnsAt(key);
    const row = this.load(columns)!;
    return this.indexes.every((index) => index.has(row, columns[1]));
  }

  protected override keyOf(row: DentryRow): string {
    return keyOf(row);
  }

  protected override treeKey(key: string): Octets {
    const [parent, name] = split(key);
    return keyOfDentry(parent, nameDigest(name));
  }

  protected override columns(key: string): DentryPosition {
    const [parent, name] = split(key);
    return [parent, toBytes(nameDigest(name))];
  }

  protected override columnsAt(key: Octets): DentryPosition {
    return [integerAt(key, 1, 8), toBytes(nameDigestIn(key))];
  }

  protected override load(columns: DentryPosition): DentryRow | undefined {
    const found = this.byName.get(...columns);
    return found && toDentry(found);
  }

  protected override store({ parent, name, child, cookie }: DentryRow): void {
    this.upsert.run(parent, toBytes(nameDigest(name)), name, child, cookie);
  }

  protected override erase(columns: DentryPosition): void {
    this.delete.run(...columns);
  }

  protected override encode(row: DentryRow): Buffer {
    return encodeDentry(row);
  }

  protected override decode(content: Buffer): DentryRow {
    return decodeDentry(content);
  }

  protected override keyAt([parent, digest]: DentryPosition): Octets {
    return keyOfDentry(parent, octets(digest));
  }
}

const split = (key: string): [parent: number, name: Buffer] => {
  const slash = key.indexOf('/');
  return [Number(key.slice(0, slash)), Buffer.from(key.slice(slash + 1), 'latin1')];
};
