/** The indexes of directory entries, as a scrub sees them: no digest covers them, and execution goes by them. */
import type { Database } from 'better-sqlite3';
import { PrimaryKeys, readStatement } from './statements.js';

/** Two numbers by which the index is ordered, and the digest that stands for the name. */
export type IndexEntry = [first: number, second: number, nameDigest: Buffer];

/** Of a row, by which it is found. */
export interface Indexed {
  parent: number;
  child: number;
  cookie: number;
}

export class DentryIndex {
  private readonly keys;
  private readonly found;

  /** @param columns the two that it is ordered by, and of a row their values */
  constructor(
    db: Database,
    name: string,
    private readonly columns: readonly [keyof Indexed, keyof Indexed],
    /** Whether no two rows agree in both columns. */
    private readonly isUnique: boolean,
  ) {
    const index = `dentry INDEXED BY ${name}`;
    const [first, second] = columns;
    this.keys = new PrimaryKeys<IndexEntry>(db, index, [first, second, 'name_digest']);
    this.found = readStatement<[number, number], [nameDigest: Buffer]>(
      db,
      `SELECT name_digest FROM ${index} WHERE ${first} = ? AND ${second} = ?`,
    );
  }

  /** At most `limit` entries in order, from the first after `entry`. */
  after(entry: IndexEntry | undefined, limit: number): IndexEntry[] {
    return this.keys.after(entry, limit);
  }

  /** The directory in which the entry's row would be. */
  parentIn(entry: IndexEntry): number {
    return entry[this.columns.indexOf('parent')] as number;
  }

  /** Whether the entry is that of the row, which stands under its name in its directory. */
  isOf([first, second]: IndexEntry, row: Indexed): boolean {
    return row[this.columns[0]] === first && row[this.columns[1]] === second;
  }

  /** Whether there is an entry for the row, and it alone at its place where that is so. */
  has(row: Indexed, nameDigest: Buffer): boolean {
    const found = this.found.all(row[this.columns[0]], row[this.columns[1]]);
    if (this.isUnique && found.length !== 1) return false;
    return found.filter(([digest]) => digest.equals(nameDigest)).length === 1;
  }
}
