/**
 * What a journal record is on disk, between its frame's length and checksum:
 *
 *     kind (u8) ‖ sequence (u64) ‖ digest (32) ‖ body
 *
 * so that a record can be indexed without decoding its body. Of those that speak of no one sequence number, a
 * view-change for instance, they are zero.
 */
import { ByteReader, ByteWriter } from '../../src/bytes.js';
import { assert } from '../../src/limits.js';
import { isWhole } from '../../src/pbft/bodies.js';
import { sameDigest } from '../../src/pbft/digests.js';
import type { Digest, SequenceNumber } from '../../src/pbft/messages.js';
import type { JournalRecord } from '../../src/pbft/ports.js';
import { type Decoding, decodeMessage, encodeMessage, encodeRecorded } from '../../src/wire/codec.js';

export const RecordKind = {
  PrePrepared: 1,
  Prepared: 2,
  Committed: 3,
  CommittedBatch: 4,
  Checkpoint: 5,
  Stable: 6,
  /** Again, in a later view: an earlier record of the same sequence number holds the batch. */
  PrePreparedAgain: 7,
  ViewChange: 8,
  NewView: 9,
  Flushed: 10,
  Recovering: 11,
  Recovered: 12,
  Incarnation: 13,
  Epoch: 14,
} as const;

/** Whether records of that kind are wanted however old they are. */
export const isTimeless = (kind: number): boolean =>
  kind === RecordKind.Checkpoint ||
  kind === RecordKind.Stable ||
  kind === RecordKind.ViewChange ||
  kind === RecordKind.NewView ||
  kind === RecordKind.Flushed ||
  kind === RecordKind.Incarnation ||
  kind === RecordKind.Recovering ||
  kind === RecordKind.Recovered ||
  kind === RecordKind.Epoch;

export interface RecordHead {
  kind: number;
  sequence: SequenceNumber;
  digest: Digest;
}

export const HEAD_BYTES = 1 + 8 + 32;
const NO_BODY = new Uint8Array(0);
const DISK_LOST = Uint8Array.of(1);
const NO_DIGEST = new Uint8Array(32);

export function recordHead(record: JournalRecord): RecordHead {
  switch (record.kind) {
    case 'pre-prepared': {
      const { sequence, digest, batch } = record;
      assert(batch === undefined || sameDigest(batch.digest, digest), 'a batch is recorded under its own digest');
      return { kind: batch === undefined ? RecordKind.PrePreparedAgain : RecordKind.PrePrepared, sequence, digest };
    }
    case 'prepared':
      return { kind: RecordKind.Prepared, sequence: record.sequence, digest: record.digest };
    case 'committed': {
      const kind = record.batch === undefined ? RecordKind.Committed : RecordKind.CommittedBatch;
      return { kind, sequence: record.sequence, digest: record.digest };
    }
    case 'checkpoint':
      return {
        kind: RecordKind.Checkpoint,
        sequence: record.checkpoint.sequence,
        digest: record.checkpoint.stateDigest,
      };
    case 'stable':
      return {
        kind: RecordKind.Stable,
        sequence: record.certificate.sequence,
        digest: record.certificate.stateDigest,
      };
    case 'flushed':
      return { kind: RecordKind.Flushed, sequence: record.certificate.sequence, digest: record.certificate.digest };
    case 'recovering':
      return { kind: RecordKind.Recovering, sequence: 0, digest: NO_DIGEST };
    case 'recovered':
      return { kind: RecordKind.Recovered, sequence: 0, digest: NO_DIGEST };
    case 'incarnation':
      return { kind: RecordKind.Incarnation, sequence: 0, digest: NO_DIGEST };
    case 'epoch':
      return { kind: RecordKind.Epoch, sequence: 0, digest: NO_DIGEST };
    case 'view-change':
      return { kind: RecordKind.ViewChange, sequence: 0, digest: NO_DIGEST };
    case 'new-view':
      return { kind: RecordKind.NewView, sequence: 0, digest: NO_DIGEST };
  }
}

/** Writes the head of a record into HEAD_BYTES of `target` at `at`. */
export function writeHead({ kind, sequence, digest }: RecordHead, target: Buffer, at: number): void {
  target[at] = kind;
  target.writeUInt32BE(Math.floor(sequence / 0x1_0000_0000), at + 1);
  target.writeUInt32BE(sequence % 0x1_0000_0000, at + 5);
  target.set(digest, at + 9);
}

