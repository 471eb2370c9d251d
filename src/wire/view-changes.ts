/** The messages by which a view ends and the next begins: as strict as what they state in messages.ts. */
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { Limits } from '../limits.js';
import { sameDigest } from '../pbft/digests.js';
import { incarnationOf, startOf } from '../pbft/incarnation.js';
import type { NewView, OrderedBatch, SequenceNumber, View, ViewChange } from '../pbft/messages.js';
import { readCheckpointCertificate } from './certificates.js';
import { WireError } from './errors.js';
import { digest, field, integer, refuseMoreFields } from './fields.js';
import { Reader, Writer } from './protobuf.js';
import { schema, type WireVote } from './schema.js';

/** Batches that P, and that Q, names at one sequence number. */
const PREPARED_PER_NUMBER = 1;

const NO_CERTIFICATE = new Uint8Array(0);

/** Upper bounds of encoded sizes. */
export const viewChangeBytes = ({ certificate, prepared, prePrepared }: ViewChange): number =>
  192 + 80 * (certificate?.signatures.length ?? 0) + 64 * (prepared.length + prePrepared.length);

export const newViewBytes = ({ viewChanges }: NewView): number =>
  viewChanges.reduce((sum, viewChange) => sum + viewChangeBytes(viewChange), 128);

export function writeViewChange(message: ViewChange, w: Writer): void {
  const { certificate, view, replica, prepared, prePrepared, signature } = message;
  const encoded = certificate
    ? schema.CheckpointCertificate.encode(certificate, Writer.create()).finish(true)
    : NO_CERTIFICATE;
  schema.ViewChange.encode({ view, replica, certificate: encoded, prepared, prePrepared, signature }, w);
}

export function writeNewView({ view, viewChanges, signature }: NewView, w: Writer): void {
  const encoded = viewChanges.map((message) => {
    const writer = Writer.create();
    writer.buf = Buffer.allocUnsafe(viewChangeBytes(message));
    writeViewChange(message, writer);
    return writer.finish(true);
  });
  schema.NewView.encode({ view, viewChanges: encoded, signature }, w);
}

/**
 * Reads to the end of `r`.
 * @param n number of replicas
 * @throws WireError, or what protobufjs throws for bytes that are no encoding
 */
export function readViewChange(r: Reader, n: number): ViewChange {
  refuseMoreFields(r, 4 + (PREPARED_PER_NUMBER + Limits.prePreparedPerNumber) * Limits.logSize);
  const m = schema.ViewChange.decode(r);
  const view = viewAbove0(m.view);
  if (m.replica >= n) throw new WireError('out-of-range', `view-change of replica ${m.replica}`);
  const certificate =
    m.certificate.length === 0 ? undefined : readCheckpointCertificate(Reader.create(m.certificate), n);
  const low = certificate?.sequence ?? startOf(incarnationOf(view));
  return {
    kind: 'view-change',
    view,
    replica: m.replica,
    certificate,
    prepared: readOrderedBatches(m.prepared, PREPARED_PER_NUMBER, low, view),
    prePrepared: readOrderedBatches(m.prePrepared, Limits.prePreparedPerNumber, low, view),
    signature: field(m.signature, SIGNATURE_BYTES),
  };
}

/** As `readViewChange`. */
export function readNewView(r: Reader, n: number): NewView {
  refuseMoreFields(r, 2 + n);
  const m = schema.NewView.decode(r);
  const view = viewAbove0(m.view);
  const count = m.viewChanges.length;
  if (count === 0) throw new WireError('out-of-range', 'a new-view without view-changes');
  if (count > n) throw new WireError('too-many', `${count} view-changes of ${n} replicas`);
  const viewChanges: ViewChange[] = [];
  let last = -1;
  for (const bytes of m.viewChanges) {
    const viewChange = readViewChange(Reader.create(bytes), n);
    if (viewChange.view !== view) throw new WireError('out-of-range', `view ${viewChange.view} in view ${view}`);
    if (viewChange.replica <= last) throw new WireError('out-of-order', 'view-changes not in order of their senders');
    last = viewChange.replica;
    viewChanges.push(viewChange);
  }
  return { kind: 'new-view', view, viewChanges, signature: field(m.signature, SIGNATURE_BYTES) };
}

/** View 0 is where all begin: none asks for it. */
function viewAbove0(value: number): View {
  if (value === 0) throw new WireError('out-of-range', 'a change to view 0');
  return integer(value);
}

/** P or Q: within the water marks above `low`, below `view`, at most `perNumber` different ones a sequence number. */
function readOrderedBatches(
  batches: readonly WireVote[],
  perNumber: number,
  low: SequenceNumber,
  view: View,
): OrderedBatch[] {
  if (batches.length > perNumber * Limits.logSize) throw new WireError('too-many', `${batches.length} ordered batches`);
  const read: OrderedBatch[] = [];
  for (const m of batches) {
    const each: OrderedBatch = { sequence: integer(m.sequence), digest: digest(m.digest), view: integer(m.view) };
    const { sequence } = each;
    if (sequence <= low || sequence > low + Limits.logSize) {
      throw new WireError('out-of-range', `sequence number ${sequence} above a checkpoint at ${low}`);
    }
    if (each.view >= view) throw new WireError('out-of-range', `view ${each.view} before view ${view}`);
    refuseMisplaced(each, read, perNumber);
    read.push(each);
  }
  return read;
}

/** That no more than two share a number is what makes the neighbour the only one it can repeat. */
function refuseMisplaced({ sequence, digest }: OrderedBatch, before: readonly OrderedBatch[], perNumber: number): void {
  const last = before.at(-1);
  if (last === undefined || last.sequence < sequence) return;
  if (last.sequence > sequence) throw new WireError('out-of-order', `${sequence} after ${last.sequence}`);
  if (before.at(-perNumber)?.sequence === sequence) {
    throw new WireError('too-many', `more than ${perNumber} batches at ${sequence}`);
  }
  if (sameDigest(last.digest, digest)) throw new WireError('out-of-order', `the same batch twice at ${sequence}`);
}
