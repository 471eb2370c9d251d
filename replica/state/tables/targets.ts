/** Targets of symbolic links by inode. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../src/pbft/messages.js';
import { type TargetRow, targetDigest } from '../rows.js';
import { mapped, readStatement } from './statements.js';
import { RowTable } from './table.js';

type TargetColumns = [ino: number, path: Buffer];

const toTarget = ([ino, path]: TargetColumns): TargetRow => ({ ino, path });

export class TargetTable extends RowTable<number, TargetRow> {
  private readonly byIno;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024);
    this.byIno = readStatement<[number], TargetColumns>(db, 'SELECT ino, path FROM target WHERE ino = ?');
    this.every = readStatement<[], TargetColumns>(db, 'SELECT ino, path FROM target ORDER BY ino');
    this.upsert = db.prepare<[number, Buffer]>('INSERT OR REPLACE INTO target VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM target WHERE ino = ?');
  }

  protected override digest(row: TargetRow): Digest {
    return targetDigest(row);
  }

  protected override load(ino: number): TargetRow | undefined {
    const columns = this.byIno.get(ino);
    return columns && toTarget(columns);
  }

  protected override store(row: TargetRow): void {
    this.upsert.run(row.ino, row.path);
  }

  protected override erase(ino: number): void {
    this.delete.run(ino);
  }

  protected override stored(): IterableIterator<TargetRow> {
    return mapped(this.every.iterate(), toTarget);
  }
}
