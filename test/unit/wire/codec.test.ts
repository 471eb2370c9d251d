import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Signables } from '../../../src/crypto/signables.js';
import { Limits } from '../../../src/limits.js';
import { withNames } from '../../../src/pbft/bodies.js';
import type { Batch, Message, Request, StartReport } from '../../../src/pbft/messages.js';
import { CallKind, READ_ONLY_SLOT } from '../../../src/pbft/messages.js';
import { type Decoding, decodeMessage, encodeMessage } from '../../../src/wire/codec.js';
import { WireError } from '../../../src/wire/errors.js';
import { Writer } from '../../../src/wire/protobuf.js';
import { encodeRequestBody } from '../../../src/wire/request-body.js';
import { schema } from '../../../src/wire/schema.js';

const signables = new Signables(Buffer.alloc(32, 7));
const decoding: Decoding = { n: 4, signables };
const digest = (byte: number): Uint8Array => Buffer.alloc(32, byte);

function request(operation: Uint8Array = Buffer.from('operation'), readOnly = false): Request {
  const content = {
    session: { client: 3, instance: 2 ** 53 - 1 },
    readOnly,
    replier: 2,
    calls: [{ kind: CallKind.Service, slot: readOnly ? READ_ONLY_SLOT : 5, sequence: 9, operation }],
  };
  const body = encodeRequestBody(content);
  const signature = Buffer.alloc(readOnly ? 0 : 64, 8);
  return {
    kind: 'request',
    ...content,
    body,
    digest: signables.request(body),
    authenticator: Buffer.alloc(64, 3),
    signature,
  };
}

function batch(requests: Request[]): Batch {
  const time = { seconds: 1_700_000_000, nanoseconds: 999_999_999 };
  const digests = requests.map((r) => r.digest);
  return { time, requests, digest: signables.batch(time, digests) };
}

const signature = (byte: number): Uint8Array => Buffer.alloc(64, byte);

/** With or without certificates, and so many batches. */
function report(replica: number, batches = 0): StartReport {
  const signatures = [0, 1, 3].map((replica) => ({ replica, signature: signature(replica) }));
  return {
    replica,
    incarnation: 1,
    certificate: batches > 0 ? { sequence: 128, stateDigest: digest(1), signatures } : undefined,
    flushed: batches > 0 ? { sequence: 130, digest: digest(2), signatures } : undefined,
    checkpoints: batches > 0 ? [{ sequence: 256, digest: digest(3) }] : [],
    ordered: Array.from({ length: batches }, (_, i) => ({ sequence: 129 + i, digest: digest(i % 256) })),
    signature: signature(replica),
  };
}

function withReports(reports: StartReport[]): Batch {
  const time = { seconds: 1, nanoseconds: 0 };
  const digests = reports.map((each) => signables.report(each));
  return { time, requests: [], reports, digest: signables.batch(time, digests) };
}

const isLong = (each: Request): boolean => each.body.length > 1000;

