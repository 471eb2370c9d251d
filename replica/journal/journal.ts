import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { assert, Limits } from '../../src/limits.js';
import { digestKey } from '../../src/pbft/digests.js';
import type { Batch, Digest, SequenceNumber } from '../../src/pbft/messages.js';
import type { History, JournalRecord } from '../../src/pbft/ports.js';
import type { Decoding } from '../../src/wire/codec.js';
import { BatchIndex, type Location } from './batch-index.js';
import { noteStopped } from './boot.js';
import { CarriedRecords } from './carried.js';
import { JournalError } from './errors.js';
import {
  decodeHead,
  decodeRecord,
  HEAD_BYTES,
  isTimeless,
  RecordKind,
  recordBody,
  recordHead,
  writeHead,
} from './records.js';
import {
  createSegment,
  FRAME_BYTES,
  HEADER_BYTES,
  type Segment,
  type SegmentOwner,
  scanSegment,
  segmentName,
  writeFrameHeader,
} from './segment.js';

const SEGMENT_BYTES = 32 * 1024 * 1024;
/** Records up to this size together are gathered into one buffer; the body of a larger one goes out as it is. */
const GATHER_BYTES = 64 * 1024;
const PREFIX_BYTES = FRAME_BYTES + HEAD_BYTES;

export interface JournalOptions {
  directory: string;
  owner: SegmentOwner;
  decoding: Decoding;
  /** A segment is closed once it is this long. */
  segmentBytes?: number;
  /** Bytes of committed batches kept for replicas that lag. */
  historyBytes?: number;
  /** Records are on stable storage before what they allow is said, so that a power loss is survived (DESIGN 3.11). */
  synced?: boolean;
  /** The machine lost power since records were last written, and they were not flushed: the end may be anything. */
  lostPower?: boolean;
}

/** Makes the empty journal of a new replica; refuses to touch one that exists. */
export function createJournal({ directory, owner }: Pick<JournalOptions, 'directory' | 'owner'>): void {
  if (fs.existsSync(directory)) throw new JournalError('exists', `${directory}: there is a journal already`);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { fd } = createSegment(path.join(directory, segmentName(1)), owner, 1);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  noteStopped(directory);
}

/**
 * What this replica said, written before it was said (DESIGN 3.11). `append` hands records to the operating system,
 * which a killed process survives; `sync` puts them on stable storage, which a power loss does.
 */
export class Journal implements History {
  private readonly segments: Segment[] = [];
  private readonly index = new BatchIndex();
  private readonly carried = new CarriedRecords();
  private checksum = 0;
  private readonly scratch = Buffer.allocUnsafe(GATHER_BYTES);
  /** Segments written to since the last flush. */
  private readonly unsynced = new Set<Segment>();
  /** The last segment whose beginning is on stable storage, and so all of the older ones that is carried on. */
  private begunOnDisk = 0;
  private syncing: Promise<void> | undefined;
  private nextSync: Promise<void> | undefined;
  private readonly atStart: { kind: number; sequence: SequenceNumber; location: Location }[] = [];
  /** The last stable checkpoint found at opening; 0 if none. What is above it is still P and Q, though it be executed. */
  lastStable: SequenceNumber = 0;
  private lastCheckpoint: SequenceNumber = 0;
  /** Bytes of a record cut short by a crash that were dropped at opening. */
  droppedBytes = 0;

  /** @throws JournalError: the replica must not start */
  constructor(private readonly options: JournalOptions) {
    const { directory } = options;
    const names = fs.existsSync(directory) ? fs.readdirSync(directory).filter((name) => name.endsWith('.journal')) : [];
    if (names.length === 0) {
      throw new JournalError('missing', `${directory}: no journal; a replica without one has forgotten what it voted`);
    }
    names.sort();
    const first = Number.parseInt(names[0], 10);
    for (let i = 0; i < names.length; i++) {
      if (names[i] !== segmentName(first + i)) {
        throw new JournalError('corrupt', `${directory}: ${segmentName(first + i)} is missing`);
      }
      const isWhole = this.openSegment(first + i, i === names.length - 1);
      if (isWhole) continue;
      for (const name of names.slice(i + 1)) fs.unlinkSync(path.join(directory, name));
      return;
    }
  }

