/** Leases of sessions: when each was last renewed. There are few, and every removal of a name looks at all of them. */
import type { Database } from 'better-sqlite3';
import type { Time } from '../../../src/fileservice/types.js';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { decodeLease, encodeLease } from '../row-bytes.js';
import { clientKey } from '../row-keys.js';
import { type LeaseRow, Table } from '../rows.js';
import { parts, sessionAt, sessionKey, treeKeyOf } from './session-keys.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type LeaseColumns = [client: number, instance: number, renewed: number, announced: number];

/** When a lease was renewed that is over, but for what is still to be let go of. */
export const ENDED = 0;

const toLease = ([client, instance, renewed, announced]: LeaseColumns): LeaseRow => ({
  session: { client, instance },
  renewed,
  announced: announced !== 0,
});

export class LeaseTable extends RowTable<string, LeaseRow, number[]> {
  override readonly number = Table.Lease;
  /** Made of the rows when it is asked for; undefined when they may have changed since. */
  private list: readonly LeaseRow[] | undefined;
  private readonly byId;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(256, new PrimaryKeys(db, 'lease', ['client', 'instance']));
    this.byId = readStatement<number[], LeaseColumns>(db, 'SELECT * FROM lease WHERE client = ? AND instance = ?');
    this.every = readStatement<[], LeaseColumns>(db, 'SELECT * FROM lease');
    this.upsert = db.prepare<LeaseColumns>('INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM lease WHERE client = ? AND instance = ?');
  }

  find(session: SessionId): LeaseRow | undefined {
    return this.get(sessionKey(session));
  }

  set(row: LeaseRow): void {
    this.list = undefined;
    this.put(sessionKey(row.session), row);
  }

  /** The session holds something from now on. */
  hold(session: SessionId, now: Time): void {
    const { renewed = ENDED } = this.find(session) ?? {};
    if (renewed === ENDED) this.set({ session, renewed: now.seconds, announced: false });
  }

  unset(session: SessionId): void {
    this.list = undefined;
    this.remove(sessionKey(session));
  }

  /** In order of clients and instances. */
  all(): readonly LeaseRow[] {
    this.list ??= this.read();
    return this.list;
  }

  private read(): LeaseRow[] {
    const rows = this.touchedWhere(() => true);
    for (const columns of this.every.all()) {
      const row = toLease(columns);
      if (!this.isTouched(sessionKey(row.session))) rows.push(row);
    }
    return rows.sort((a, b) => a.session.client - b.session.client || a.session.instance - b.session.instance);
  }

  override rollbackBatch(): void {
    this.list = undefined;
    super.rollbackBatch();
  }

  override discard(): void {
    this.list = undefined;
    super.discard();
  }

  override forget(): void {
    this.list = undefined;
    super.forget();
  }

  protected override keyOf(row: LeaseRow): string {
    return sessionKey(row.session);
  }

  protected override treeKey(key: string): Octets {
    return treeKeyOf(Table.Lease, key);
  }

  protected override columns(key: string): number[] {
    return parts(key);
  }

  protected override columnsAt(key: Octets): number[] {
    return sessionAt(key);
  }

  protected override load(columns: number[]): LeaseRow | undefined {
    const found = this.byId.get(...columns);
    return found && toLease(found);
  }

  protected override store({ session, renewed, announced }: LeaseRow): void {
    this.upsert.run(session.client, session.instance, renewed, announced ? 1 : 0);
  }

  protected override erase(columns: number[]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: LeaseRow): Buffer {
    return encodeLease(row);
  }

  protected override decode(content: Buffer): LeaseRow {
    return decodeLease(content);
  }

  protected override keyAt([client, instance]: number[]): Octets {
    return clientKey(Table.Lease, client, instance);
  }
}
