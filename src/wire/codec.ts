/**
 * A message on the wire: one byte of type, then its protobuf encoding (messages.proto). Decoding is strict: what comes
 * out has the lengths and ranges that messages.ts states, and digests are computed from the content, never believed.
 */

import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { MAC_BYTES } from '../crypto/macs.js';
import type { Signables } from '../crypto/signables.js';
import { BrokenInvariant, Limits } from '../limits.js';
import { isLarge } from '../pbft/bodies.js';
import {
  type Batch,
  type BatchData,
  type Message,
  type PrePrepare,
  type ProposedBatch,
  type Reply,
  ReplyStatus,
  type Request,
  type RequestName,
} from '../pbft/messages.js';
import { readFlushCertificate } from './certificates.js';
import { WireError } from './errors.js';
import { bounded, detached, digest, field, integer, refuseMoreFields } from './fields.js';
import {
  decodeReport,
  encodeReport,
  newIncarnationBytes,
  readForgotten,
  readNewIncarnation,
  reportBytes,
  writeForgotten,
  writeNewIncarnation,
} from './incarnations.js';
import { Reader, Writer } from './protobuf.js';
import { decodeRequestBody } from './request-body.js';
import { schema, type WireBatchData, type WireProposedRequest, type WireRequest } from './schema.js';
import {
  newViewBytes,
  readNewView,
  readViewChange,
  viewChangeBytes,
  writeNewView,
  writeViewChange,
} from './view-changes.js';

/** What decoding needs to know of the cluster. */
export interface Decoding {
  /** Number of replicas. */
  n: number;
  signables: Signables;
}

/** On the wire a kind is its number; part of the format, so numbers are never given twice. */
const TYPE = {
  request: 1,
  'pre-prepare': 2,
  prepare: 3,
  commit: 4,
  reply: 5,
  checkpoint: 6,
  status: 7,
  committed: 8,
  'fetch-batch': 9,
  'batch-data': 10,
  attach: 11,
  inspect: 12,
  inspection: 13,
  'view-change': 14,
  'new-view': 15,
  'fetch-state': 17,
  'state-data': 18,
  flushed: 16,
  'flushed-certificate': 19,
  'query-stable': 20,
  'reply-stable': 21,
  forgotten: 22,
  'new-incarnation': 23,
  revoked: 24,
} as const satisfies Record<Message['kind'], number>;

const KINDS: (Message['kind'] | undefined)[] = [];
for (const [kind, type] of Object.entries(TYPE)) KINDS[type] = kind as Message['kind'];

/** Votes and the like are as good as always smaller: encoded in one reused buffer, and copied out at their size. */
const SMALL_BYTES = 1024;
const scratch = Writer.create();
scratch.buf = Buffer.allocUnsafe(4 * SMALL_BYTES);

/**
 * A pre-prepare is journaled as well as sent, or as received, unless requests are only named in it: its bytes are
 * remembered with its batch. They decode to the same message however its primary encoded it.
 */
const encodedPrePrepares = new WeakMap<ProposedBatch, { view: number; sequence: number; bytes: Buffer }>();

/** The bytes of a message, not to be changed: they may be those it came in. */
export function encodeMessage(message: Message): Buffer {
  if (message.kind !== 'pre-prepare') return encode(message);
  const { view, sequence, batch } = message;
  const known = encodedPrePrepares.get(batch);
  if (known !== undefined && known.view === view && known.sequence === sequence) return known.bytes;
  const bytes = encode(message);
  encodedPrePrepares.set(batch, { view, sequence, bytes });
  return bytes;
}

/** For the journal alone: good until the next call. */
export function encodeRecorded(message: PrePrepare | BatchData): Uint8Array {
  const { batch } = message;
  // What is that large is named to other replicas, or is here as it came.
  if (!batch.requests.some((each) => each.kind === 'request' && isLarge(each)) || encodedPrePrepares.has(batch)) {
    return encodeMessage(message);
  }
  const size = sizeHint(message);
  if (size > recorded.length) recorded = Buffer.allocUnsafeSlow(size);
  return encodeInto(recorded, message);
}

let recorded = Buffer.alloc(0);

function encodeInto(buffer: Buffer, message: Message): Buffer {
  const writer = Writer.create();
  writer.buf = buffer;
  write(message, writer);
  return writer.finish(true) as Buffer;
}

