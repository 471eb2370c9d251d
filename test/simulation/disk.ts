import { Limits } from '../../src/limits.js';
import { digestKey } from '../../src/pbft/digests.js';
import type { Batch, Digest, FlushCertificate, SequenceNumber } from '../../src/pbft/messages.js';
import type { JournalRecord } from '../../src/pbft/ports.js';
import type { Random } from './random.js';
import type { SimulatedDisk } from './storage.js';

/** The disk cannot be used: the replica must not start, or must stop. */
export class DiskFailure extends Error {
  override name = 'DiskFailure';
}

interface Indexed {
  batches: Map<string, Batch>;
  committed: Digest | undefined;
  prepared: Digest | undefined;
  /** Records may be missing since. */
  uncertain: boolean;
}

/**
 * A journal as replica/journal keeps it, and what may become of it: a killed process loses the notes it had not handed
 * over yet, a power loss all that had not been flushed, but for a prefix; the last record of that prefix may be torn,
 * which its checksum tells. Bit rot is told from a torn record, and then the replica refuses to start.
 */
export class Disk implements SimulatedDisk {
  private records: JournalRecord[] = [];
  /** Records from the start that are on stable storage. */
  private flushed = 0;
  /** Notes in the process's memory: written with the next records, or by the shell's timer. */
  private notes: JournalRecord[] = [];
  private readonly index = new Map<SequenceNumber, Indexed>();
  private lastStable: SequenceNumber = 0;
  private lastCheckpoint: SequenceNumber = 0;
  private rotten = false;
  full = false;

  get length(): number {
    return this.records.length;
  }

  note(records: readonly JournalRecord[]): void {
    this.notes.push(...records);
  }

  /** Hands the records, after the notes before them, to the operating system. */
  append(records: readonly JournalRecord[]): void {
    if (this.notes.length === 0 && records.length === 0) return;
    if (this.full) throw new DiskFailure('no space left');
    for (const record of [...this.notes, ...records]) {
      this.records.push(record);
      this.remember(record);
    }
    this.notes = [];
  }

  /** Puts what was appended up to that length on stable storage. */
  flush(length = this.records.length): void {
    this.flushed = Math.max(this.flushed, length);
  }

  /** The process dies. */
  kill(): void {
    this.notes = [];
  }

  /** The machine loses power. */
  losePower(random: Random): void {
    this.kill();
    const unflushed = this.records.length - this.flushed;
    if (unflushed === 0) return;
    this.become(this.records.slice(0, this.flushed + random.below(unflushed + 1)));
  }

  backUp(): () => void {
    const records = [...this.records];
    return () => this.become([...records]);
  }

  /** All of it on stable storage. */
  private become(records: JournalRecord[]): void {
    this.records = records;
    this.flushed = records.length;
    this.index.clear();
    this.lastStable = 0;
    this.lastCheckpoint = 0;
    for (const record of records) this.remember(record);
  }

  /** What would be left of it if the power were lost and nothing but what was flushed remained. */
  get flushedPart(): Disk {
    const part = new Disk();
    part.append(this.records.slice(0, this.flushed));
    return part;
  }

  /** The highest flush certificate on record. */
  get flushCertificate(): FlushCertificate | undefined {
    let highest: FlushCertificate | undefined;
    for (const record of this.records) {
      if (record.kind === 'flushed' && record.certificate.sequence > (highest?.sequence ?? 0))
        highest = record.certificate;
    }
    return highest;
  }

  /** A record changes on the disk. */
  rot(): void {
    this.rotten = true;
  }

  /**
   * What a restarted replica is given: in the order written, without what is about numbers up to `after`, which has left
   * the log for good.
   * @throws DiskFailure
   */
  recover(after: SequenceNumber): JournalRecord[] {
    if (this.rotten) throw new DiskFailure('the journal is damaged');
    this.full = false;
    return this.records.filter((record) => !('sequence' in record) || record.sequence > after);
  }

  /** The last stable checkpoint on record. */
  get stable(): SequenceNumber {
    return this.lastStable;
  }

  private remember(record: JournalRecord): void {
    if (record.kind === 'stable') this.lastStable = Math.max(this.lastStable, record.certificate.sequence);
    if (record.kind === 'checkpoint') {
      this.lastCheckpoint = Math.max(this.lastCheckpoint, record.checkpoint.sequence);
    }
    if (record.kind === 'recovering') this.forgetPrepared();
    if (record.kind !== 'pre-prepared' && record.kind !== 'prepared' && record.kind !== 'committed') return;
    let indexed = this.index.get(record.sequence);
    if (indexed === undefined) {
      indexed = { batches: new Map(), committed: undefined, prepared: undefined, uncertain: false };
      this.index.set(record.sequence, indexed);
    }
    if (record.kind === 'prepared') Object.assign(indexed, { prepared: record.digest, uncertain: false });
    else if (record.batch !== undefined) indexed.batches.set(digestKey(record.batch.digest), record.batch);
    if (record.kind === 'committed') indexed.committed = record.digest;
  }

  /** What is long past, nobody lagging can have from here. */
  private isForgotten(sequence: SequenceNumber): boolean {
    return sequence <= this.lastStable - Limits.historyBatches;
  }

  /** As the real journal: whether what prepared last is what committed, records that may be missing would tell. */
  private forgetPrepared(): void {
    for (const [sequence, indexed] of this.index) if (sequence > this.lastCheckpoint) indexed.uncertain = true;
  }

  digest(sequence: SequenceNumber): Digest | undefined {
    const indexed = this.index.get(sequence);
    if (this.isForgotten(sequence) || (indexed?.uncertain && indexed.committed === undefined)) return undefined;
    return this.recorded(sequence);
  }

  /** Also what its replica is not sure of: its report for another incarnation has that too. */
  private recorded(sequence: SequenceNumber): Digest | undefined {
    const indexed = this.index.get(sequence);
    return indexed?.committed ?? indexed?.prepared;
  }

  /** Whether the batch that committed there is on record, however long ago. */
  holds(sequence: SequenceNumber): boolean {
    const digest = this.recorded(sequence);
    return digest !== undefined && this.index.get(sequence)?.batches.has(digestKey(digest)) === true;
  }

  batch(sequence: SequenceNumber, digest: Digest): Batch | undefined {
    return this.isForgotten(sequence) ? undefined : this.index.get(sequence)?.batches.get(digestKey(digest));
  }
}
