/** Sessions, and how far each client's sessions have ended. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import type { SessionRow } from '../../../src/pbft/ports.js';
import { decodeEndedInstance, decodeSession, encodeEndedInstance, encodeSession } from '../row-bytes.js';
import { clientKey, integerAt } from '../row-keys.js';
import { type EndedInstanceRow, Table } from '../rows.js';
import { parts, sessionAt, sessionKey, treeKeyOf } from './session-keys.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type SessionColumns = [client: number, instance: number, slots: number, seconds: number, nanoseconds: number];

const toSession = ([client, instance, slots, seconds, nanoseconds]: SessionColumns): SessionRow => ({
  session: { client, instance },
  slots,
  opened: { seconds, nanoseconds },
});

export class SessionTable extends RowTable<string, SessionRow, number[]> {
  override readonly number = Table.Session;
  private readonly byId;
  private readonly byClient;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'session', ['client', 'instance']));
    this.byId = readStatement<number[], SessionColumns>(db, 'SELECT * FROM session WHERE client = ? AND instance = ?');
    this.byClient = readStatement<[number], SessionColumns>(
      db,
      'SELECT * FROM session WHERE client = ? ORDER BY instance',
    );
    this.every = readStatement<[], SessionColumns>(db, 'SELECT * FROM session');
    this.upsert = db.prepare<SessionColumns>('INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM session WHERE client = ? AND instance = ?');
  }

  find(id: SessionId): SessionRow | undefined {
    return this.get(sessionKey(id));
  }

  set(row: SessionRow): void {
    this.put(sessionKey(row.session), row);
  }

  unset(id: SessionId): void {
    this.remove(sessionKey(id));
  }

  /** A client's sessions in order of their instances. */
  list(client: number): SessionRow[] {
    const touched = this.touchedWhere((row) => row.session.client === client);
    return this.inOrder(touched, this.byClient.all(client));
  }

  /** In order of clients and instances. */
  all(): SessionRow[] {
    return this.inOrder(
      this.touchedWhere(() => true),
      this.every.all(),
    );
  }

  private inOrder(rows: SessionRow[], stored: SessionColumns[]): SessionRow[] {
    for (const columns of stored) {
      const row = toSession(columns);
      if (!this.isTouched(sessionKey(row.session))) rows.push(row);
    }
    return rows.sort((a, b) => a.session.client - b.session.client || a.session.instance - b.session.instance);
  }

  protected override keyOf(row: SessionRow): string {
    return sessionKey(row.session);
  }

  protected override treeKey(key: string): Octets {
    return treeKeyOf(Table.Session, key);
  }

  protected override columns(key: string): number[] {
    return parts(key);
  }

  protected override columnsAt(key: Octets): number[] {
    return sessionAt(key);
  }

  protected override load(columns: number[]): SessionRow | undefined {
    const found = this.byId.get(...columns);
    return found && toSession(found);
  }

  protected override store({ session, slots, opened }: SessionRow): void {
    this.upsert.run(session.client, session.instance, slots, opened.seconds, opened.nanoseconds);
  }

  protected override erase(columns: number[]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: SessionRow): Buffer {
    return encodeSession(row);
  }

  protected override decode(content: Buffer): SessionRow {
    return decodeSession(content);
  }

  protected override keyAt([client, instance]: number[]): Octets {
    return clientKey(Table.Session, client, instance);
  }
}

type EndedInstanceColumns = [client: number, instance: number];

const toEndedInstance = ([client, instance]: EndedInstanceColumns): EndedInstanceRow => ({ client, instance });

export class EndedInstanceTable extends RowTable<number, EndedInstanceRow, number[]> {
  override readonly number = Table.EndedInstance;
  private readonly byClient;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(256, new PrimaryKeys(db, 'ended_instance', ['client']));
    this.byClient = readStatement<number[], EndedInstanceColumns>(db, 'SELECT * FROM ended_instance WHERE client = ?');
    this.upsert = db.prepare<EndedInstanceColumns>('INSERT OR REPLACE INTO ended_instance VALUES (?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM ended_instance WHERE client = ?');
  }

  protected override keyOf(row: EndedInstanceRow): number {
    return row.client;
  }

  protected override treeKey(client: number): Octets {
    return clientKey(Table.EndedInstance, client);
  }

  protected override columns(client: number): number[] {
    return [client];
  }

  protected override columnsAt(key: Octets): number[] {
    return [integerAt(key, 1, 4)];
  }

  protected override load(columns: number[]): EndedInstanceRow | undefined {
    const found = this.byClient.get(...columns);
    return found && toEndedInstance(found);
  }

  protected override store({ client, instance }: EndedInstanceRow): void {
    this.upsert.run(client, instance);
  }

  protected override erase(columns: number[]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: EndedInstanceRow): Buffer {
    return encodeEndedInstance(row);
  }

  protected override decode(content: Buffer): EndedInstanceRow {
    return decodeEndedInstance(content);
  }

  protected override keyAt([client]: number[]): Octets {
    return clientKey(Table.EndedInstance, client);
  }
}