  /** @returns false if it was cut short */
  private openSegment(number: number, last: boolean): boolean {
    const { directory, owner } = this.options;
    const file = path.join(directory, segmentName(number));
    const bytes = fs.readFileSync(file);
    const scan = scanSegment(file, bytes, owner, number, this.options.lostPower ?? false);
    if (scan.torn) {
      if (!last && !this.options.lostPower) {
        throw new JournalError('corrupt', `${file}: cut short, though not the last segment`);
      }
      this.droppedBytes = bytes.length - scan.end;
      if (scan.end === 0) fs.unlinkSync(file);
      else fs.truncateSync(file, scan.end);
      if (scan.end === 0) {
        this.addSegment(number);
        return false;
      }
    }
    const fd = fs.openSync(file, 'r+');
    const segment: Segment = { number, path: file, fd, bytes: scan.end, maxSequence: 0 };
    this.segments.push(segment);
    this.checksum = scan.checksum;
    // What a killed process wrote has reached the operating system, not necessarily the disk.
    this.unsynced.add(segment);
    for (const { offset, payload } of scan.frames) {
      const head = decodeHead(payload);
      const location = { segment, offset, length: payload.length, digest: digestKey(head.digest) };
      this.note(head.kind, head.sequence, location);
      if (head.kind === RecordKind.Stable) this.lastStable = Math.max(this.lastStable, head.sequence);
      this.atStart.push({ kind: head.kind, sequence: head.sequence, location });
    }
    return !scan.torn;
  }

  private addSegment(number: number): void {
    const { directory, owner } = this.options;
    const file = path.join(directory, segmentName(number));
    const { fd, checksum } = createSegment(file, owner, number);
    const segment: Segment = { number, path: file, fd, bytes: HEADER_BYTES, maxSequence: 0 };
    this.segments.push(segment);
    this.checksum = checksum;
    this.unsynced.add(segment);
    syncDirectory(directory);
  }

  /** Keeps account of a record that is in the journal. */
  private note(kind: number, sequence: SequenceNumber, location: Location): void {
    if (kind === RecordKind.Checkpoint) this.lastCheckpoint = Math.max(this.lastCheckpoint, sequence);
    // All that stands before a checkpoint of this replica's own committed, and nothing of it is missing.
    if (kind === RecordKind.Recovering) this.index.forgetPrepared(this.lastCheckpoint);
    // These are carried from segment to segment: they keep none.
    if (isTimeless(kind)) return;
    const { segment } = location;
    segment.maxSequence = Math.max(segment.maxSequence, sequence);
    this.index.note(kind, sequence, location);
  }

  /**
   * The records found at opening that still matter, in the order they were written: those of sequence numbers above
   * `after`, and of each segment the certificates, checkpoints, view-changes and new-views, so that the last ones are
   * always among them. May be called once, and must be before anything is appended.
   */
  recover(after: SequenceNumber): JournalRecord[] {
    const records: JournalRecord[] = [];
    for (const { kind, sequence, location } of this.atStart.splice(0)) {
      if (!isTimeless(kind) && sequence <= after) continue;
      const record = decodeRecord(this.read(location), this.options.decoding);
      records.push(record);
      this.carried.remember(record, location.segment.number);
    }
    // The last rotation may have been cut short by a crash.
    this.carryOver();
    return records;
  }

  /** Hands the records to the operating system, in order. Throws if it does not take them all. */
  append(records: readonly JournalRecord[]): void {
    if (records.length === 0) return;
    if (this.current.bytes >= (this.options.segmentBytes ?? SEGMENT_BYTES)) this.rotate();
    this.write(records);
  }

  private rotate(): void {
    // A power loss must find no segment cut short but the last.
    if (this.options.synced) this.flushNow();
    this.addSegment(this.current.number + 1);
    this.carryOver();
  }

  private carryOver(): void {
    const lacking = this.carried.lacking(this.current.number);
    if (lacking.length > 0) this.write(lacking);
  }

  private write(records: readonly JournalRecord[]): void {
    let gathered = 0;
    for (const record of records) {
      this.carried.remember(record, this.current.number);
      const head = recordHead(record);
      const body = recordBody(record);
      if (gathered + PREFIX_BYTES + body.length > GATHER_BYTES) {
        this.writeOut([this.scratch.subarray(0, gathered)], gathered);
        gathered = 0;
      }
      const segment = this.current;
      const offset = segment.bytes + gathered + FRAME_BYTES;
      const length = HEAD_BYTES + body.length;
      this.note(head.kind, head.sequence, { segment, offset, length, digest: digestKey(head.digest) });
      writeHead(head, this.scratch, gathered + FRAME_BYTES);
      if (PREFIX_BYTES + body.length > GATHER_BYTES) {
        this.seal(0, HEAD_BYTES);
        this.checksum = crc32(body, this.checksum);
        writeFrameHeader(this.scratch, 0, length, this.checksum);
        this.writeOut([this.scratch.subarray(0, PREFIX_BYTES), body], PREFIX_BYTES + body.length);
      } else {
        this.scratch.set(body, gathered + PREFIX_BYTES);
        this.seal(gathered, length);
        writeFrameHeader(this.scratch, gathered, length, this.checksum);
        gathered += FRAME_BYTES + length;
      }
    }
    this.writeOut([this.scratch.subarray(0, gathered)], gathered);
  }

