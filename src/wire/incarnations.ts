/** The messages by which an incarnation ends and the next begins (group-recovery.ts). */
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { Limits } from '../limits.js';
import type { Forgotten, NewIncarnation, Numbered, StartReport } from '../pbft/messages.js';
import { readCheckpointCertificate, readFlushCertificate } from './certificates.js';
import { WireError } from './errors.js';
import { digest, field, integer, refuseMoreFields } from './fields.js';
import { Reader, Writer } from './protobuf.js';
import { schema, type WireBatchName } from './schema.js';

const NOTHING = new Uint8Array(0);

/** Upper bounds of encoded sizes. */
export const reportBytes = ({ certificate, flushed, checkpoints, ordered }: StartReport): number =>
  256 +
  80 * ((certificate?.signatures.length ?? 0) + (flushed?.signatures.length ?? 0)) +
  56 * (checkpoints.length + ordered.length);

const forgottenBytes = ({ heard }: Forgotten): number => 128 + 10 * heard.length;

export const newIncarnationBytes = ({ forgotten, report }: NewIncarnation): number =>
  forgotten.reduce((sum, each) => sum + forgottenBytes(each), 64) + (report === undefined ? 0 : reportBytes(report));

function encoded(bytes: number, write: (w: Writer) => void): Uint8Array {
  const writer = Writer.create();
  writer.buf = Buffer.allocUnsafe(bytes);
  write(writer);
  return writer.finish(true);
}

export function encodeReport(report: StartReport): Uint8Array {
  const { certificate, flushed } = report;
  const wire = {
    ...report,
    certificate: certificate ? schema.CheckpointCertificate.encode(certificate, Writer.create()).finish(true) : NOTHING,
    flushed: flushed ? schema.FlushCertificate.encode(flushed, Writer.create()).finish(true) : NOTHING,
  };
  return encoded(reportBytes(report), (w) => schema.StartReport.encode(wire, w));
}

/**
 * @param n number of replicas
 * @throws WireError, or what protobufjs throws for bytes that are no encoding
 */
export function decodeReport(bytes: Uint8Array, n: number): StartReport {
  const r = Reader.create(bytes);
  refuseMoreFields(r, 5 + Limits.reportedCheckpoints + Limits.reportedBatches);
  const m = schema.StartReport.decode(r);
  if (m.replica >= n) throw new WireError('out-of-range', `report of replica ${m.replica}`);
  return {
    replica: m.replica,
    incarnation: integer(m.incarnation),
    certificate: m.certificate.length === 0 ? undefined : readCheckpointCertificate(Reader.create(m.certificate), n),
    flushed: m.flushed.length === 0 ? undefined : readFlushCertificate(Reader.create(m.flushed), n),
    checkpoints: readNumbered(m.checkpoints, Limits.reportedCheckpoints),
    ordered: readNumbered(m.ordered, Limits.reportedBatches),
    signature: field(m.signature, SIGNATURE_BYTES),
  };
}

/** In the order of their numbers, none twice. */
function readNumbered(list: readonly WireBatchName[], most: number): Numbered[] {
  if (list.length > most) throw new WireError('too-many', `${list.length} digests where at most ${most} may be`);
  let last = -1;
  return list.map((m) => {
    const sequence = integer(m.sequence);
    if (sequence <= last) throw new WireError('out-of-order', `${sequence} after ${last}`);
    last = sequence;
    return { sequence, digest: digest(m.digest) };
  });
}

export function writeForgotten(message: Forgotten, w: Writer): void {
  schema.Forgotten.encode(message, w);
}

/** Reads to the end of `r`; as `decodeReport`. */
export function readForgotten(r: Reader, n: number): Forgotten {
  // Packed or not.
  refuseMoreFields(r, 4 + n);
  const m = schema.Forgotten.decode(r);
  if (m.replica >= n) throw new WireError('out-of-range', `claim of replica ${m.replica}`);
  if (m.heard.length !== n) throw new WireError('wrong-length', `${m.heard.length} lives of ${n} replicas`);
  return {
    kind: 'forgotten',
    replica: m.replica,
    incarnation: integer(m.incarnation),
    life: integer(m.life),
    heard: m.heard.map(integer),
    signature: field(m.signature, SIGNATURE_BYTES),
  };
}

export function writeNewIncarnation({ incarnation, forgotten, report }: NewIncarnation, w: Writer): void {
  const claims = forgotten.map((each) => encoded(forgottenBytes(each), (writer) => writeForgotten(each, writer)));
  schema.NewIncarnation.encode({ incarnation, forgotten: claims, report: report ? encodeReport(report) : NOTHING }, w);
}

/** Reads to the end of `r`; as `decodeReport`. */
export function readNewIncarnation(r: Reader, n: number): NewIncarnation {
  refuseMoreFields(r, 2 + n);
  const m = schema.NewIncarnation.decode(r);
  if (m.forgotten.length > n) throw new WireError('too-many', `${m.forgotten.length} claims of ${n} replicas`);
  return {
    kind: 'new-incarnation',
    incarnation: integer(m.incarnation),
    forgotten: m.forgotten.map((bytes) => readForgotten(Reader.create(bytes), n)),
    report: m.report.length === 0 ? undefined : decodeReport(m.report, n),
  };
}
