/** Clock and counters: one row, under key 0. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../../src/limits.js';
import type { Octets } from '../../../src/merkle/index.js';
import { decodeHeader, encodeHeader } from '../row-bytes.js';
import { HEADER_KEY } from '../row-keys.js';
import { type HeaderRow, Table } from '../rows.js';
import { SCHEMA_VERSION } from '../schema.js';
import { readStatement } from './statements.js';
import { RowTable } from './table.js';

const KEY = 0;

const COLUMNS = [
  ...['last_executed', 'clock_seconds', 'clock_nanoseconds'],
  ...['next_ino', 'used_bytes', 'used_inodes', 'discarded_bytes', 'clients_version'],
];

type HeaderColumns = [
  lastExecuted: number,
  clockSeconds: number,
  clockNanoseconds: number,
  nextIno: number,
  usedBytes: number,
  usedInodes: number,
  discardedBytes: number,
  clientsVersion: number,
];

export class HeaderTable extends RowTable<number, HeaderRow, []> {
  override readonly number = Table.Header;
  private readonly select;
  private readonly update;
  private readonly updateLastExecuted;
  private readonly updateInstalled;
  private readonly selectInstalled;

  constructor(
    db: Database,
    private readonly cluster: Buffer,
  ) {
    super(2, { after: (columns) => (columns === undefined ? [[]] : []) });
    this.select = readStatement<[], HeaderColumns>(db, `SELECT ${COLUMNS.join(', ')} FROM state WHERE id = 1`);
    this.selectInstalled = readStatement<[], [number]>(db, 'SELECT installed FROM state WHERE id = 1');
    this.updateLastExecuted = db.prepare<[number]>('UPDATE state SET last_executed = ?');
    this.updateInstalled = db.prepare<[number]>('UPDATE state SET installed = ?');
    this.update = db.prepare<HeaderColumns>(`UPDATE state SET ${COLUMNS.map((name) => `${name} = ?`).join(', ')}`);
  }

  get row(): HeaderRow {
    const row = this.get(KEY);
    assert(row !== undefined, 'the state has its header');
    return row;
  }

  set row(row: HeaderRow) {
    this.put(KEY, row);
  }

  /** For rows that became those of a checkpoint, which are `forget`-ed afterwards. */
  markInstalled(sequence: number): void {
    this.updateLastExecuted.run(sequence);
    this.setInstalled(sequence);
  }

  setInstalled(sequence: number): void {
    this.updateInstalled.run(sequence);
  }

  /** The checkpoint that was installed last; 0 if none. */
  get installed(): number {
    return this.selectInstalled.get()?.[0] ?? 0;
  }

  protected override keyOf(): number {
    return KEY;
  }

  protected override treeKey(): Octets {
    return HEADER_KEY;
  }

  protected override columns(): [] {
    return [];
  }

  protected override columnsAt(): [] {
    return [];
  }

  protected override load(): HeaderRow | undefined {
    const c = this.select.get();
    if (c === undefined) return undefined;
    const [lastExecuted, seconds, nanoseconds, nextIno, usedBytes, usedInodes, discardedBytes, clientsVersion] = c;
    const counters = { nextIno, usedBytes, usedInodes, discardedBytes, clientsVersion };
    return { lastExecuted, clock: { seconds, nanoseconds }, ...counters };
  }

  protected override store(row: HeaderRow): void {
    const { clock, nextIno, usedBytes, usedInodes, discardedBytes, clientsVersion } = row;
    const time = [clock.seconds, clock.nanoseconds] as const;
    this.update.run(row.lastExecuted, ...time, nextIno, usedBytes, usedInodes, discardedBytes, clientsVersion);
  }

  protected override erase(): void {
    assert(false, 'the header is never removed');
  }

  protected override encode(row: HeaderRow): Buffer {
    return encodeHeader(SCHEMA_VERSION, this.cluster, row);
  }

  /** `lastExecuted` stays what it is: whoever installs the row sets it. */
  protected override decode(content: Buffer): HeaderRow {
    return decodeHeader(content, SCHEMA_VERSION, this.cluster, this.row.lastExecuted);
  }

  protected override keyAt(): Octets {
    return HEADER_KEY;
  }
}
