import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Signables } from '../../../src/crypto/signables.js';
import { Limits } from '../../../src/limits.js';
import { INCARNATION_SPAN, incarnationOf, startOf } from '../../../src/pbft/incarnation.js';
import type { Message, NewView, OrderedBatch, ViewChange } from '../../../src/pbft/messages.js';
import { decodeMessage, encodeMessage } from '../../../src/wire/codec.js';
import { WireError } from '../../../src/wire/errors.js';
import { Writer } from '../../../src/wire/protobuf.js';
import { schema, type WireViewChange } from '../../../src/wire/schema.js';

const N = 4;
const { checkpointInterval, logSize } = Limits;
const decoding = { n: N, signables: new Signables(Buffer.alloc(32, 7)) };
const digest = (byte: number): Uint8Array => Buffer.alloc(32, byte);
const signature = Buffer.alloc(64, 9);
const decode = (message: Message): Message => decodeMessage(encodeMessage(message), decoding);

function refusal(bytes: Uint8Array): string {
  try {
    decodeMessage(bytes, decoding);
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return 'accepted';
}

const certificate = (sequence: number, signers = [0, 1, 3]): NonNullable<ViewChange['certificate']> => ({
  sequence,
  stateDigest: digest(4),
  signatures: signers.map((replica) => ({ replica, signature: Buffer.alloc(64, replica) })),
});

const at = (sequence: number, view = 0, byte = 1): OrderedBatch => ({ sequence, digest: digest(byte), view });

const viewChange = (changes: Partial<ViewChange> = {}): ViewChange => ({
  kind: 'view-change',
  view: 3,
  replica: 2,
  certificate: certificate(128),
  prepared: [at(129), at(131, 2)],
  prePrepared: [at(129), at(131, 2, 1), at(131, 0, 2), at(640)],
  signature,
  ...changes,
});

const newView = (changes: Partial<NewView> = {}): NewView => ({
  kind: 'new-view',
  view: 3,
  viewChanges: [0, 1, 3].map((replica) => viewChange({ replica })),
  signature,
  ...changes,
});

/** As long as can be. */
function longest(view: number, replica: number): ViewChange {
  const low = 2 ** 52;
  const numbers = Array.from({ length: logSize }, (_, i) => low + 1 + i);
  return viewChange({
    view,
    replica,
    certificate: certificate(low, [0, 1, 2, 3]),
    prepared: numbers.map((sequence) => at(sequence, view - 1)),
    prePrepared: numbers.flatMap((sequence) => [at(sequence, view - 1, 1), at(sequence, view - 1, 2)]),
  });
}

const bytesOf = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));

/** A valid P or Q: `perNumber` different digests for some numbers of the log. */
const orderedBatches = (low: number, view: number, perNumber: number): fc.Arbitrary<OrderedBatch[]> =>
  fc
    .uniqueArray(
      fc.record({
        sequence: fc.integer({ min: low + 1, max: low + logSize }),
        view: fc.integer({ min: 0, max: view - 1 }),
        digest: bytesOf(32),
      }),
      { maxLength: 40, selector: ({ sequence }) => sequence },
    )
    .map((batches) =>
      batches
        .sort((a, b) => a.sequence - b.sequence)
        .flatMap((each, i) => {
          const other = Buffer.from(each.digest.map((byte) => byte ^ 0x55));
          return perNumber > 1 && i % 2 === 0 ? [each, { ...each, digest: other }] : [each];
        }),
    );

const viewChangeOf = (view: number, replica: number): fc.Arbitrary<ViewChange> =>
  fc
    .option(fc.integer({ min: 1, max: 2 ** 30 }), { nil: undefined })
    .map((index) => index && incarnationOf(view) * INCARNATION_SPAN + index * checkpointInterval)
    .chain((h) =>
      fc.record({
        kind: fc.constant('view-change' as const),
        view: fc.constant(view),
        replica: fc.constant(replica),
        certificate: fc.constant(h === undefined ? undefined : certificate(h, [2, 0, 3])),
        prepared: orderedBatches(h ?? startOf(incarnationOf(view)), view, 1),
        prePrepared: orderedBatches(h ?? startOf(incarnationOf(view)), view, 2),
        signature: bytesOf(64),
      }),
    );

const aView = fc.oneof(fc.integer({ min: 1, max: 10 ** 12 - 1 }), fc.integer({ min: 1, max: 2 ** 53 - 10 ** 12 }));
const aViewChange = fc.tuple(aView, fc.nat(N - 1)).chain(([view, replica]) => viewChangeOf(view, replica));
const aNewView: fc.Arbitrary<NewView> = fc
  .tuple(aView, fc.subarray([0, 1, 2, 3], { minLength: 1 }))
  .chain(([view, replicas]) =>
    fc.record({
      kind: fc.constant('new-view' as const),
      view: fc.constant(view),
      viewChanges: fc.tuple(...replicas.map((replica) => viewChangeOf(view, replica))),
      signature: bytesOf(64),
    }),
  );

