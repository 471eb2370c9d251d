/** File contents in blocks of fixed size. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../src/pbft/messages.js';
import { type BlockRow, blockDigest } from '../rows.js';
import { mapped, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** Bytes of a file in one row. */
export const BLOCK_BYTES = 32 * 1024;
/** Up to so many blocks are looked up one by one when a file is cut; above it, SQLite is asked for those there are. */
const FEW_BLOCKS = 16;
const blockKey = (ino: number, position: number): string => `${ino}/${position}`;

type BlockColumns = [ino: number, position: number, data: Buffer];

const toBlock = ([ino, position, data]: BlockColumns): BlockRow => ({ ino, position, data, digest: undefined });

export class BlockTable extends RowTable<string, BlockRow> {
  private readonly byPosition;
  private readonly digestByPosition;
  private readonly positionsFrom;
  private readonly every;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(128);
    this.byPosition = readStatement<[number, number], [digest: Buffer, data: Buffer]>(
      db,
      'SELECT digest, data FROM block WHERE ino = ? AND position = ?',
    );
    this.digestByPosition = readStatement<[number, number], [digest: Buffer]>(
      db,
      'SELECT digest FROM block WHERE ino = ? AND position = ?',
    );
    this.positionsFrom = readStatement<[number, number], [position: number]>(
      db,
      'SELECT position FROM block WHERE ino = ? AND position >= ? ORDER BY position',
    );
    this.every = readStatement<[], BlockColumns>(db, 'SELECT ino, position, data FROM block ORDER BY ino, position');
    this.upsert = db.prepare<[number, number, Uint8Array, Buffer]>('INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?)');
    this.delete = db.prepare<[number, number]>('DELETE FROM block WHERE ino = ? AND position = ?');
  }

  at(ino: number, position: number): BlockRow | undefined {
    return this.get(blockKey(ino, position));
  }

  has(ino: number, position: number): boolean {
    const key = blockKey(ino, position);
    const row = this.peek(key);
    if (row !== undefined) return row !== null;
    const exists = this.cleanDigest(key) !== undefined;
    if (!exists) this.noteAbsent(key);
    return exists;
  }

  set(ino: number, position: number, data: Buffer): void {
    this.put(blockKey(ino, position), { ino, position, data, digest: undefined });
  }

  /** Removes the blocks from `first` up to, not including, `end`, beyond which there are none. Returns how many. */
  removeRange(ino: number, first: number, end: number): number {
    if (end - first > FEW_BLOCKS) {
      this.flush();
      const positions = this.positionsFrom.all(ino, first);
      for (const [position] of positions) this.remove(blockKey(ino, position));
      return positions.length;
    }
    let removed = 0;
    for (let position = first; position < end; position++) {
      if (!this.has(ino, position)) continue;
      this.remove(blockKey(ino, position));
      removed++;
    }
    return removed;
  }

  protected override digest(row: BlockRow): Digest {
    return blockDigest(row);
  }

  protected override cleanDigest(key: string): Digest | undefined {
    const row = this.peek(key);
    if (row === null) return undefined;
    return row === undefined ? this.digestByPosition.get(...split(key))?.[0] : blockDigest(row);
  }

  protected override load(key: string): BlockRow | undefined {
    const [ino, position] = split(key);
    const columns = this.byPosition.get(ino, position);
    return columns && { ino, position, data: columns[1], digest: columns[0] };
  }

  protected override store(row: BlockRow): void {
    this.upsert.run(row.ino, row.position, blockDigest(row), row.data);
  }

  protected override erase(key: string): void {
    this.delete.run(...split(key));
  }

  protected override stored(): IterableIterator<BlockRow> {
    return mapped(this.every.iterate(), toBlock);
  }
}

const split = (key: string): [ino: number, position: number] => {
  const slash = key.indexOf('/');
  return [Number(key.slice(0, slash)), Number(key.slice(slash + 1))];
};
