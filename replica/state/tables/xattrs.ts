/** Extended attributes by inode and name. */
import type { Database } from 'better-sqlite3';
import { type Octets, octets, toBytes } from '../../../src/merkle/index.js';
import { decodeXattr, encodeXattr } from '../row-bytes.js';
import { integerAt, xattrKey as keyInTree, nameDigest, nameDigestIn } from '../row-keys.js';
import { Table, type XattrRow } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** A name has a character a byte. */
const xattrKey = (ino: number, name: string): string => `${ino}/${name}`;

type XattrPosition = [ino: number, nameDigest: Buffer];
type XattrColumns = [ino: number, name: Buffer, value: Buffer];

const toXattr = ([ino, name, value]: XattrColumns): XattrRow => ({ ino, name: name.toString('latin1'), value });
const keyOf = ({ ino, name }: XattrRow): string => xattrKey(ino, name);
const byName = (a: XattrRow, b: XattrRow): number => (a.name < b.name ? -1 : 1);

export class XattrTable extends RowTable<string, XattrRow, XattrPosition> {
  override readonly number = Table.Xattr;
  private readonly byDigest;
  private readonly ofInode;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(256, new PrimaryKeys(db, 'xattr', ['ino', 'name_digest']));
    this.byDigest = readStatement<XattrPosition, XattrColumns>(
      db,
      'SELECT ino, name, value FROM xattr WHERE ino = ? AND name_digest = ?',
    );
    this.ofInode = readStatement<[number], XattrColumns>(
      db,
      'SELECT ino, name, value FROM xattr WHERE ino = ? ORDER BY name',
    );
    this.upsert = db.prepare<[number, Buffer, Buffer, Buffer]>('INSERT OR REPLACE INTO xattr VALUES (?, ?, ?, ?)');
    this.delete = db.prepare<XattrPosition>('DELETE FROM xattr WHERE ino = ? AND name_digest = ?');
  }

  find(ino: number, name: string): XattrRow | undefined {
    return this.get(xattrKey(ino, name));
  }

  /** The row keeps its value: a copy, not a view of a message. */
  set(row: XattrRow): void {
    this.put(keyOf(row), row);
  }

  unset(ino: number, name: string): void {
    this.remove(xattrKey(ino, name));
  }

  /** Those of one inode, in the order of their names' bytes. */
  list(ino: number): XattrRow[] {
    const rows = this.touchedWhere((row) => row.ino === ino);
    for (const columns of this.ofInode.all(ino)) {
      const row = toXattr(columns);
      if (!this.isTouched(keyOf(row))) rows.push(row);
    }
    return rows.sort(byName);
  }

  protected override keyOf(row: XattrRow): string {
    return keyOf(row);
  }

  protected override treeKey(key: string): Octets {
    const [ino, name] = split(key);
    return keyInTree(ino, nameDigest(name));
  }

  protected override columns(key: string): XattrPosition {
    const [ino, name] = split(key);
    return [ino, toBytes(nameDigest(name))];
  }

  protected override columnsAt(key: Octets): XattrPosition {
    return [integerAt(key, 1, 8), toBytes(nameDigestIn(key))];
  }

  protected override load(columns: XattrPosition): XattrRow | undefined {
    const found = this.byDigest.get(...columns);
    return found && toXattr(found);
  }

  protected override store({ ino, name, value }: XattrRow): void {
    const bytes = Buffer.from(name, 'latin1');
    this.upsert.run(ino, toBytes(nameDigest(bytes)), bytes, value);
  }

  protected override erase(columns: XattrPosition): void {
    this.delete.run(...columns);
  }

  protected override largeBytes({ value }: XattrRow): number {
    return value.length;
  }

  protected override encode(row: XattrRow): Buffer {
    return encodeXattr(row);
  }

  protected override decode(content: Buffer): XattrRow {
    return decodeXattr(content);
  }

  protected override keyAt([ino, digest]: XattrPosition): Octets {
    return keyInTree(ino, octets(digest));
  }
}

const split = (key: string): [ino: number, name: Buffer] => {
  const slash = key.indexOf('/');
  return [Number(key.slice(0, slash)), Buffer.from(key.slice(slash + 1), 'latin1')];
};
