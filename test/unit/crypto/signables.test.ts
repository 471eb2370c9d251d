import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Signables } from '../../../src/crypto/signables.js';
import { BrokenInvariant, Limits } from '../../../src/limits.js';
import type { OrderedBatch, ViewChange } from '../../../src/pbft/messages.js';

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const clusterId = Buffer.alloc(32, 0xc1);
const signables = new Signables(clusterId);
const head = (tag: string): Buffer => Buffer.concat([Buffer.from(tag.padEnd(16, '\0'), 'latin1'), clusterId]);
const d = (byte: number): Buffer => Buffer.alloc(32, byte);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const u32 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(8, '0'), 'hex');
const u64 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex');

const viewChange = (changes: Partial<ViewChange> = {}): ViewChange => ({
  kind: 'view-change',
  view: 2 ** 53 - 1,
  replica: 3,
  certificate: { sequence: 256, stateDigest: d(4), signatures: [{ replica: 1, signature: Buffer.alloc(64) }] },
  prepared: [
    { sequence: 257, digest: d(1), view: 5 },
    { sequence: 300, digest: d(2), view: 2 ** 40 },
  ],
  prePrepared: [
    { sequence: 258, digest: d(3), view: 0 },
    { sequence: 258, digest: d(5), view: 1 },
  ],
  signature: Buffer.alloc(64),
  ...changes,
});

/** The batch with each of its fields changed alone, and each byte of its digest. */
function changedBatches(batch: OrderedBatch): OrderedBatch[] {
  const changed = Array.from({ length: 32 }, (_, at) => {
    const digest = Buffer.from(batch.digest);
    digest[at] ^= 1;
    return { ...batch, digest };
  });
  return [...changed, { ...batch, sequence: batch.sequence + 1 }, { ...batch, view: batch.view + 2 ** 32 }];
}

/** The view-change with each thing that its signature covers changed alone. */
function changedViewChanges(base: ViewChange): ViewChange[] {
  const { certificate, prepared, prePrepared } = base;
  const stateDigests = changedBatches({ sequence: 0, view: 0, digest: certificate!.stateDigest }).map((b) => b.digest);
  const lists = (batches: OrderedBatch[]): OrderedBatch[][] => [
    ...batches.flatMap((batch, i) => changedBatches(batch).map((changed) => batches.with(i, changed))),
    batches.slice(1),
    batches.slice(0, -1),
    [...batches, { sequence: 400, digest: d(0), view: 0 }],
    [],
  ];
  return [
    { ...base, view: base.view - 2 ** 33 },
    { ...base, replica: 2 },
    { ...base, certificate: undefined },
    { ...base, certificate: { ...certificate!, sequence: 384 } },
    ...stateDigests.slice(0, 32).map((stateDigest) => ({ ...base, certificate: { ...certificate!, stateDigest } })),
    ...lists(prepared).map((prepared) => ({ ...base, prepared })),
    ...lists(prePrepared).map((prePrepared) => ({ ...base, prePrepared })),
    { ...base, prepared: prepared.toReversed() },
    { ...base, prepared: prePrepared, prePrepared: prepared },
    { ...base, prepared: [...prepared, ...prePrepared], prePrepared: [] },
  ];
}

