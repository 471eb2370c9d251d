/** Sessions, their slots, what they hold open, and how far each client's sessions have ended. */
import type { Database } from 'better-sqlite3';
import type { Digest, SessionId } from '../../../src/pbft/messages.js';
import type { SessionRow, SlotRow } from '../../../src/pbft/ports.js';
import {
  type EndedInstanceRow,
  endedInstanceDigest,
  type OrphanRow,
  orphanDigest,
  type SlotEntry,
  sessionDigest,
  slotDigest,
} from '../rows.js';
import { mapped, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** `client/instance`, and where a third number belongs to the key `client/instance/number`. */
const sessionKey = (id: SessionId): string => `${id.client}/${id.instance}`;
const subKey = (id: SessionId, number: number): string => `${id.client}/${id.instance}/${number}`;
const parts = (key: string): number[] => key.split('/').map(Number);

type SessionColumns = [client: number, instance: number, slots: number, seconds: number, nanoseconds: number];

const toSession = ([client, instance, slots, seconds, nanoseconds]: SessionColumns): SessionRow => ({
  session: { client, instance },
  slots,
  opened: { seconds, nanoseconds },
});

export class SessionTable extends RowTable<string, SessionRow> {
  private readonly byId;
  private readonly byClient;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024);
    this.byId = readStatement<number[], SessionColumns>(db, 'SELECT * FROM session WHERE client = ? AND instance = ?');
    this.byClient = readStatement<[number], SessionColumns>(
      db,
      'SELECT * FROM session WHERE client = ? ORDER BY instance',
    );
    this.every = readStatement<[], SessionColumns>(db, 'SELECT * FROM session ORDER BY client, instance');
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
    this.flush();
    return this.byClient.all(client).map(toSession);
  }

  protected override digest(row: SessionRow): Digest {
    return sessionDigest(row);
  }

  protected override load(key: string): SessionRow | undefined {
    const columns = this.byId.get(...parts(key));
    return columns && toSession(columns);
  }

  protected override store({ session, slots, opened }: SessionRow): void {
    this.upsert.run(session.client, session.instance, slots, opened.seconds, opened.nanoseconds);
  }

  protected override erase(key: string): void {
    this.delete.run(...parts(key));
  }

  protected override stored(): IterableIterator<SessionRow> {
    return mapped(this.every.iterate(), toSession);
  }
}

type SlotColumns = [
  client: number,
  instance: number,
  slot: number,
  sequence: number,
  requestDigest: Uint8Array,
  status: number,
  result: Uint8Array | null,
];

const toSlot = ([client, instance, slot, sequence, requestDigest, status, result]: SlotColumns): SlotEntry => ({
  session: { client, instance },
  row: result === null ? { slot, sequence, requestDigest, status } : { slot, sequence, requestDigest, status, result },
});

export class SlotTable extends RowTable<string, SlotEntry> {
  private readonly byKey;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(4096);
    this.byKey = readStatement<number[], SlotColumns>(
      db,
      'SELECT * FROM slot WHERE client = ? AND instance = ? AND slot = ?',
    );
    this.every = readStatement<[], SlotColumns>(db, 'SELECT * FROM slot ORDER BY client, instance, slot');
    this.upsert = db.prepare<SlotColumns>('INSERT OR REPLACE INTO slot VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM slot WHERE client = ? AND instance = ? AND slot = ?');
  }

  find(id: SessionId, slot: number): SlotRow | undefined {
    return this.get(subKey(id, slot))?.row;
  }

  set(session: SessionId, row: SlotRow): void {
    this.put(subKey(session, row.slot), { session, row });
  }

  unset(id: SessionId, slot: number): void {
    if (this.find(id, slot) !== undefined) this.remove(subKey(id, slot));
  }

  protected override digest(entry: SlotEntry): Digest {
    return slotDigest(entry);
  }

  protected override load(key: string): SlotEntry | undefined {
    const columns = this.byKey.get(...parts(key));
    return columns && toSlot(columns);
  }

  protected override store({ session, row }: SlotEntry): void {
    const { client, instance } = session;
    this.upsert.run(client, instance, row.slot, row.sequence, row.requestDigest, row.status, row.result ?? null);
  }

  protected override erase(key: string): void {
    this.delete.run(...parts(key));
  }

  protected override stored(): IterableIterator<SlotEntry> {
    return mapped(this.every.iterate(), toSlot);
  }
}

type OrphanColumns = [client: number, instance: number, ino: number];

const toOrphan = ([client, instance, ino]: OrphanColumns): OrphanRow => ({ session: { client, instance }, ino });

export class OrphanTable extends RowTable<string, OrphanRow> {
  private readonly byKey;
  private readonly bySession;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024);
    this.byKey = readStatement<number[], OrphanColumns>(
      db,
      'SELECT * FROM orphan WHERE client = ? AND instance = ? AND ino = ?',
    );
    this.bySession = readStatement<[number, number], OrphanColumns>(
      db,
      'SELECT * FROM orphan WHERE client = ? AND instance = ? ORDER BY ino',
    );
    this.every = readStatement<[], OrphanColumns>(db, 'SELECT * FROM orphan ORDER BY client, instance, ino');
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
    this.flush();
    return this.bySession.all(session.client, session.instance).map(([, , ino]) => ino);
  }

  protected override digest(row: OrphanRow): Digest {
    return orphanDigest(row);
  }

  protected override load(key: string): OrphanRow | undefined {
    const columns = this.byKey.get(...parts(key));
    return columns && toOrphan(columns);
  }

  protected override store({ session, ino }: OrphanRow): void {
    this.upsert.run(session.client, session.instance, ino);
  }

  protected override erase(key: string): void {
    this.delete.run(...parts(key));
  }

  protected override stored(): IterableIterator<OrphanRow> {
    return mapped(this.every.iterate(), toOrphan);
  }
}

type EndedInstanceColumns = [client: number, instance: number];

const toEndedInstance = ([client, instance]: EndedInstanceColumns): EndedInstanceRow => ({ client, instance });

export class EndedInstanceTable extends RowTable<number, EndedInstanceRow> {
  private readonly byClient;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(256);
    this.byClient = readStatement<[number], EndedInstanceColumns>(db, 'SELECT * FROM ended_instance WHERE client = ?');
    this.every = readStatement<[], EndedInstanceColumns>(db, 'SELECT * FROM ended_instance ORDER BY client');
    this.upsert = db.prepare<EndedInstanceColumns>('INSERT OR REPLACE INTO ended_instance VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM ended_instance WHERE client = ?');
  }

  protected override digest(row: EndedInstanceRow): Digest {
    return endedInstanceDigest(row);
  }

  protected override load(client: number): EndedInstanceRow | undefined {
    const columns = this.byClient.get(client);
    return columns && toEndedInstance(columns);
  }

  protected override store({ client, instance }: EndedInstanceRow): void {
    this.upsert.run(client, instance);
  }

  protected override erase(client: number): void {
    this.delete.run(client);
  }

  protected override stored(): IterableIterator<EndedInstanceRow> {
    return mapped(this.every.iterate(), toEndedInstance);
  }
}
