/** Clock and counters: one row, under key 0. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../../src/limits.js';
import type { Digest } from '../../../src/pbft/messages.js';
import { type HeaderRow, headerDigest } from '../rows.js';
import { SCHEMA_VERSION } from '../schema.js';
import { readStatement } from './statements.js';
import { RowTable } from './table.js';

const KEY = 0;

type HeaderColumns = [
  lastExecuted: number,
  clockSeconds: number,
  clockNanoseconds: number,
  nextIno: number,
  usedBytes: number,
  usedInodes: number,
];

export class HeaderTable extends RowTable<number, HeaderRow> {
  private readonly select;
  private readonly update;

  constructor(
    db: Database,
    private readonly cluster: Buffer,
  ) {
    super(2);
    this.select = readStatement<[], HeaderColumns>(
      db,
      'SELECT last_executed, clock_seconds, clock_nanoseconds, next_ino, used_bytes, used_inodes FROM state WHERE id = 1',
    );
    this.update = db.prepare<HeaderColumns>(
      'UPDATE state SET last_executed = ?, clock_seconds = ?, clock_nanoseconds = ?, next_ino = ?, used_bytes = ?, used_inodes = ?',
    );
  }

  get row(): HeaderRow {
    const row = this.get(KEY);
    assert(row !== undefined, 'the state has its header');
    return row;
  }

  set row(row: HeaderRow) {
    this.put(KEY, row);
  }

  protected override digest(row: HeaderRow): Digest {
    return headerDigest(SCHEMA_VERSION, this.cluster, row);
  }

  protected override load(): HeaderRow | undefined {
    const c = this.select.get();
    if (c === undefined) return undefined;
    const [lastExecuted, seconds, nanoseconds, nextIno, usedBytes, usedInodes] = c;
    return { lastExecuted, clock: { seconds, nanoseconds }, nextIno, usedBytes, usedInodes };
  }

  protected override store(row: HeaderRow): void {
    const { clock } = row;
    this.update.run(row.lastExecuted, clock.seconds, clock.nanoseconds, row.nextIno, row.usedBytes, row.usedInodes);
  }

  protected override erase(): void {
    assert(false, 'the header is never removed');
  }

  protected override *stored(): IterableIterator<HeaderRow> {
    yield this.load() as HeaderRow;
  }
}