function encode(message: Message): Buffer {
  const size = sizeHint(message);
  if (size > SMALL_BYTES) return encodeInto(Buffer.allocUnsafe(size), message);
  scratch.pos = 0;
  scratch.view = null;
  write(message, scratch);
  return scratch.finish() as Buffer;
}

/** Upper bound of the encoded size; exactness saves only copies. */
function sizeHint(message: Message): number {
  switch (message.kind) {
    case 'request':
      return requestBytes(message) + 16;
    case 'pre-prepare':
    case 'batch-data':
      return batchBytes(message.batch);
    case 'reply':
      return (message.result?.length ?? 0) + 128;
    case 'status':
      return 64 + 20 * message.missing.length;
    case 'inspection':
      return 3 * message.json.length + 16;
    case 'view-change':
      return viewChangeBytes(message);
    case 'new-view':
      return newViewBytes(message);
    case 'fetch-state':
      return message.query.length + 32;
    case 'state-data':
      return (message.answer?.length ?? 0) + 32;
    case 'new-incarnation':
      return newIncarnationBytes(message);
    case 'flushed-certificate':
      return 64 + 80 * message.certificate.signatures.length;
    default:
      return 256;
  }
}

const batchBytes = ({ requests, reports = [] }: ProposedBatch): number =>
  requests.reduce((sum, request) => sum + requestBytes(request), 64) +
  reports.reduce((sum, report) => sum + 8 + reportBytes(report), 0);

const requestBytes = (request: Request | RequestName): number =>
  request.kind === 'name'
    ? request.digest.length + 8
    : request.body.length + request.authenticator.length + request.signature.length + 32;

function write(message: Message, w: Writer): void {
  w.uint32(TYPE[message.kind]);
  switch (message.kind) {
    case 'request':
      schema.Request.encode(message, w);
      break;
    case 'pre-prepare': {
      const { time, requests } = message.batch;
      const { view, sequence } = message;
      const proposed = requests.map((each) => (each.kind === 'name' ? { name: each.digest } : each));
      const { seconds, nanoseconds } = time;
      const reports = message.batch.reports?.map(encodeReport) ?? [];
      schema.PrePrepare.encode({ view, sequence, seconds, nanoseconds, requests: proposed, reports }, w);
      break;
    }
    case 'prepare':
    case 'commit':
      schema.Vote.encode(message, w);
      break;
    case 'reply':
      schema.Reply.encode(message, w);
      break;
    case 'checkpoint':
      schema.Checkpoint.encode(message, w);
      break;
    case 'status':
      schema.Status.encode(message, w);
      break;
    case 'committed':
    case 'fetch-batch':
      schema.BatchName.encode(message, w);
      break;
    case 'batch-data': {
      const { time, requests } = message.batch;
      const { sequence } = message;
      const { seconds, nanoseconds } = time;
      const reports = message.batch.reports?.map(encodeReport) ?? [];
      schema.BatchData.encode({ sequence, seconds, nanoseconds, requests, reports }, w);
      break;
    }
    case 'attach':
      schema.Attach.encode(message, w);
      break;
    case 'inspect':
      schema.Inspect.encode(message, w);
      break;
    case 'inspection':
      schema.Inspection.encode(message, w);
      break;
    case 'revoked':
      schema.Revoked.encode(message, w);
      break;
    case 'view-change':
      writeViewChange(message, w);
      break;
    case 'new-view':
      writeNewView(message, w);
      break;
    case 'fetch-state':
      schema.FetchState.encode(message, w);
      break;
    case 'state-data':
      schema.StateData.encode(message, w);
      break;
    case 'flushed':
      schema.Flushed.encode(message, w);
      break;
    case 'flushed-certificate':
      schema.FlushCertificate.encode(message.certificate, w);
      break;
    case 'query-stable':
      schema.QueryStable.encode(message, w);
      break;
    case 'reply-stable':
      schema.ReplyStable.encode(message, w);
      break;
    case 'forgotten':
      writeForgotten(message, w);
      break;
    case 'new-incarnation':
      writeNewIncarnation(message, w);
      break;
  }
}

