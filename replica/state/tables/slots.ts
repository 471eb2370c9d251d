/** The slots of sessions: the last call of each, and its result. */
import type { Database } from 'better-sqlite3';
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import type { SlotRow } from '../../../src/pbft/ports.js';
import { decodeSlot, encodeSlot } from '../row-bytes.js';
import { clientKey } from '../row-keys.js';
import { type SlotEntry, Table } from '../rows.js';
import { inSessionAt, parts, subKey, treeKeyOf } from './session-keys.js';
import { PrimaryKeys, readStatement } from './statements.js';
import { RowTable } from './table.js';

type SlotColumns = [
  client: number,
  instance: number,
  slot: number,
  sequence: number,
  requestDigest: Uint8Array,
  status: number,
  durableAt: number,
  result: Uint8Array | null,
];

function toSlot(columns: SlotColumns): SlotEntry {
  const [client, instance, slot, sequence, requestDigest, status, durableAt, result] = columns;
  const row: SlotRow = { slot, sequence, requestDigest, status, durableAt };
  if (result !== null) row.result = result;
  return { session: { client, instance }, row };
}

export class SlotTable extends RowTable<string, SlotEntry, number[]> {
  override readonly number = Table.Slot;
  private readonly byKey;
  private readonly upsert;
  private readonly delete;

  constructor(db: Database) {
    super(4096, new PrimaryKeys(db, 'slot', ['client', 'instance', 'slot']));
    this.byKey = readStatement<number[], SlotColumns>(
      db,
      'SELECT * FROM slot WHERE client = ? AND instance = ? AND slot = ?',
    );
    this.upsert = db.prepare<SlotColumns>('INSERT OR REPLACE INTO slot VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.delete = db.prepare<number[]>('DELETE FROM slot WHERE client = ? AND instance = ? AND slot = ?');
  }

  find(id: SessionId, slot: number): SlotRow | undefined {
    return this.get(subKey(id, slot))?.row;
  }

  set(session: SessionId, row: SlotRow): void {
    this.put(subKey(session, row.slot), { session, row });
  }

  unset(id: SessionId, slot: number): void {
    if (this.find(id, slot) !== undefined) this.remove(subKey(id, slot));
  }

  protected override keyOf({ session, row }: SlotEntry): string {
    return subKey(session, row.slot);
  }

  protected override treeKey(key: string): Octets {
    return treeKeyOf(Table.Slot, key);
  }

  protected override columns(key: string): number[] {
    return parts(key);
  }

  protected override columnsAt(key: Octets): number[] {
    return inSessionAt(key);
  }

  protected override load(columns: number[]): SlotEntry | undefined {
    const found = this.byKey.get(...columns);
    return found && toSlot(found);
  }

  protected override store({ session, row }: SlotEntry): void {
    const { client, instance } = session;
    const { slot, sequence, requestDigest, status, durableAt, result } = row;
    this.upsert.run(client, instance, slot, sequence, requestDigest, status, durableAt, result ?? null);
  }

  protected override erase(columns: number[]): void {
    this.delete.run(...columns);
  }

  protected override encode(row: SlotEntry): Buffer {
    return encodeSlot(row);
  }

  protected override decode(content: Buffer): SlotEntry {
    return decodeSlot(content);
  }

  protected override keyAt([client, instance, slot]: number[]): Octets {
    return clientKey(Table.Slot, client, instance, slot);
  }
}
