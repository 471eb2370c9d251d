/** The journal of replica/journal, in a directory of its own, and what may become of its files. */
import fs from 'node:fs';
import path from 'node:path';
import type { BatchIndex } from '../../../replica/journal/batch-index.js';
import { JournalError } from '../../../replica/journal/errors.js';
import { createJournal, Journal, type JournalOptions } from '../../../replica/journal/journal.js';
import { Limits } from '../../../src/limits.js';
import type { Batch, Digest, FlushCertificate, SequenceNumber } from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { DiskFailure } from '../disk.js';
import type { Random } from '../random.js';
import type { FlushedPart, SimulatedDisk, Write } from '../storage.js';

/** Small, so that there are several, and old ones go; yet longer than the new-view that each begins with may be. */
const segmentBytes = (): number => 1024 * Limits.logSize;
const HISTORY_SEGMENTS = 4;
/** What a disk writes at once. */
const SECTOR_BYTES = 512;
/** A place in the journal as one number: segment × this + bytes. */
const PLACES = 2 ** 32;

export interface JournalDiskOptions extends Pick<JournalOptions, 'directory' | 'owner' | 'decoding'> {
  synced: boolean;
  random: Random;
  /** Called before and after each write; what it throws is the death of the process. */
  onWrite: (what: Write) => void;
}

export class JournalDisk implements SimulatedDisk {
  /** None while the process is down, until somebody looks. */
  private opened: WatchedJournal | undefined;
  private notes: JournalRecord[] = [];
  /** Up to there it is on stable storage. */
  private flushed: number;
  private copy: { at: number; part: FlushedCopy } | undefined;
  private lostPower = false;
  private rotten = false;
  full = false;

  constructor(private readonly options: JournalDiskOptions) {
    createJournal(options);
    this.flushed = this.length;
  }

  private get journal(): WatchedJournal {
    if (this.opened !== undefined) return this.opened;
    const { lostPower } = this;
    const { synced } = this.options;
    const onFlushed = (): void => this.flush();
    const options = {
      ...this.options,
      segmentBytes: segmentBytes(),
      historyBytes: HISTORY_SEGMENTS * segmentBytes(),
      lostPower: lostPower && !synced,
    };
    this.opened = new WatchedJournal(options, onFlushed);
    this.lostPower = false;
    // What was torn is gone.
    this.flushed = Math.min(this.flushed, this.length);
    return this.opened;
  }

  /** Where it ends. */
  get length(): number {
    const [number, file] = segmentsIn(this.options.directory).at(-1)!;
    return number * PLACES + fs.statSync(file).size;
  }

  get stable(): SequenceNumber {
    return this.readable(() => this.journal.lastStable);
  }

  /** The highest sequence number that any record is about. */
  get lastSequence(): SequenceNumber {
    return this.journal.lastSequence;
  }

  recover(after: SequenceNumber): JournalRecord[] {
    this.full = false;
    return this.readable(() => this.journal.recover(after));
  }