/**
 * Strict inverse of `encodeMessage`. Byte fields are copies, or views of `bytes` where they are most of it: the caller
 * gives the buffer away, and holding a field never holds more than twice its size (traps 17 and 19).
 * @throws WireError
 */
export function decodeMessage(bytes: Uint8Array, decoding: Decoding): Message {
  if (bytes.length === 0) throw new WireError('malformed', 'an empty message');
  const kind = KINDS[bytes[0]];
  if (kind === undefined) throw new WireError('unknown-type', `message type ${bytes[0]}`);
  const reader = Reader.create(bytes);
  reader.pos = 1;
  try {
    const message = read(kind, reader, decoding);
    if (message.kind === 'pre-prepare') {
      const { view, sequence, batch } = message;
      encodedPrePrepares.set(batch, { view, sequence, bytes: asBuffer(bytes) });
    }
    return message;
  } catch (error) {
    if (error instanceof WireError || error instanceof BrokenInvariant) throw error;
    // What protobufjs throws for bytes that are no encoding.
    throw new WireError('malformed', `${kind}: ${(error as Error).message}`);
  }
}

function read(kind: Message['kind'], r: Reader, decoding: Decoding): Message {
  switch (kind) {
    case 'request':
      return readRequest(schema.Request.decode(r), decoding);
    case 'pre-prepare': {
      refuseMoreFields(r, 4 + Limits.batchRequests + decoding.n);
      const m = schema.PrePrepare.decode(r);
      const batch = readBatch(m, (request) => readProposed(request, decoding), decoding);
      return { kind, view: integer(m.view), sequence: integer(m.sequence), batch };
    }
    case 'prepare':
    case 'commit': {
      const m = schema.Vote.decode(r);
      return { kind, view: integer(m.view), sequence: integer(m.sequence), digest: digest(m.digest) };
    }
    case 'reply':
      return readReply(r);
    case 'checkpoint': {
      const m = schema.Checkpoint.decode(r);
      if (m.replica >= decoding.n) throw new WireError('out-of-range', `checkpoint of replica ${m.replica}`);
      return {
        kind,
        sequence: integer(m.sequence),
        stateDigest: digest(m.stateDigest),
        replica: m.replica,
        signature: field(m.signature, SIGNATURE_BYTES),
      };
    }
    case 'status': {
      refuseMoreFields(r, 9 + Limits.statusEntries);
      const m = schema.Status.decode(r);
      if (m.viewChanges >= 2 ** decoding.n) throw new WireError('out-of-range', `view-changes ${m.viewChanges}`);
      return {
        kind,
        view: integer(m.view),
        active: m.active,
        dissatisfied: m.dissatisfied,
        viewChanges: m.viewChanges,
        lastStable: integer(m.lastStable),
        lastExecuted: integer(m.lastExecuted),
        lastFlushed: integer(m.lastFlushed),
        recovering: m.recovering,
        awaited: integer(m.awaited),
        missing: m.missing.map(({ sequence, batch, prepared }) => ({ sequence: integer(sequence), batch, prepared })),
      };
    }
    case 'committed':
    case 'fetch-batch': {
      const m = schema.BatchName.decode(r);
      return { kind, sequence: integer(m.sequence), digest: digest(m.digest) };
    }
    case 'batch-data': {
      refuseMoreFields(r, 3 + Limits.batchRequests + decoding.n);
      const m = schema.BatchData.decode(r);
      const batch = readBatch(m, (request) => readOrdered(request, decoding), decoding);
      return { kind, sequence: integer(m.sequence), batch };
    }
    case 'attach':
      return { kind, instance: integer(schema.Attach.decode(r).instance) };
    case 'inspect':
      return { kind, scrub: schema.Inspect.decode(r).scrub };
    case 'inspection':
      return { kind, json: schema.Inspection.decode(r).json };
    case 'revoked':
      schema.Revoked.decode(r);
      return { kind };
    case 'view-change':
      return readViewChange(r, decoding.n);
    case 'new-view':
      return readNewView(r, decoding.n);
    case 'fetch-state': {
      const m = schema.FetchState.decode(r);
      return { kind, number: integer(m.number), query: bounded(m.query, Limits.stateQueryBytes) };
    }
    case 'state-data': {
      const m = schema.StateData.decode(r);
      const number = integer(m.number);
      return m.answer == null ? { kind, number } : { kind, number, answer: bounded(m.answer, Limits.stateAnswerBytes) };
    }
    case 'flushed': {
      const m = schema.Flushed.decode(r);
      const signature = field(m.signature, SIGNATURE_BYTES);
      return { kind, sequence: integer(m.sequence), digest: digest(m.digest), signature };
    }
    case 'flushed-certificate':
      return { kind, certificate: readFlushCertificate(r, decoding.n) };
    case 'query-stable':
      return { kind, life: integer(schema.QueryStable.decode(r).life) };
    case 'reply-stable': {
      const m = schema.ReplyStable.decode(r);
      const { life, lastCheckpoint, lastPrepared, view } = m;
      return {
        kind,
        life: integer(life),
        lastCheckpoint: integer(lastCheckpoint),
        lastPrepared: integer(lastPrepared),
        view: integer(view),
      };
    }
    case 'forgotten':
      return readForgotten(r, decoding.n);
    case 'new-incarnation':
      return readNewIncarnation(r, decoding.n);
  }
}

