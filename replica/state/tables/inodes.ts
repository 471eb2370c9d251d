/** Inodes by number. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import { decodeInode, encodeInode } from '../row-bytes.js';
import { inodeKey, integerAt } from '../row-keys.js';
import { type InodeRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type InodeColumns = [
  ...[number, number, number, number, number, number, number, number, number],
  ...[number, number, number, number, number, number, number, number, number, number, number, number, number, number],
];

const toInode = (c: InodeColumns): InodeRow => ({
  ino: c[0],
  generation: c[1],
  mode: c[2],
  nlink: c[3],
  uid: c[4],
  gid: c[5],
  rdev: c[6],
  size: c[7],
  allocated: c[8],
  atime: { seconds: c[9], nanoseconds: c[10] },
  mtime: { seconds: c[11], nanoseconds: c[12] },
  ctime: { seconds: c[13], nanoseconds: c[14] },
  change: c[15],
  parent: c[16],
  entries: c[17],
  nextCookie: c[18],
  xattrBytes: c[19],
  reserved: c[20],
  fork: c[21],
  payer: c[22],
});

export class InodeTable extends RowTable<number, InodeRow, [ino: number]> {
  override readonly number = Table.Inode;
  private readonly byIno;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(16_384, new PrimaryKeys(db, 'inode', ['ino']));
    this.byIno = readStatement<[number], InodeColumns>(db, 'SELECT * FROM inode WHERE ino = ?');
    this.upsert = db.prepare(`INSERT OR REPLACE INTO inode VALUES (${'?, '.repeat(22)}?)`);
    this.delete = db.prepare<[number]>('DELETE FROM inode WHERE ino = ?');
  }

  protected override keyOf(row: InodeRow): number {
    return row.ino;
  }

  protected override treeKey(ino: number): Octets {
    return inodeKey(ino);
  }

  protected override columns(ino: number): [number] {
    return [ino];
  }

  protected override columnsAt(key: Octets): [number] {
    return [integerAt(key, 1, 8)];
  }

  protected override load(columns: [number]): InodeRow | undefined {
    const found = this.byIno.get(...columns);
    return found && toInode(found);
  }

  protected override store(row: InodeRow): void {
    const { atime, mtime, ctime } = row;
    this.upsert.run(
      ...[row.ino, row.generation, row.mode, row.nlink, row.uid, row.gid, row.rdev, row.size, row.allocated],
      ...[atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds, ctime.seconds, ctime.nanoseconds],
      ...[row.change, row.parent, row.entries, row.nextCookie, row.xattrBytes, row.reserved, row.fork, row.payer],
    );
  }

  protected override erase(columns: [number]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: InodeRow): Buffer {
    return encodeInode(row);
  }

  protected override decode(content: Buffer): InodeRow {
    return decodeInode(content);
  }

  protected override keyAt([ino]: [number]): Octets {
    return inodeKey(ino);
  }
}
