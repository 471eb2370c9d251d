/** Advisory locks by inode: those of one file are one row. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { sameSession } from '../lock-ranges.js';
import { decodeLocks, encodeLocks } from '../row-bytes.js';
import { integerAt, lockKey } from '../row-keys.js';
import { type LockRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type LockColumns = [ino: number, locks: Buffer];

export class LockTable extends RowTable<number, LockRow, [ino: number]> {
  override readonly number = Table.Lock;
  private readonly byIno;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'file_lock', ['ino']));
    this.byIno = readStatement<[number], LockColumns>(db, 'SELECT ino, locks FROM file_lock WHERE ino = ?');
    this.every = readStatement<[], LockColumns>(db, 'SELECT ino, locks FROM file_lock ORDER BY ino');
    this.upsert = db.prepare<LockColumns>('INSERT OR REPLACE INTO file_lock VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM file_lock WHERE ino = ?');
  }

  set(row: LockRow): void {
    if (row.locks.length === 0) this.remove(row.ino);
    else this.put(row.ino, row);
  }

  /** Files that the session holds locks on, in order of their inodes. Looks at all that are held: for a session's end. */
  ofSession(session: SessionId): LockRow[] {
    const holds = (row: LockRow): boolean => row.locks.some((lock) => sameSession(lock.session, session));
    const rows = this.touchedWhere(holds);
    for (const [ino, bytes] of this.every.all()) {
      const row = decodeLocks(bytes);
      if (!this.isTouched(ino) && holds(row)) rows.push(row);
    }
    return rows.sort((a, b) => a.ino - b.ino);
  }

  protected override keyOf(row: LockRow): number {
    return row.ino;
  }

  protected override treeKey(ino: number): Octets {
    return lockKey(ino);
  }

  protected override columns(ino: number): [number] {
    return [ino];
  }

  protected override columnsAt(key: Octets): [number] {
    return [integerAt(key, 1, 8)];
  }

  protected override load(columns: [number]): LockRow | undefined {
    const found = this.byIno.get(...columns);
    return found && decodeLocks(found[1]);
  }

  protected override store(row: LockRow): void {
    this.upsert.run(row.ino, encodeLocks(row));
  }

  protected override erase(columns: [number]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: LockRow): Buffer {
    return encodeLocks(row);
  }

  protected override decode(content: Buffer): LockRow {
    return decodeLocks(content);
  }

  protected override keyAt([ino]: [number]): Octets {
    return lockKey(ino);
  }
}
