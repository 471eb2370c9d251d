/** Inodes without names that are kept for sessions. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { sameSession } from '../lock-ranges.js';
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
    this.bySession = readStatement<[number, number, number, number], OrphanColumns>(
      db,
      'SELECT * FROM orphan WHERE client = ? AND instance = ? AND claimed <= ? ORDER BY ino LIMIT ?',
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

  /** The first of what is kept for the session, in order of inodes; `unclaimed`: of what it has not said it has open. */
  first(session: SessionId, limit: number, unclaimed: boolean): OrphanRow[] {
    const { client, instance } = session;
    const rows = this.touchedWhere((row) => sameSession(row.session, session) && !(unclaimed && row.claimed));
    // Those that are touched may be among what SQLite has, and not count.
    for (const columns of this.bySession.all(client, instance, unclaimed ? 0 : 1, limit + this.touchedRows)) {
      const row = toOrphan(columns);
      if (!this.isTouched(this.keyOf(row))) rows.push(row);
    }
    return rows.sort((a, b) => a.ino - b.ino).slice(0, limit);
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
