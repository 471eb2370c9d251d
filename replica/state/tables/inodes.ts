/** Inodes by number. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../src/pbft/messages.js';
import { type InodeRow, inodeDigest } from '../rows.js';
import { mapped, readStatement } from './statements.js';
import { RowTable } from './table.js';

type InodeColumns = [
  ...[number, number, number, number, number, number, number, number, number],
  ...[number, number, number, number, number, number, number, number, number, number],
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
});

export class InodeTable extends RowTable<number, InodeRow> {
  private readonly byIno;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(16_384);
    this.byIno = readStatement<[number], InodeColumns>(db, 'SELECT * FROM inode WHERE ino = ?');
    this.every = readStatement<[], InodeColumns>(db, 'SELECT * FROM inode ORDER BY ino');
    this.upsert = db.prepare(`INSERT OR REPLACE INTO inode VALUES (${'?, '.repeat(18)}?)`);
    this.delete = db.prepare<[number]>('DELETE FROM inode WHERE ino = ?');
  }

  protected override digest(row: InodeRow): Digest {
    return inodeDigest(row);
  }

  protected override load(ino: number): InodeRow | undefined {
    const columns = this.byIno.get(ino);
    return columns && toInode(columns);
  }

  protected override store(row: InodeRow): void {
    const { atime, mtime, ctime } = row;
    this.upsert.run(
      ...[row.ino, row.generation, row.mode, row.nlink, row.uid, row.gid, row.rdev, row.size, row.allocated],
      ...[atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds, ctime.seconds, ctime.nanoseconds],
      ...[row.change, row.parent, row.entries, row.nextCookie],
    );
  }

  protected override erase(ino: number): void {
    this.delete.run(ino);
  }

  protected override stored(): IterableIterator<InodeRow> {
    return mapped(this.every.iterate(), toInode);
  }
}