  private readable<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (this.rotten && error instanceof JournalError) throw new DiskFailure(error.message);
      throw error;
    }
  }

  note(records: readonly JournalRecord[]): void {
    this.notes.push(...records);
  }

  append(records: readonly JournalRecord[]): void {
    if (this.notes.length === 0 && records.length === 0) return;
    if (this.full) throw new DiskFailure('no space left');
    this.options.onWrite('journal');
    this.journal.append([...this.notes, ...records]);
    this.notes = [];
    this.options.onWrite('journal');
  }

  flush(length = this.length): void {
    this.flushed = Math.max(this.flushed, length);
    this.opened?.noteFlushed(Math.floor(length / PLACES));
  }

  prune(needed: SequenceNumber): void {
    this.journal.prune(needed);
  }

  kill(): void {
    this.notes = [];
    this.opened?.abandon();
    this.opened = undefined;
  }

  /** Each file keeps what was flushed of it, and of the rest as much as chance has it, or zeros. */
  losePower(random: Random): void {
    this.lostPower = true;
    for (const [number, file] of segmentsIn(this.options.directory)) {
      const { size } = fs.statSync(file);
      const kept = this.flushedOf(number, size);
      if (kept === size) continue;
      const end = kept + random.below(size - kept + 1);
      fs.truncateSync(file, end);
      const sector = Math.ceil(end / SECTOR_BYTES) * SECTOR_BYTES;
      if (sector < size && random.chance(0.3)) fs.truncateSync(file, size);
    }
    this.flushed = this.length;
  }

  backUp(): () => void {
    const { directory } = this.options;
    const kept = `${directory}-backup`;
    fs.rmSync(kept, { recursive: true, force: true });
    fs.cpSync(directory, kept, { recursive: true });
    return () => {
      fs.rmSync(directory, { recursive: true });
      fs.cpSync(kept, directory, { recursive: true });
      this.flushed = this.length;
      this.copy?.part.close();
      this.copy = undefined;
    };
  }

  /** How many bytes of a segment are flushed. */
  private flushedOf(number: number, size: number): number {
    const last = Math.floor(this.flushed / PLACES);
    if (number !== last) return number < last ? size : 0;
    return Math.min(size, this.flushed % PLACES);
  }

  rot(): void {
    const { directory, random } = this.options;
    const [, file] = random.pick(segmentsIn(directory));
    const bytes = fs.readFileSync(file);
    bytes[random.below(bytes.length)] ^= 1 + random.below(255);
    fs.writeFileSync(file, bytes);
    this.rotten = true;
  }

  digest(sequence: SequenceNumber): Digest | undefined {
    return this.journal.digest(sequence);
  }

  batch(sequence: SequenceNumber, digest: Digest): Batch | undefined {
    return this.journal.batch(sequence, digest);
  }

  get flushedPart(): FlushedPart {
    if (this.copy?.at !== this.flushed) {
      this.copy?.part.close();
      this.copy = { at: this.flushed, part: this.copyFlushed() };
    }
    return this.copy.part;
  }

  private copyFlushed(): FlushedCopy {
    const directory = `${this.options.directory}-flushed`;
    fs.rmSync(directory, { recursive: true, force: true });
    fs.mkdirSync(directory);
    // Of the oldest there is at least the file.
    for (const [index, [number, file]] of segmentsIn(this.options.directory).entries()) {
      const bytes = fs.readFileSync(file);
      const flushed = bytes.subarray(0, this.flushedOf(number, bytes.length));
      if (index === 0 || flushed.length > 0) fs.writeFileSync(path.join(directory, path.basename(file)), flushed);
    }
    const { owner, decoding, synced } = this.options;
    return new FlushedCopy({ directory, owner, decoding, lostPower: !synced });
  }

  close(): void {
    this.kill();
    this.copy?.part.close();
  }
}

/** Rotation flushes by itself. */
class WatchedJournal extends Journal {
  constructor(
    options: JournalOptions,
    private readonly onFlushed: () => void,
  ) {
    super(options);
  }

  override noteFlushed(segment: number): void {
    super.noteFlushed(segment);
  }

  override flushNow(): void {
    super.flushNow();
    this.onFlushed();
  }
}

class FlushedCopy implements FlushedPart {
  private readonly journal: Journal;
  readonly flushCertificate: FlushCertificate | undefined;

  constructor(options: JournalOptions) {
    this.journal = new Journal(options);
    for (const record of this.journal.recover(Number.MAX_SAFE_INTEGER)) {
      if (record.kind !== 'flushed') continue;
      const { certificate } = record;
      if (certificate.sequence > (this.flushCertificate?.sequence ?? 0)) this.flushCertificate = certificate;
    }
  }

  /** Also what its replica is not sure of since it forgot later votes: its report for another incarnation has that too. */
  holds(sequence: SequenceNumber): boolean {
    const { index } = this.journal as unknown as { index: BatchIndex };
    const digest = index.ordered(sequence);
    return digest !== undefined && index.find(sequence, digest) !== undefined;
  }

  close(): void {
    this.journal.abandon();
  }
}

/** The segments in a directory, in order of their numbers. */
function segmentsIn(directory: string): [number: number, file: string][] {
  const names = fs.readdirSync(directory).filter((name) => name.endsWith('.journal'));
  return names.sort().map((name) => [Number.parseInt(name, 10), path.join(directory, name)]);
}