function readRequest(m: WireRequest, decoding: Decoding): Request {
  const signed = m.signature.length !== 0;
  if (signed && m.signature.length !== SIGNATURE_BYTES) {
    throw new WireError('wrong-length', `a signature of ${m.signature.length} bytes`);
  }
  const body = detached(m.body);
  const { session, readOnly, replier, calls } = decodeRequestBody(body, decoding.n);
  if (readOnly && signed) throw new WireError('wrong-length', 'a read-only request with a signature');
  return {
    kind: 'request',
    session,
    readOnly,
    replier,
    calls,
    body,
    digest: decoding.signables.request(body),
    authenticator: field(m.authenticator, decoding.n * MAC_BYTES),
    signature: detached(m.signature),
  };
}

/** A request in a batch, where read-only ones have no place. */
function readOrdered(m: WireRequest, decoding: Decoding): Request {
  const request = readRequest(m, decoding);
  if (request.readOnly) throw new WireError('out-of-range', 'a read-only request in a batch');
  return request;
}

function readProposed(m: Required<WireProposedRequest>, decoding: Decoding): Request | RequestName {
  if (m.name.length === 0) return readOrdered(m, decoding);
  if (m.body.length + m.authenticator.length + m.signature.length > 0) {
    throw new WireError('malformed', 'a request that is there and named');
  }
  return { kind: 'name', digest: digest(m.name) };
}

function readBatch<Wire, Each extends Request | RequestName>(
  m: Omit<WireBatchData, 'requests'> & { requests: Wire[] },
  readEach: (request: Wire) => Each,
  decoding: Decoding,
): Omit<Batch, 'requests'> & { requests: Each[] } {
  if (m.reports.length > decoding.n) throw new WireError('too-many', `${m.reports.length} reports`);
  const time = { seconds: integer(m.seconds), nanoseconds: m.nanoseconds };
  if (time.nanoseconds >= 1_000_000_000) throw new WireError('out-of-range', `${time.nanoseconds} nanoseconds`);
  if (m.requests.length > Limits.batchRequests) throw new WireError('too-many', `${m.requests.length} requests`);
  const requests = m.requests.map(readEach);
  const digests = requests.map((request) => request.digest);
  if (m.reports.length === 0) return { time, requests, digest: decoding.signables.batch(time, digests) };
  const reports = m.reports.map((bytes) => decodeReport(bytes, decoding.n));
  for (const report of reports) digests.push(decoding.signables.report(report));
  return { time, requests, reports, digest: decoding.signables.batch(time, digests) };
}

function readReply(r: Reader): Reply {
  const m = schema.Reply.decode(r);
  const reply: Reply = {
    kind: 'reply',
    view: integer(m.view),
    tentative: m.tentative,
    instance: integer(m.instance),
    slot: m.slot,
    sequence: integer(m.sequence),
    status: m.status,
  };
  if (reply.slot > 0xffff) throw new WireError('out-of-range', `slot ${reply.slot}`);
  if (reply.status > ReplyStatus.StaleInstance) throw new WireError('out-of-range', `reply status ${reply.status}`);
  if (m.result != null) {
    reply.result = bounded(m.result, Limits.operationBytes);
  } else if (m.resultDigest != null) reply.resultDigest = digest(m.resultDigest);
  return reply;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