describe('view-changes and new-views', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(fc.oneof(aViewChange, aNewView), (message) => {
        expect(decode(message)).toEqual(message);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('come back when they are empty, and when they are as long as can be', () => {
    const empty = viewChange({ view: 1, replica: 0, certificate: undefined, prepared: [], prePrepared: [] });
    expect(decode(empty)).toEqual(empty);
    const view = 2 ** 53 - 1;
    const full = newView({ view, viewChanges: [0, 1, 2, 3].map((replica) => longest(view, replica)) });
    expect(decode(full)).toEqual(full);
  });

  it('fit in a frame at the largest f', () => {
    const replicas = 3 * Limits.maxFaults + 1;
    const view = 2 ** 53 - 1;
    const signers = Array.from({ length: replicas }, (_, i) => i);
    const viewChanges = signers.map((replica) => {
      const message = longest(view, replica);
      return { ...message, certificate: certificate(message.certificate!.sequence, signers) };
    });
    const bytes = encodeMessage(newView({ view, viewChanges }));
    expect(bytes.length).toBeLessThan(Limits.frameBytes / 4);
    expect(decodeMessage(bytes, { ...decoding, n: replicas }).kind).toBe('new-view');
  });

  it('keep no more of the bytes they came in than they need', () => {
    const bytes = encodeMessage(newView());
    const message = decodeMessage(bytes, decoding) as NewView;
    const before = structuredClone(message);
    bytes.fill(0xff);
    expect(structuredClone(message)).toEqual(before);
  });
});

describe('decodeMessage refuses a view-change', () => {
  const H = 128 + logSize;
  const cases: [string, Partial<ViewChange>, string][] = [
    ['to view 0', { view: 0, prepared: [], prePrepared: [] }, 'out-of-range'],
    ['to a view of 2^53', { view: 2 ** 53 }, 'out-of-range'],
    ['of a replica that does not exist', { replica: N }, 'out-of-range'],
    ['with a short signature', { signature: Buffer.alloc(63) }, 'wrong-length'],
    ['without a signature', { signature: Buffer.alloc(0) }, 'wrong-length'],

    ['whose checkpoint is at 0', { certificate: certificate(0) }, 'out-of-range'],
    ['whose checkpoint is at no interval', { certificate: certificate(127) }, 'out-of-range'],
    ['whose checkpoint is signed by a stranger', { certificate: certificate(128, [0, 1, N]) }, 'out-of-range'],
    ['whose checkpoint one signed twice', { certificate: certificate(128, [0, 1, 0]) }, 'out-of-order'],
    ['whose checkpoint more signed than there are', { certificate: certificate(128, [0, 1, 2, 3, 0]) }, 'too-many'],
    [
      'with a short state digest',
      { certificate: { ...certificate(128), stateDigest: digest(1).subarray(1) } },
      'wrong-length',
    ],
    [
      'with a short checkpoint signature',
      { certificate: { ...certificate(128), signatures: [{ replica: 0, signature: Buffer.alloc(63) }] } },
      'wrong-length',
    ],

    ['with P at h', { prepared: [at(128)] }, 'out-of-range'],
    ['with P above h + L', { prepared: [at(H + 1)] }, 'out-of-range'],
    ['with P of its own view', { prepared: [at(129, 3)] }, 'out-of-range'],
    ['with P of a later view', { prepared: [at(129, 2 ** 53 - 1)] }, 'out-of-range'],
    ['with P of a view of 2^53', { view: 2 ** 53 - 1, prepared: [at(129, 2 ** 53)] }, 'out-of-range'],
    ['with P falling', { prepared: [at(130), at(129)] }, 'out-of-order'],
    ['with P twice at a number', { prepared: [at(130, 0, 1), at(130, 0, 2)] }, 'too-many'],
    ['with a short digest in P', { prepared: [{ ...at(130), digest: digest(1).subarray(1) }] }, 'wrong-length'],
    [
      'with P longer than the log',
      { prepared: Array.from({ length: logSize + 1 }, (_, i) => at(129 + i)), prePrepared: [] },
      'too-many',
    ],

    ['with Q at h', { prePrepared: [at(128)] }, 'out-of-range'],
    ['with Q above h + L', { prePrepared: [at(H + 1)] }, 'out-of-range'],
    ['with Q at 0, where h = 0', { certificate: undefined, prepared: [], prePrepared: [at(0)] }, 'out-of-range'],
    ['with Q of its own view', { prePrepared: [at(129, 3)] }, 'out-of-range'],
    ['with Q falling', { prePrepared: [at(130), at(129)] }, 'out-of-order'],
    ['with Q three times at a number', { prePrepared: [1, 2, 3].map((byte) => at(130, 0, byte)) }, 'too-many'],
    ['with the same twice in Q', { prePrepared: [at(130, 0), at(130, 1)] }, 'out-of-order'],
    ['with a short digest in Q', { prePrepared: [{ ...at(130), digest: digest(1).subarray(1) }] }, 'wrong-length'],
    [
      'with Q longer than the log has room for',
      { prepared: [], prePrepared: Array.from({ length: 2 * logSize + 1 }, (_, i) => at(129 + (i >> 1), 0, i % 2)) },
      'too-many',
    ],
  ];

  it.each(cases)('%s', (_, changes, code) => {
    expect(refusal(encodeMessage(viewChange(changes)))).toBe(code);
    // And inside a new-view too.
    const view = changes.view ?? 3;
    expect(refusal(encodeMessage(newView({ view, viewChanges: [viewChange(changes)] })))).toBe(code);
  });

  it('accepts the same at the edge of each rule', () => {
    expect(
      refusal(encodeMessage(viewChange({ prepared: [at(129), at(H, 2)], prePrepared: [at(129, 2), at(H)] }))),
    ).toBe('accepted');
    expect(refusal(encodeMessage(viewChange({ certificate: certificate(128, [3, 2, 1, 0]) })))).toBe('accepted');
    expect(refusal(encodeMessage(viewChange({ prePrepared: [at(130, 0, 2), at(130, 2, 1), at(131)] })))).toBe(
      'accepted',
    );
    expect(refusal(encodeMessage(longest(1, 0)))).toBe('accepted');
  });

  it('with a peerful of empty elements, counted before objects are made of them', () => {
    const raw = (changes: Partial<WireViewChange>): Buffer => {
      const w = Writer.create().uint32(14);
      const { view, replica, prepared, prePrepared } = viewChange();
      schema.ViewChange.encode(
        { view, replica, certificate: new Uint8Array(0), prepared, prePrepared, signature, ...changes },
        w,
      );
      return Buffer.from(w.finish());
    };
    const counted = (bytes: Uint8Array): void =>
      expect(() => decodeMessage(bytes, decoding)).toThrow(/more than \d+ fields/);
    const nothing = { sequence: 0, digest: new Uint8Array(0), view: 0 };
    counted(raw({ prepared: Array(500_000).fill(nothing) }));
    counted(raw({ prePrepared: Array(500_000).fill(nothing) }));
    const signatures = Array(500_000).fill({ replica: 0, signature: new Uint8Array(0) });
    const crowded = schema.CheckpointCertificate.encode(
      { sequence: 128, stateDigest: digest(1), signatures },
      Writer.create(),
    );
    counted(raw({ certificate: crowded.finish() }));
    expect(refusal(raw({ certificate: Buffer.from([0xff]) }))).toBe('malformed');
  });
});

describe('decodeMessage refuses a new-view', () => {
  const by = (...replicas: number[]): ViewChange[] => replicas.map((replica) => viewChange({ replica }));
  const cases: [string, Partial<NewView>, string][] = [
    ['of view 0', { view: 0, viewChanges: [] }, 'out-of-range'],
    ['of a view of 2^53', { view: 2 ** 53 }, 'out-of-range'],
    ['without view-changes', { viewChanges: [] }, 'out-of-range'],
    ['with more view-changes than replicas', { viewChanges: by(0, 1, 2, 3, 3) }, 'too-many'],
    ['with two of one replica', { viewChanges: by(0, 1, 1) }, 'out-of-order'],
    ['with replicas not rising', { viewChanges: by(0, 2, 1) }, 'out-of-order'],
    [
      'with a view-change for an earlier view',
      { viewChanges: [...by(0, 1), viewChange({ view: 2, replica: 3, prepared: [], prePrepared: [] })] },
      'out-of-range',
    ],
    ['with a view-change for a later view', { viewChanges: [viewChange({ view: 4, replica: 0 })] }, 'out-of-range'],
    ['with a short signature', { signature: Buffer.alloc(63) }, 'wrong-length'],
  ];

  it.each(cases)('%s', (_, changes, code) => {
    expect(refusal(encodeMessage(newView(changes)))).toBe(code);
  });

  it('accepts one view-change, and one of each replica', () => {
    expect(refusal(encodeMessage(newView({ viewChanges: by(3) })))).toBe('accepted');
    expect(refusal(encodeMessage(newView({ viewChanges: by(0, 1, 2, 3) })))).toBe('accepted');
  });

  it('with a peerful of empty view-changes, counted before they are decoded', () => {
    const w = Writer.create().uint32(15);
    schema.NewView.encode({ view: 3, viewChanges: Array(500_000).fill(new Uint8Array(0)), signature }, w);
    expect(() => decodeMessage(Buffer.from(w.finish()), decoding)).toThrow(/more than \d+ fields/);
  });
});
