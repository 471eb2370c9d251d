/** Rows of a service that is not the file service: bytes by key. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../../src/limits.js';
import { type Octets, octets, toBytes } from '../../../src/merkle/index.js';
import { decodeRecord, encodeRecord, RECORD_KEY_BYTES, RECORD_VALUE_BYTES } from '../row-bytes.js';
import { recordDigest, recordDigestIn, recordKey } from '../row-keys.js';
import { type RecordRow, Table } from '../rows.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type RecordColumns = [key: Buffer, value: Buffer];

const toRecord = ([key, value]: RecordColumns): RecordRow => ({ key, value });

/** Latin-1 maps each byte to one character, so that distinct keys stay distinct. */
const text = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');

export class RecordTable extends RowTable<string, RecordRow, [keyDigest: Buffer]> {
  override readonly number = Table.Record;
  private readonly byKey;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(4096, new PrimaryKeys(db, 'record', ['key_digest']));
    this.byKey = readStatement<[Buffer], RecordColumns>(db, 'SELECT key, value FROM record WHERE key_digest = ?');
    this.upsert = db.prepare<[Buffer, Buffer, Buffer]>('INSERT OR REPLACE INTO record VALUES (?, ?, ?)');
    this.delete = db.prepare<[Buffer]>('DELETE FROM record WHERE key_digest = ?');
  }

  /** The value kept under the key, not to be changed. */
  find(key: Uint8Array): Buffer | undefined {
    return this.get(text(key))?.value;
  }

  /** Keeps copies. The service sees to it that neither is too long. */
  set(key: Uint8Array, value: Uint8Array): void {
    assert(key.length <= RECORD_KEY_BYTES && value.length <= RECORD_VALUE_BYTES, 'a record is small');
    this.put(text(key), { key: Buffer.from(key), value: Buffer.from(value) });
  }

  unset(key: Uint8Array): void {
    if (this.find(key) !== undefined) this.remove(text(key));
  }

  protected override keyOf(row: RecordRow): string {
    return text(row.key);
  }

  protected override treeKey(key: string): Octets {
    return recordKey(recordDigest(Buffer.from(key, 'latin1')));
  }

  protected override columns(key: string): [Buffer] {
    return [toBytes(recordDigest(Buffer.from(key, 'latin1')))];
  }

  protected override columnsAt(key: Octets): [Buffer] {
    return [toBytes(recordDigestIn(key))];
  }

  protected override load(columns: [Buffer]): RecordRow | undefined {
    const found = this.byKey.get(...columns);
    return found && toRecord(found);
  }

  protected override store(row: RecordRow): void {
    this.upsert.run(toBytes(recordDigest(row.key)), row.key, row.value);
  }

  protected override erase(columns: [Buffer]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: RecordRow): Buffer {
    return encodeRecord(row);
  }

  protected override decode(content: Buffer): RecordRow {
    return decodeRecord(content);
  }

  protected override keyAt([keyDigest]: [Buffer]): Octets {
    return recordKey(octets(keyDigest));
  }
}
