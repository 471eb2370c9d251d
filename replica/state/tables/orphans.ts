/** Inodes without names that are kept for sessions. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { decodeOrphan, encodeOrphan } from '../row-bytes.js';
import { clientKey } from '../row-keys.js';
import { type OrphanRow, Table } from '../rows.js';
import { inSessionAt, parts, subKey, treeKeyOf } from './session-keys.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type OrphanColumns = [client: number, instance: number, ino: number, claimed: number];

const toOrphan = ([client, instance, ino, claimed]: OrphanColumns): OrphanRow => ({
  session: { client, instance },
  ino,
  claimed: claimed !== 0,
});

export class OrphanTable extends RowTable<string, OrphanRow, number[]> {
  override readonly number = Table.Orphan;
  private readonly byKey;
  private readonly bySession;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'orphan', ['client', 'instance', 'ino']));
    this.byKey = readStatement<number[], OrphanColumns>(
      db,
      'SELECT * FROM orphan WHERE client = ? AND instance = ? AND ino = ?',
    );
    this.bySession = readStatement<[number, number], OrphanColumns>(
      db,
      'SELECT * FROM orphan WHERE client = ? AND instance = ? ORDER BY ino',
    );
    this.upsert = db.prepare<OrphanColumns>('INSERT OR REPLACE INTO orphan VALUES (?, ?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM orphan WHERE client = ? AND instance = ? AND ino = ?');
  }

  has(session: SessionId, ino: number): boolean {
    return this.get(subKey(session, ino)) !== undefined;
  }

  add(session: SessionId, ino: number, claimed: boolean): void {
    this.put(subKey(session, ino), { session, ino, claimed });
  }

  unset(session: SessionId, ino: number): void {
    this.remove(subKey(session, ino));
  }

  /** What is kept for the session, in order of inodes. */
  list(session: SessionId): OrphanRow[] {
    const { client, instance } = session;
    const rows = this.touchedWhere((row) => row.session.client === client && row.session.instance === instance);
    for (const columns of this.bySession.all(client, instance)) {
      const row = toOrphan(columns);
      if (!this.isTouched(this.keyOf(row))) rows.push(row);
    }
    return rows.sort((a, b) => a.ino - b.ino);
  }

  protected override keyOf(row: OrphanRow): string {
    return subKey(row.session, row.ino);
  }

  protected override treeKey(key: string): Octets {
    return treeKeyOf(Table.Orphan, key);
  }

  protected override columns(key: string): number[] {
    return parts(key);
  }

  protected override columnsAt(key: Octets): number[] {
    return inSessionAt(key);
  }

  protected override load(columns: number[]): OrphanRow | undefined {
    const found = this.byKey.get(...columns);
    return found && toOrphan(found);
  }

  protected override store({ session, ino, claimed }: OrphanRow): void {
    this.upsert.run(session.client, session.instance, ino, claimed ? 1 : 0);
  }

  protected override erase(columns: number[]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: OrphanRow): Buffer {
    return encodeOrphan(row);
  }

  protected override decode(content: Buffer): OrphanRow {
    return decodeOrphan(content);
  }

  protected override keyAt([client, instance, ino]: number[]): Octets {
    return clientKey(Table.Orphan, client, instance, ino);
  }
}
