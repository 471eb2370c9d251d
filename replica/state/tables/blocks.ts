/** File contents in blocks of fixed size. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import { blockDigest, decodeBlock, encodeBlock } from '../row-bytes.js';
import { integerAt, blockKey as keyOfBlock } from '../row-keys.js';
import { type BlockRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

/** Up to so many blocks are looked up one by one when a file is cut; above it, SQLite is asked for those there are. */
const FEW_BLOCKS = 16;
/** … so many at a time. */
const POSITIONS_AT_ONCE = 64;
const blockKey = (fork: number, position: number): string => `${fork}/${position}`;

type BlockPosition = [fork: number, position: number];
type BlockColumns = [fork: number, position: number, data: Buffer];

const toBlock = ([fork, position, data]: BlockColumns): BlockRow => ({ fork, position, data });

export class BlockTable extends RowTable<string, BlockRow, BlockPosition> {
  override readonly number = Table.Block;
  private readonly byPosition;
  private readonly exists;
  private readonly positionsFrom;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(128, new PrimaryKeys(db, 'block', ['fork', 'position']));
    this.byPosition = readStatement<BlockPosition, BlockColumns>(
      db,
      'SELECT fork, position, data FROM block WHERE fork = ? AND position = ?',
    );
    this.exists = readStatement<BlockPosition, [number]>(db, 'SELECT 1 FROM block WHERE fork = ? AND position = ?');
    this.positionsFrom = readStatement<[number, number, number], [position: number]>(
      db,
      'SELECT position FROM block WHERE fork = ? AND position >= ? ORDER BY position LIMIT ?',
    );
    this.upsert = db.prepare<BlockColumns>('INSERT OR REPLACE INTO block VALUES (?, ?, ?)');
    this.delete = db.prepare<BlockPosition>('DELETE FROM block WHERE fork = ? AND position = ?');
  }

  at(fork: number, position: number): BlockRow | undefined {
    return this.get(blockKey(fork, position));
  }

  has(fork: number, position: number): boolean {
    const key = blockKey(fork, position);
    const row = this.peek(key);
    if (row !== undefined) return row !== null;
    const exists = this.exists.get(fork, position) !== undefined;
    if (!exists) this.noteAbsent(key);
    return exists;
  }

  /** Tells that there is no such block: spares looking. */
  isNew(fork: number, position: number): void {
    const key = blockKey(fork, position);
    if (this.peek(key) === undefined) this.noteAbsent(key);
  }

  set(fork: number, position: number, data: Buffer): void {
    this.put(blockKey(fork, position), { fork, position, data });
  }

  unset(fork: number, position: number): void {
    this.remove(blockKey(fork, position));
  }

  /** Removes the blocks from `first` up to, not including, `end`, beyond which there are none. Returns how many. */
  removeRange(fork: number, first: number, end: number): number {
    if (end - first > FEW_BLOCKS) return this.removeFrom(fork, first);
    let removed = 0;
    for (let position = first; position < end; position++) {
      if (!this.has(fork, position)) continue;
      this.unset(fork, position);
      removed++;
    }
    return removed;
  }

  private removeFrom(fork: number, first: number): number {
    let removed = 0;
    for (const position of this.positions(fork, first)) {
      this.unset(fork, position);
      removed++;
    }
    return removed;
  }

  /** Positions of the blocks that the file has, in order, from `first` on. What was yielded may be removed meanwhile. */
  *positions(fork: number, first: number): IterableIterator<number> {
    const touched = this.touchedWhere((row) => row.fork === fork && row.position >= first).map((row) => row.position);
    touched.sort((a, b) => a - b);
    let next = 0;
    for (let from: number | undefined = first; from !== undefined; ) {
      const stored: [position: number][] = this.positionsFrom.all(fork, from, POSITIONS_AT_ONCE);
      for (const [position] of stored) {
        while (next < touched.length && touched[next] < position) yield touched[next++];
        if (touched[next] === position) next++;
        else if (this.isTouched(blockKey(fork, position))) continue;
        yield position;
      }
      from = stored.length < POSITIONS_AT_ONCE ? undefined : stored[stored.length - 1][0] + 1;
    }
    while (next < touched.length) yield touched[next++];
  }

  protected override keyOf(row: BlockRow): string {
    return blockKey(row.fork, row.position);
  }

  protected override treeKey(key: string): Octets {
    return keyOfBlock(...split(key));
  }

  protected override columns(key: string): BlockPosition {
    return split(key);
  }

  protected override columnsAt(key: Octets): BlockPosition {
    return [integerAt(key, 1, 8), integerAt(key, 9, 8)];
  }

  protected override load(columns: BlockPosition): BlockRow | undefined {
    const found = this.byPosition.get(...columns);
    return found && toBlock(found);
  }

  protected override store(row: BlockRow): void {
    this.upsert.run(row.fork, row.position, row.data);
  }

  protected override erase(columns: BlockPosition): void {
    this.delete.run(...columns);
  }

  protected override largeBytes({ data }: BlockRow): number {
    return data.length;
  }

  protected override digest(row: BlockRow): Octets {
    return blockDigest(row);
  }

  protected override encode(row: BlockRow): Buffer {
    return encodeBlock(row);
  }

  protected override decode(content: Buffer): BlockRow {
    return decodeBlock(content);
  }

  protected override keyAt(columns: BlockPosition): Octets {
    return keyOfBlock(...columns);
  }
}

const split = (key: string): BlockPosition => {
  const slash = key.indexOf('/');
  return [Number(key.slice(0, slash)), Number(key.slice(slash + 1))];
};