describe('signables', () => {
  it('are the bytes that their comments say, whatever was built before', () => {
    const large = 2 ** 53 - 1;
    for (let round = 0; round < 2; round++) {
      expect(signables.request(Buffer.from('body'))).toEqual(sha256(head('request'), sha256(Buffer.from('body'))));
      expect(signables.resultDigest(d(1))).toEqual(sha256(head('result'), sha256(d(1))));
      const time = { seconds: large, nanoseconds: 999_999_999 };
      const timeBytes = Buffer.concat([u64(large), u32(999_999_999)]);
      expect(signables.batch(time, [d(1), d(2), d(3)])).toEqual(
        sha256(head('batch'), timeBytes, u32(3), d(1), d(2), d(3)),
      );
      expect(signables.batch(time, [])).toEqual(sha256(head('batch'), timeBytes, u32(0)));
      expect(signables.checkpoint(large, d(4), 3)).toEqual(sha256(head('checkpoint'), u64(large), d(4), u32(3)));
      expect(signables.administration(large, Buffer.from('change'))).toEqual(
        sha256(head('administration'), u64(large), sha256(Buffer.from('change'))),
      );
      expect(signables.chain(d(1), large, d(2))).toEqual(sha256(head('chain'), d(1), u64(large), d(2)));
      expect(signables.flushed(large, d(4), 3)).toEqual(sha256(head('flushed'), u64(large), d(4), u32(3)));
      expect(signables.channel(d(1), d(2))).toEqual(sha256(head('channel'), sha256(d(1)), sha256(d(2))));
      expect(signables.handshake('dialer', d(5))).toEqual(sha256(head('dialer hello'), d(5)));
      expect(signables.handshake('acceptor', d(5))).toEqual(sha256(head('acceptor hello'), d(5)));
      expect(signables.rekeyOffer(d(5), 7, d(6))).toEqual(sha256(head('rekey offer'), d(5), u32(7), d(6)));
      expect(signables.rekeyAccept(d(5), 7, d(6), d(8))).toEqual(
        sha256(head('rekey accept'), d(5), u32(7), d(6), d(8)),
      );
      expect(signables.linkKeysInfo).toEqual(head('link keys'));
    }
  });

  it('of view-changes and new-views are the bytes that their comments say', () => {
    const ordered = (...batches: OrderedBatch[]): Buffer =>
      sha256(
        u32(batches.length),
        ...batches.flatMap(({ sequence, digest, view }) => [u64(sequence), digest, u64(view)]),
      );
    const initial = viewChange({ view: 1, replica: 0, certificate: undefined, prepared: [], prePrepared: [] });
    const signed = [viewChange(), initial].map((message) =>
      sha256(
        head('view-change'),
        u64(message.view),
        u32(message.replica),
        u64(message.certificate ? 256 : 0),
        message.certificate ? d(4) : d(0),
        ordered(...message.prepared),
        ordered(...message.prePrepared),
      ),
    );
    for (let round = 0; round < 2; round++) {
      expect(signables.viewChange(viewChange())).toEqual(signed[0]);
      expect(signables.viewChange(initial)).toEqual(signed[1]);
      expect(signables.newView(7, [initial, viewChange()])).toEqual(
        sha256(head('new-view'), u64(7), u32(2), u32(0), signed[1], u32(3), signed[0]),
      );
      expect(signables.newView(7, [])).toEqual(sha256(head('new-view'), u64(7), u32(0)));
    }
    // Pinned: a change of these is a change of the protocol.
    expect(hex(signed[0])).toBe('a9b0569fe246932c2e08fa2f82f1a1d22442365ed05da7d4a5fa3bda5db5fef8');
    expect(hex(signables.newView(7, [initial, viewChange()]))).toBe(
      'e8fd4ac854a2bd7cd68455db326ad91042dff2409a1ff2f8bc2f9bb57760e1b0',
    );
  });

  it('of view-changes cover every field and element, and nothing besides', () => {
    const base = viewChange();
    const variants = [base, ...changedViewChanges(base)];
    const digests = variants.map((message) => hex(signables.viewChange(message)));
    expect(new Set(digests).size).toBe(variants.length);
    const proved = { ...base.certificate!, signatures: [] };
    const otherwise: ViewChange = { ...base, certificate: proved, signature: d(1) };
    expect(signables.viewChange(otherwise)).toEqual(signables.viewChange(base));
  });

  it('of new-views cover the view and all that the view-changes in them cover, in their order', () => {
    const [first, second] = [viewChange({ replica: 0 }), viewChange({ replica: 1 })];
    const variants: [number, ViewChange[]][] = [
      [7, [first, second]],
      [8, [first, second]],
      [7, [second, first]],
      [7, [first]],
      [7, [second]],
      [7, []],
      [7, [first, second, second]],
      ...changedViewChanges(second).map((changed): [number, ViewChange[]] => [7, [first, changed]]),
    ];
    const digests = variants.map(([view, viewChanges]) => hex(signables.newView(view, viewChanges)));
    expect(new Set(digests).size).toBe(variants.length);
  });

  it('take all that a log and a cluster can hold and no more', () => {
    const full = Array<OrderedBatch>(2 * Limits.logSize).fill({ sequence: 1, digest: d(1), view: 0 });
    const longest = viewChange({ prePrepared: full });
    expect(signables.viewChange(longest).length).toBe(32);
    expect(() => signables.viewChange(viewChange({ prePrepared: [...full, full[0]] }))).toThrow(BrokenInvariant);
    const all = Array<ViewChange>(3 * Limits.maxFaults + 1).fill(longest);
    expect(signables.newView(1, all).length).toBe(32);
    expect(() => signables.newView(1, [...all, longest])).toThrow(BrokenInvariant);
  });

  it('of one cluster are worth nothing in another', () => {
    const other = new Signables(d(0xc2));
    expect(other.request(d(1))).not.toEqual(signables.request(d(1)));
    expect(other.checkpoint(1, d(1), 0)).not.toEqual(signables.checkpoint(1, d(1), 0));
    expect(other.viewChange(viewChange())).not.toEqual(signables.viewChange(viewChange()));
    expect(other.newView(1, [])).not.toEqual(signables.newView(1, []));
  });

  it('take a full batch and no more', () => {
    const time = { seconds: 1, nanoseconds: 0 };
    // Of requests, or of reports in their place.
    const full = Array<Uint8Array>(Limits.batchRequests + 3 * Limits.maxFaults + 1).fill(d(1));
    expect(signables.batch(time, full).length).toBe(32);
    expect(() => signables.batch(time, [...full, d(1)])).toThrow(BrokenInvariant);
  });
});