/** Good until the next call. */
export function recordBody(record: JournalRecord): Uint8Array {
  switch (record.kind) {
    case 'pre-prepared': {
      const { view, sequence, batch } = record;
      if (batch === undefined) return new ByteWriter(8).u64(view).finish();
      return encodeRecorded({ kind: 'pre-prepare', view, sequence, batch });
    }
    case 'prepared':
      return new ByteWriter(8).u64(record.view).finish();
    case 'committed': {
      const { sequence, batch } = record;
      return batch === undefined ? NO_BODY : encodeRecorded({ kind: 'batch-data', sequence, batch });
    }
    case 'checkpoint':
      return encodeMessage(record.checkpoint);
    case 'stable':
    case 'flushed': {
      const { signatures } = record.certificate;
      const w = new ByteWriter(1 + signatures.length * 65).u8(signatures.length);
      for (const { replica, signature } of signatures) w.u8(replica).raw(signature);
      return w.finish();
    }
    case 'recovering':
      return record.diskLost ? DISK_LOST : NO_BODY;
    case 'recovered':
      return new ByteWriter(8).u64(record.votesFrom).finish();
    case 'epoch':
      return new ByteWriter(24).u64(record.epoch).u64(record.recoveries).u64(record.recoveredAt).finish();
    case 'view-change':
    case 'new-view':
    case 'incarnation':
      return encodeMessage(record.message);
  }
}

export function decodeHead(payload: Uint8Array): RecordHead {
  const r = new ByteReader(payload);
  return { kind: r.u8(), sequence: r.u64(), digest: Buffer.from(r.raw(32)) };
}

/** Inverse of `recordHead` and `recordBody`. The checksum held, so whatever does not decode is a fault of ours: it throws. */
export function decodeRecord(payload: Uint8Array, decoding: Decoding): JournalRecord {
  const { kind, sequence, digest } = decodeHead(payload);
  const body = payload.subarray(HEAD_BYTES);
  switch (kind) {
    case RecordKind.PrePrepared: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'pre-prepare', 'a pre-prepared record holds a pre-prepare');
      const { view, batch } = message;
      assert(sameDigest(batch.digest, digest), 'a batch reads back as it was written');
      assert(isWhole(batch), 'a pre-prepared record holds all of its requests');
      return { kind: 'pre-prepared', view, sequence, digest: batch.digest, batch };
    }
    case RecordKind.PrePreparedAgain:
      return { kind: 'pre-prepared', view: new ByteReader(body).u64(), sequence, digest };
    case RecordKind.Prepared:
      return { kind: 'prepared', view: new ByteReader(body).u64(), sequence, digest };
    case RecordKind.Committed:
      return { kind: 'committed', sequence, digest };
    case RecordKind.CommittedBatch: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'batch-data', 'a committed record holds its batch');
      return { kind: 'committed', sequence, digest, batch: message.batch };
    }
    case RecordKind.Checkpoint: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'checkpoint', 'a checkpoint record holds a checkpoint');
      return { kind: 'checkpoint', checkpoint: message };
    }
    case RecordKind.Stable:
      return { kind: 'stable', certificate: { sequence, stateDigest: digest, signatures: readSignatures(body) } };
    case RecordKind.Flushed:
      return { kind: 'flushed', certificate: { sequence, digest, signatures: readSignatures(body) } };
    case RecordKind.Recovering:
      return { kind: 'recovering', diskLost: body.length > 0 };
    case RecordKind.Recovered:
      return { kind: 'recovered', votesFrom: new ByteReader(body).u64() };
    case RecordKind.Epoch: {
      const r = new ByteReader(body);
      return { kind: 'epoch', epoch: r.u64(), recoveries: r.u64(), recoveredAt: r.u64() };
    }
    case RecordKind.ViewChange: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'view-change', 'a view-change record holds a view-change');
      return { kind: 'view-change', message };
    }
    case RecordKind.NewView: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'new-view', 'a new-view record holds a new-view');
      return { kind: 'new-view', message };
    }
    case RecordKind.Incarnation: {
      const message = decodeMessage(body, decoding);
      assert(message.kind === 'new-incarnation', 'an incarnation record holds a new-incarnation');
      return { kind: 'incarnation', message };
    }
    default:
      throw new Error(`journal record of kind ${kind}`);
  }
}

function readSignatures(body: Uint8Array): { replica: number; signature: Uint8Array }[] {
  const r = new ByteReader(body);
  return Array.from({ length: r.u8() }, () => ({ replica: r.u8(), signature: Buffer.from(r.raw(64)) }));
}
