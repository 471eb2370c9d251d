/** Forks whose blocks are still to be removed. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import { decodeDiscarded, encodeDiscarded } from '../row-bytes.js';
import { discardedKey, integerAt } from '../row-keys.js';
import { type DiscardedRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type DiscardedColumns = [fork: number, bytes: number];

const toDiscarded = ([fork, bytes]: DiscardedColumns): DiscardedRow => ({ fork, bytes });

export class DiscardedTable extends RowTable<number, DiscardedRow, [fork: number]> {
  override readonly number = Table.Discarded;
  private readonly byFork;
  private readonly lowest;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'discarded', ['fork']));
    this.byFork = readStatement<[number], DiscardedColumns>(db, 'SELECT fork, bytes FROM discarded WHERE fork = ?');
    this.lowest = readStatement<[number], DiscardedColumns>(
      db,
      'SELECT fork, bytes FROM discarded ORDER BY fork LIMIT ?',
    );
    this.upsert = db.prepare<[number, number]>('INSERT OR REPLACE INTO discarded VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM discarded WHERE fork = ?');
  }

  /** The lowest; there are few. */
  first(): DiscardedRow | undefined {
    const rows = this.touchedWhere(() => true);
    for (const columns of this.lowest.all(this.touchedRows + 1)) {
      if (!this.isTouched(columns[0])) rows.push(toDiscarded(columns));
    }
    return rows.sort((a, b) => a.fork - b.fork)[0];
  }

  protected override keyOf(row: DiscardedRow): number {
    return row.fork;
  }

  protected override treeKey(fork: number): Octets {
    return discardedKey(fork);
  }

  protected override columns(fork: number): [number] {
    return [fork];
  }

  protected override columnsAt(key: Octets): [number] {
    return [integerAt(key, 1, 8)];
  }

  protected override load(columns: [number]): DiscardedRow | undefined {
    const found = this.byFork.get(...columns);
    return found && toDiscarded(found);
  }

  protected override store(row: DiscardedRow): void {
    this.upsert.run(row.fork, row.bytes);
  }

  protected override erase(columns: [number]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: DiscardedRow): Buffer {
    return encodeDiscarded(row);
  }

  protected override decode(content: Buffer): DiscardedRow {
    return decodeDiscarded(content);
  }

  protected override keyAt([fork]: [number]): Octets {
    return discardedKey(fork);
  }
}