  /** Carries the checksum on over the payload of the frame that begins at `at` in the scratch buffer. */
  private seal(at: number, payloadBytes: number): void {
    const from = at + FRAME_BYTES;
    this.checksum = crc32(this.scratch.subarray(from, from + payloadBytes), this.checksum);
  }

  private writeOut(parts: Uint8Array[], total: number): void {
    if (total === 0) return;
    const segment = this.current;
    const written =
      parts.length === 1
        ? fs.writeSync(segment.fd, parts[0], 0, total, segment.bytes)
        : fs.writevSync(segment.fd, parts, segment.bytes);
    if (written !== total) throw new Error(`${segment.path}: the disk took ${written} of ${total} bytes`);
    segment.bytes += total;
    this.unsynced.add(segment);
  }

  /** Of all that is kept. */
  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  private get current(): Segment {
    return this.segments[this.segments.length - 1];
  }

  /**
   * Resolves when everything appended before the call is on stable storage. Calls share flushes (group commit). A
   * failed flush is never tried again: the pages may be gone (trap 16), and the replica must stop.
   */
  sync(): Promise<void> {
    if (this.syncing === undefined) {
      this.syncing = this.flush().finally(() => {
        this.syncing = undefined;
      });
      return this.syncing;
    }
    // The flush under way may have begun before our records were written: wait for the one after it.
    this.nextSync ??= this.syncing.then(() => {
      this.nextSync = undefined;
      return this.sync();
    });
    return this.nextSync;
  }

  private async flush(): Promise<void> {
    const segments = [...this.unsynced];
    this.unsynced.clear();
    for (const segment of segments) await fdatasync(segment.fd);
    for (const { number } of segments) this.noteFlushed(number);
  }

  /** Waits for the disk. */
  flushNow(): void {
    for (const segment of this.unsynced) fs.fdatasyncSync(segment.fd);
    for (const { number } of this.unsynced) this.noteFlushed(number);
    this.unsynced.clear();
  }

  protected noteFlushed(segment: number): void {
    this.begunOnDisk = Math.max(this.begunOnDisk, segment);
  }

  /** The highest sequence number that any record is about. */
  get lastSequence(): SequenceNumber {
    return Math.max(...this.segments.map(({ maxSequence }) => maxSequence));
  }

  digest(sequence: SequenceNumber): Digest | undefined {
    const committed = this.index.committed(sequence);
    return committed === undefined ? undefined : Buffer.from(committed, 'latin1');
  }

  batch(sequence: SequenceNumber, digest: Digest): Batch | undefined {
    const location = this.index.find(sequence, digestKey(digest));
    if (location === undefined) return undefined;
    const record = decodeRecord(this.read(location), this.options.decoding);
    assert(record.kind === 'pre-prepared' || record.kind === 'committed', 'the index leads to a batch');
    assert(record.batch && digestKey(record.batch.digest) === location.digest, 'a batch reads back as it was written');
    return record.batch;
  }

  private read({ segment, offset, length }: Location): Buffer {
    const payload = Buffer.allocUnsafeSlow(length);
    const count = fs.readSync(segment.fd, payload, 0, length, offset);
    if (count !== length) throw new Error(`${segment.path}: ${count} of ${length} bytes at ${offset}`);
    return payload;
  }

  /**
   * Lets go of the oldest segments that hold nothing above `needed`, as far as they are beyond the history kept. A batch
   * that later records only name goes no sooner than they may: it is in a segment whose maxSequence is its number at least.
   * What is carried from segment to segment is on stable storage in a later one before the older copies go.
   */
  prune(needed: SequenceNumber): void {
    const kept = this.options.historyBytes ?? Limits.historyBytes;
    let total = this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const tooMuch = (): boolean => total > kept || this.index.size > Limits.historyBatches;
    while (this.segments.length > 1 && tooMuch() && this.segments[0].maxSequence <= needed) {
      if (this.segments[0].number >= this.begunOnDisk) {
        if (this.syncing !== undefined) return;
        // Rarely: who takes part in agreement flushes at each checkpoint anyway.
        this.flushNow();
      }
      const oldest = this.segments.shift()!;
      total -= oldest.bytes;
      this.unsynced.delete(oldest);
      this.index.forget(oldest);
      fs.unlinkSync(oldest.path);
      void this.closeAfterSync(oldest.fd);
    }
  }

  private async closeAfterSync(fd: number): Promise<void> {
    await this.syncing;
    fs.closeSync(fd);
  }

  /** Flushes and closes. */
  async close(): Promise<void> {
    await this.sync();
    this.abandon();
  }

  /** Closes, and leaves what is here as the death of the process would. */
  abandon(): void {
    for (const { fd } of this.segments) fs.closeSync(fd);
    this.segments.length = 0;
  }
}

function fdatasync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}

function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r');
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}