const SAMPLES: Message[] = [
  request(),
  request(Buffer.alloc(100_000, 1), true),
  { kind: 'pre-prepare', view: 0, sequence: 1, batch: batch([]) },
  {
    kind: 'pre-prepare',
    view: 2 ** 53 - 1,
    sequence: 2 ** 53 - 1,
    batch: batch([request(), request(Buffer.alloc(70_000))]),
  },
  {
    kind: 'pre-prepare',
    view: 7,
    sequence: 8,
    batch: withNames(batch([request(), request(Buffer.alloc(9_000))]), isLong),
  },
  { kind: 'prepare', view: 1, sequence: 2 ** 32, digest: digest(1) },
  { kind: 'commit', view: 0, sequence: 0, digest: digest(0) },
  {
    kind: 'reply',
    view: 4,
    tentative: false,
    instance: 77,
    slot: 0xffff,
    sequence: 5,
    status: 0,
    result: Buffer.alloc(0),
  },
  {
    kind: 'reply',
    view: 4,
    tentative: true,
    instance: 77,
    slot: 1,
    sequence: 5,
    status: 0,
    result: Buffer.alloc(1024 * 1024),
  },
  { kind: 'reply', view: 4, tentative: false, instance: 77, slot: 1, sequence: 5, status: 0, resultDigest: digest(9) },
  { kind: 'reply', view: 0, tentative: true, instance: 0, slot: 0, sequence: 0, status: 5 },
  { kind: 'fetch-state', number: 2 ** 53 - 1, query: Buffer.alloc(Limits.stateQueryBytes, 1) },
  { kind: 'state-data', number: 0 },
  { kind: 'state-data', number: 7, answer: Buffer.alloc(0) },
  { kind: 'state-data', number: 8, answer: Buffer.alloc(Limits.stateAnswerBytes, 9) },
  { kind: 'checkpoint', sequence: 128, stateDigest: digest(4), replica: 3, signature: Buffer.alloc(64, 1) },
  {
    kind: 'status',
    view: 1,
    active: true,
    dissatisfied: false,
    viewChanges: 0,
    lastStable: 0,
    lastExecuted: 5,
    lastFlushed: 0,
    recovering: false,
    awaited: 0,
    missing: [],
  },
  {
    kind: 'status',
    view: 1,
    active: false,
    dissatisfied: true,
    viewChanges: 0b1111,
    lastStable: 128,
    lastExecuted: 130,
    lastFlushed: 0,
    recovering: false,
    awaited: 0,
    missing: [
      { sequence: 131, batch: true, prepared: false },
      { sequence: 132, batch: false, prepared: true },
    ],
  },
  { kind: 'flushed', sequence: 2 ** 53 - 1, digest: digest(5), signature: Buffer.alloc(64, 2) },
  {
    kind: 'flushed-certificate',
    certificate: {
      sequence: 1,
      digest: digest(5),
      signatures: [0, 2, 3].map((replica) => ({ replica, signature: Buffer.alloc(64, replica) })),
    },
  },
  {
    kind: 'forgotten',
    replica: 3,
    incarnation: 0,
    life: 2 ** 48,
    heard: [1, 0, 2 ** 53 - 1, 0],
    signature: signature(1),
  },
  { kind: 'new-incarnation', incarnation: 8191, forgotten: [], report: undefined },
  {
    kind: 'new-incarnation',
    incarnation: 1,
    forgotten: [0, 2].map((replica) => ({
      ...{ kind: 'forgotten', replica, incarnation: 0, life: 5, heard: [5, 0, 5, 0], signature: signature(replica) },
    })),
    report: report(2),
  },
  {
    kind: 'pre-prepare',
    view: 10 ** 12,
    sequence: 10 ** 12 + 1,
    batch: withReports([report(0, 3), report(2), report(3, Limits.reportedBatches)]),
  },
  { kind: 'batch-data', sequence: 10 ** 12 + 1, batch: withReports([report(1), report(2), report(3)]) },
  { kind: 'query-stable', life: 2 ** 48 },
  { kind: 'reply-stable', life: 2 ** 48, lastCheckpoint: 128, lastPrepared: 140, view: 3 },
  { kind: 'committed', sequence: 6, digest: digest(6) },
  { kind: 'fetch-batch', sequence: 6, digest: digest(6) },
  { kind: 'batch-data', sequence: 6, batch: batch([request()]) },
  { kind: 'attach', instance: 123 },
  { kind: 'inspect', scrub: false },
  { kind: 'inspect', scrub: true },
  { kind: 'revoked' },
  { kind: 'inspection', json: '{"id":0,"state":"naïve"}' },
];

