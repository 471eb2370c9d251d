/** Directory entries by name, and in READDIR order. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../src/pbft/messages.js';
import { type DentryRow, dentryDigest } from '../rows.js';
import { mapped, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** Latin-1 maps each byte to one character, so that distinct names are distinct keys. */
const dentryKey = (parent: number, name: Uint8Array): string =>
  `${parent}/${Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')}`;

type DentryColumns = [parent: number, name: Buffer, child: number, cookie: number];

const toDentry = ([parent, name, child, cookie]: DentryColumns): DentryRow => ({ parent, name, child, cookie });

export class DentryTable extends RowTable<string, DentryRow> {
  private readonly byName;
  private readonly afterCookie;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(16_384);
    this.byName = readStatement<[number, Buffer], DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry WHERE parent = ? AND name = ?',
    );
    this.afterCookie = readStatement<[number, number, number], DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ?',
    );
    this.every = readStatement<[], DentryColumns>(
      db,
      'SELECT parent, name, child, cookie FROM dentry ORDER BY parent, name',
    );
    this.upsert = db.prepare<[number, Buffer, number, number]>('INSERT OR REPLACE INTO dentry VALUES (?, ?, ?, ?)');
    this.delete = db.prepare<[number, Buffer]>('DELETE FROM dentry WHERE parent = ? AND name = ?');
  }

  find(parent: number, name: Uint8Array): DentryRow | undefined {
    return this.get(dentryKey(parent, name));
  }

  /** The row keeps its `name`: a copy, not a view of a message. */
  set(row: DentryRow): void {
    this.put(dentryKey(row.parent, row.name), row);
  }

  unset(row: DentryRow): void {
    this.remove(dentryKey(row.parent, row.name));
  }

  /** At most `limit` entries of a directory, in order of their cookies, from the first one above `cookie`. */
  list(parent: number, cookie: number, limit: number): DentryRow[] {
    this.flush();
    return this.afterCookie.all(parent, cookie, limit).map(toDentry);
  }

  protected override digest(row: DentryRow): Digest {
    return dentryDigest(row);
  }

  protected override load(key: string): DentryRow | undefined {
    const columns = this.byName.get(...this.split(key));
    return columns && toDentry(columns);
  }

  protected override store(row: DentryRow): void {
    this.upsert.run(row.parent, row.name, row.child, row.cookie);
  }

  protected override erase(key: string): void {
    this.delete.run(...this.split(key));
  }

  protected override stored(): IterableIterator<DentryRow> {
    return mapped(this.every.iterate(), toDentry);
  }

  private split(key: string): [parent: number, name: Buffer] {
    const slash = key.indexOf('/');
    return [Number(key.slice(0, slash)), Buffer.from(key.slice(slash + 1), 'latin1')];
  }
}
