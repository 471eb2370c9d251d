/** Targets of symbolic links by inode. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import { decodeTarget, encodeTarget } from '../row-bytes.js';
import { integerAt, targetKey } from '../row-keys.js';
import { Table, type TargetRow } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type TargetColumns = [ino: number, path: Buffer];

const toTarget = ([ino, path]: TargetColumns): TargetRow => ({ ino, path });

export class TargetTable extends RowTable<number, TargetRow, [ino: number]> {
  override readonly number = Table.Target;
  private readonly byIno;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(1024, new PrimaryKeys(db, 'target', ['ino']));
    this.byIno = readStatement<[number], TargetColumns>(db, 'SELECT ino, path FROM target WHERE ino = ?');
    this.upsert = db.prepare<[number, Buffer]>('INSERT OR REPLACE INTO target VALUES (?, ?)');
    this.delete = db.prepare<[number]>('DELETE FROM target WHERE ino = ?');
  }

  protected override keyOf(row: TargetRow): number {
    return row.ino;
  }

  protected override treeKey(ino: number): Octets {
    return targetKey(ino);
  }

  protected override columns(ino: number): [number] {
    return [ino];
  }

  protected override columnsAt(key: Octets): [number] {
    return [integerAt(key, 1, 8)];
  }

  protected override load(columns: [number]): TargetRow | undefined {
    const found = this.byIno.get(...columns);
    return found && toTarget(found);
  }

  protected override store(row: TargetRow): void {
    this.upsert.run(row.ino, row.path);
  }

  protected override erase(columns: [number]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: TargetRow): Buffer {
    return encodeTarget(row);
  }

  protected override decode(content: Buffer): TargetRow {
    return decodeTarget(content);
  }

  protected override keyAt([ino]: [number]): Octets {
    return targetKey(ino);
  }
}