/** Plain arrays and numbers: neither Buffer nor Uint8Array, neither a generated class nor an object literal. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, v) => (v?.type === 'Buffer' ? v.data : v instanceof Uint8Array ? [...v] : v)));

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('encodeMessage and decodeMessage', () => {
  it.each(SAMPLES.map((message, i) => [`${i} ${message.kind}`, message] as const))('round trip: %s', (_, message) => {
    expect(plain(decodeMessage(encodeMessage(message), decoding))).toEqual(plain(message));
  });

  it('spends no byte on what is seldom: a reply that is not tentative', () => {
    const reply = SAMPLES.find((m) => m.kind === 'reply')!;
    const tentative = encodeMessage({ ...reply, tentative: true } as Message);
    expect(encodeMessage({ ...reply, tentative: false } as Message).length).toBe(tentative.length - 2);
  });

  it('never throws anything but WireError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 17 }), (bytes, type) => {
        refusal(() => decodeMessage(Buffer.from([type, ...bytes]), decoding));
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('survives every single-byte change and every truncation of a pre-prepare', () => {
    const bytes = encodeMessage({ kind: 'pre-prepare', view: 1, sequence: 2, batch: batch([request(), request()]) });
    for (let i = 0; i < bytes.length; i++) {
      for (const bit of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(bytes);
        changed[i] ^= bit;
        refusal(() => decodeMessage(changed, decoding));
      }
      expect(refusal(() => decodeMessage(bytes.subarray(0, i), decoding))).not.toBe('unknown-type');
    }
  });
});

describe('decodeMessage refuses', () => {
  const raw = (type: number, fill: (w: Writer) => void): Buffer => {
    const w = Writer.create().uint32(type) as Writer;
    fill(w);
    return Buffer.from(w.finish());
  };
  const refused = (bytes: Uint8Array): string => refusal(() => decodeMessage(bytes, decoding));

  it('an empty message and unknown types', () => {
    expect(refused(Buffer.alloc(0))).toBe('malformed');
    expect(refused(Buffer.from([0]))).toBe('unknown-type');
    expect(refused(Buffer.from([99]))).toBe('unknown-type');
    expect(refused(Buffer.from([255]))).toBe('unknown-type');
  });

  it('digests, signatures and authenticators of another length', () => {
    expect(refused(raw(3, (w) => schema.Vote.encode({ view: 1, sequence: 1, digest: Buffer.alloc(31) }, w)))).toBe(
      'wrong-length',
    );
    expect(refused(raw(3, (w) => schema.Vote.encode({ view: 1, sequence: 1, digest: Buffer.alloc(0) }, w)))).toBe(
      'wrong-length',
    );
    expect(refused(encodeMessage({ ...request(), signature: Buffer.alloc(63) }))).toBe('wrong-length');
    expect(refused(encodeMessage({ ...request(Buffer.alloc(1), true), signature: Buffer.alloc(64) }))).toBe(
      'wrong-length',
    );
    expect(refused(encodeMessage({ ...request(), authenticator: Buffer.alloc(48) }))).toBe('wrong-length');
  });

  it('integers of 2^53 and more', () => {
    for (const high of [0x20_0000, 0xffff_ffff]) {
      const sequence = high * 2 ** 32;
      const bytes = raw(3, (w) => schema.Vote.encode({ view: 1, sequence, digest: digest(1) }, w));
      expect(refused(bytes)).toBe('out-of-range');
    }
  });

  it('a replica, a status and a time that do not exist', () => {
    const checkpoint = SAMPLES.find((m) => m.kind === 'checkpoint')!;
    expect(refused(encodeMessage({ ...checkpoint, replica: 4 } as Message))).toBe('out-of-range');
    const reply = SAMPLES.find((m) => m.kind === 'reply')!;
    expect(refused(encodeMessage({ ...reply, status: 6 } as Message))).toBe('out-of-range');
    const late = { ...batch([]), time: { seconds: 1, nanoseconds: 1_000_000_000 } };
    expect(refused(encodeMessage({ kind: 'pre-prepare', view: 0, sequence: 1, batch: late }))).toBe('out-of-range');
  });

  it('view-changes of replicas that do not exist, in a status', () => {
    const status = SAMPLES.find((m) => m.kind === 'status')!;
    expect(refused(encodeMessage({ ...status, viewChanges: 0b1_0000 } as Message))).toBe('out-of-range');
    expect(refused(encodeMessage({ ...status, viewChanges: 2 ** 31 } as Message))).toBe('out-of-range');
  });

  it('read-only requests in a batch', () => {
    const bytes = encodeMessage({
      kind: 'pre-prepare',
      view: 0,
      sequence: 1,
      batch: batch([request(Buffer.alloc(1), true)]),
    });
    expect(refused(bytes)).toBe('out-of-range');
  });

  it('requests that are named badly, or named and there', () => {
    const named = (each: object): Buffer =>
      raw(2, (w) =>
        schema.PrePrepare.encode(
          { view: 0, sequence: 1, seconds: 1, nanoseconds: 0, requests: [each], reports: [] },
          w,
        ),
      );
    const { body, authenticator, signature } = request();
    expect(refused(named({ name: digest(1) }))).toBe('accepted');
    expect(refused(named({ name: Buffer.alloc(31) }))).toBe('wrong-length');
    for (const more of [{ body }, { authenticator }, { signature }]) {
      expect(refused(named({ ...more, name: digest(1) }))).toBe('malformed');
    }
  });

  it('too many requests, counted before they are decoded', () => {
    const empty = { body: new Uint8Array(), authenticator: new Uint8Array(), signature: new Uint8Array() };
    for (const count of [Limits.batchRequests + 1, Limits.batchRequests + 8, 200_000]) {
      const bytes = raw(10, (w) =>
        schema.BatchData.encode(
          { sequence: 0, seconds: 0, nanoseconds: 0, requests: Array(count).fill(empty), reports: [] },
          w,
        ),
      );
      expect(refused(bytes)).toBe('too-many');
    }
  });
});

describe('decoded messages', () => {
  it('carry digests of their content, whatever the sender claims', () => {
    const claimed = { ...request(), digest: digest(0xee) };
    const decoded = decodeMessage(encodeMessage(claimed), decoding) as Request;
    expect(Buffer.from(decoded.digest)).toEqual(Buffer.from(signables.request(decoded.body)));

    const other: Batch = { ...batch([request()]), digest: digest(0xee) };
    const message = decodeMessage(encodeMessage({ kind: 'batch-data', sequence: 1, batch: other }), decoding);
    if (message.kind !== 'batch-data') throw new Error(message.kind);
    expect(Buffer.from(message.batch.digest)).toEqual(Buffer.from(batch([request()]).digest));
  });

  it('of a batch is the same, whether its requests are there or only named', () => {
    const whole = batch([request(), request(Buffer.alloc(9_000))]);
    const sizes = [() => false, isLong, () => true].map((which) => {
      const bytes = encodeMessage({ kind: 'pre-prepare', view: 1, sequence: 1, batch: withNames(whole, which) });
      const message = decodeMessage(bytes, decoding);
      if (message.kind !== 'pre-prepare') throw new Error(message.kind);
      expect(Buffer.from(message.batch.digest)).toEqual(Buffer.from(whole.digest));
      return bytes.length;
    });
    expect(sizes[1]).toBeLessThan(400);
    expect(sizes[0]).toBeGreaterThan(9_000);
  });

  it('hold at most twice the size of what they keep', () => {
    const frame = Buffer.concat([
      encodeMessage({ kind: 'prepare', view: 1, sequence: 1, digest: digest(5) }),
      Buffer.alloc(1_000_000),
    ]);
    const message = decodeMessage(frame.subarray(0, frame.length - 1_000_000), decoding);
    if (message.kind !== 'prepare') throw new Error(message.kind);
    expect(message.digest.buffer.byteLength).toBeLessThan(100_000);
    frame.fill(0xff);
    expect(Buffer.from(message.digest)).toEqual(Buffer.from(digest(5)));
  });

  it('do not copy a body that is most of its frame', () => {
    const frame = encodeMessage(request(Buffer.alloc(200_000)));
    const decoded = decodeMessage(frame, decoding) as Request;
    expect(decoded.body.buffer).toBe(frame.buffer);
  });
});
