/** Inodes without names that sessions hold open. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { decodeOrphan, encodeOrphan } from '../row-bytes.js';
import { clientKey } from '../row-keys.js';
import { type OrphanRow, Table } from '../rows.js';
import { inSessionAt, parts, subKey, treeKeyOf } from './session-keys.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type OrphanColumns = [client: number, instance: number, ino: number];

const toOrphan = ([client, instance, ino]: OrphanColumns): OrphanRow => ({ session: { client, instance }, ino });

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
    this.upsert = db.prepare<OrphanColumns>('INSERT OR REPLACE INTO orphan VALUES (?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM orphan WHERE client = ? AND instance = ? AND ino = ?');
  }

  has(session: SessionId, ino: number): boolean {
    return this.get(subKey(session, ino)) !== undefined;
  }

  add(session: SessionId, ino: number): void {
    this.put(subKey(session, ino), { session, ino });
  }

  unset(session: SessionId, ino: number): void {
    this.remove(subKey(session, ino));
  }

  /** Inodes that the session holds, in order. */
  list(session: SessionId): number[] {
    const { client, instance } = session;
    const held = this.touchedWhere((row) => row.session.client === client && row.session.instance === instance);
    const inos = held.map((row) => row.ino);
    for (const [, , ino] of this.bySession.all(client, instance)) {
      if (!this.isTouched(subKey(session, ino))) inos.push(ino);
    }
    return inos.sort((a, b) => a - b);
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

  protected override store({ session, ino }: OrphanRow): void {
    this.upsert.run(session.client, session.instance, ino);
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
