/** Registered clients by number: those that were revoked stay. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import { decodeClient, encodeClient } from '../row-bytes.js';
import { integerAt, registeredKey } from '../row-keys.js';
import { type ClientRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type ClientColumns = [id: number, content: Buffer];

export class ClientTable extends RowTable<number, ClientRow, [id: number]> {
  override readonly number = Table.Client;
  private readonly byId;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'client', ['id']));
    this.byId = readStatement<[number], ClientColumns>(db, 'SELECT id, content FROM client WHERE id = ?');
    this.every = readStatement<[], ClientColumns>(db, 'SELECT id, content FROM client ORDER BY id');
    this.upsert = db.prepare<ClientColumns>('INSERT OR REPLACE INTO client VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM client WHERE id = ?');
  }

  /** In order of their numbers. */
  all(): ClientRow[] {
    const rows = this.touchedWhere(() => true);
    for (const [id, content] of this.every.all()) if (!this.isTouched(id)) rows.push(decodeClient(content));
    return rows.sort((a, b) => a.id - b.id);
  }

  protected override keyOf(row: ClientRow): number {
    return row.id;
  }

  protected override treeKey(id: number): Octets {
    return registeredKey(id);
  }

  protected override columns(id: number): [number] {
    return [id];
  }

  protected override columnsAt(key: Octets): [number] {
    return [integerAt(key, 1, 4)];
  }

  protected override load(columns: [number]): ClientRow | undefined {
    const found = this.byId.get(...columns);
    return found && decodeClient(found[1]);
  }

  protected override store(row: ClientRow): void {
    this.upsert.run(row.id, encodeClient(row));
  }

  protected override erase(columns: [number]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: ClientRow): Buffer {
    return encodeClient(row);
  }

  protected override decode(content: Buffer): ClientRow {
    return decodeClient(content);
  }

  protected override keyAt([id]: [number]): Octets {
    return registeredKey(id);
  }
}
