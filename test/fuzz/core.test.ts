import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Limits } from '../../src/limits.js';
import { Configuration } from '../../src/pbft/configuration.js';
import type {
  Batch,
  Forgotten,
  ProposedBatch,
  ReplicaMessage,
  Request,
  StartReport,
  ViewChange,
} from '../../src/pbft/messages.js';
import { Replica } from '../../src/pbft/replica.js';
import { FakeAuthentication, seal } from '../simulation/fake-authentication.js';
import { MemoryState } from '../simulation/memory-state.js';

const authentication = new FakeAuthentication(1);

const sequence = fc.oneof(fc.nat(700), fc.maxSafeNat());
const view = fc.oneof(fc.constant(0), fc.nat(5), fc.maxSafeNat());
// Few different digests, so that votes meet.
const digest = fc.nat(3).map((byte) => Buffer.alloc(32, byte));
const time = fc.record({ seconds: fc.oneof(fc.constant(1000), fc.maxSafeNat()), nanoseconds: fc.nat(999_999_999) });

const request: fc.Arbitrary<Request> = fc
  .record({
    client: fc.nat(3),
    instance: fc.nat(4),
    readOnly: fc.boolean(),
    kind: fc.nat(2),
    slot: fc.oneof(fc.nat(5), fc.constant(0xfffe)),
    sequence: fc.nat(4),
    signed: fc.boolean(),
  })
  .map(({ client, instance, readOnly, kind, slot, sequence, signed }) => {
    const calls = [{ kind, slot, sequence, operation: Buffer.from([0, 4]) }];
    const sealed = seal({ session: { client, instance }, readOnly, replier: 0, calls }, 4);
    return signed ? sealed : { ...sealed, signature: new Uint8Array(64), authenticator: new Uint8Array(4) };
  });

const batch: fc.Arbitrary<Batch> = fc
  .record({
    time,
    requests: fc.array(
      request.filter(({ readOnly }) => !readOnly),
      { maxLength: 3 },
    ),
  })
  .map(({ time, requests }) => ({ time, requests, digest: authentication.batchDigest(time, requests) }));

/** The same with some of its requests only named, and some that nobody has. */
const proposed: fc.Arbitrary<ProposedBatch> = fc
  .tuple(batch, fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.option(digest))
  .map(([{ time, requests }, whole, unknown]) => {
    const some: ProposedBatch['requests'] = requests.map((each, i) =>
      whole[i] ? each : { kind: 'name', digest: each.digest },
    );
    if (unknown !== null) some.push({ kind: 'name', digest: unknown });
    return { time, requests: some, digest: authentication.batchDigest(time, some) };
  });

const ordered = fc.record({ sequence: fc.oneof(fc.nat(6), sequence), digest, view: fc.oneof(fc.nat(2), view) });
const viewChange: fc.Arbitrary<ViewChange> = fc
  .record({
    view,
    replica: fc.nat(3),
    prepared: fc.array(ordered, { maxLength: 3 }),
    prePrepared: fc.array(ordered, { maxLength: 3 }),
    signed: fc.boolean(),
  })
  .map(({ signed, ...said }) => {
    const unsigned = { kind: 'view-change' as const, certificate: undefined, ...said };
    // Every replica of the fuzzer has the keys of its own, and no other.
    const own = new FakeAuthentication(said.replica);
    return { ...unsigned, signature: signed ? own.signViewChange(unsigned) : new Uint8Array(64) };
  });

/** Signed by the one faulty replica, in its own name or another's. */
const faulty = new FakeAuthentication(0);
const certificate = fc
  .option(fc.record({ sequence, digest, signers: fc.uniqueArray(fc.nat(3), { maxLength: 4 }) }), { nil: undefined })
  .map((named) => {
    if (named === undefined) return undefined;
    const { sequence, digest, signers } = named;
    const signatures = signers.map((replica) => ({ replica, signature: faulty.signFlushed(sequence, digest) }));
    return { sequence, digest, stateDigest: digest, signatures };
  });
const numbered = fc.array(fc.record({ sequence, digest }), { maxLength: 3 });
const incarnation = fc.oneof(fc.nat(2), fc.nat(8191));
const forgotten: fc.Arbitrary<Forgotten> = fc
  .record({
    replica: fc.nat(3),
    incarnation,
    life: fc.nat(2),
    heard: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
  })
  .map((said) => {
    const unsigned = { kind: 'forgotten' as const, ...said };
    return { ...unsigned, signature: faulty.signForgotten(unsigned) };
  });
const report: fc.Arbitrary<StartReport> = fc
  .record({
    replica: fc.nat(3),
    incarnation,
    certificate,
    flushed: certificate,
    checkpoints: numbered,
    ordered: numbered,
  })
  .map((said) => ({ ...said, signature: faulty.signReport(said) }));

const message: fc.Arbitrary<ReplicaMessage> = fc.oneof(
  forgotten,
  fc.record({
    kind: fc.constant('new-incarnation' as const),
    incarnation,
    forgotten: fc.array(forgotten, { maxLength: 3 }),
    report: fc.option(report, { nil: undefined }),
  }),
  fc
    .record({ view, sequence, time, reports: fc.array(report, { maxLength: 4 }) })
    .map(({ view, sequence, time, reports }) => {
      const digests = reports.map((each) => ({ digest: faulty.reportDigest(each) }));
      const digest = faulty.batchDigest(time, digests);
      return { kind: 'pre-prepare' as const, view, sequence, batch: { time, requests: [], reports, digest } };
    }),
  request,
  fc.record({ kind: fc.constant('fetch-state' as const), number: fc.nat(9), query: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('state-data' as const), number: fc.nat(9), answer: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('state-data' as const), number: fc.nat(9) }),
  fc.record({ kind: fc.constant('pre-prepare' as const), view, sequence, batch: proposed }),
  fc.record({ kind: fc.constant('prepare' as const), view, sequence, digest }),
  fc.record({ kind: fc.constant('commit' as const), view, sequence, digest }),
  fc.record({
    kind: fc.constant('checkpoint' as const),
    sequence: sequence.map((n) => n - (n % Limits.checkpointInterval)),
    stateDigest: digest,
    replica: fc.nat(3),
    signature: fc.constant(new Uint8Array(64)),
  }),
  fc.record({
    kind: fc.constant('status' as const),
    view,
    active: fc.boolean(),
    dissatisfied: fc.boolean(),
    viewChanges: fc.nat(15),
    lastStable: sequence,
    lastExecuted: sequence,
    lastFlushed: sequence,
    recovering: fc.boolean(),
    awaited: sequence,
    missing: fc.array(fc.record({ sequence, batch: fc.boolean(), prepared: fc.boolean() }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('committed' as const), sequence, digest }),
  fc.record({ kind: fc.constant('query-stable' as const), life: fc.nat(2) }),
  fc.record({
    kind: fc.constant('reply-stable' as const),
    life: fc.nat(2),
    lastCheckpoint: sequence,
    lastPrepared: sequence,
    view,
  }),
  fc.record({
    kind: fc.constant('flushed' as const),
    sequence,
    digest,
    signature: fc.constant(new Uint8Array(64)),
  }),
  fc
    .record({ sequence, digest, signers: fc.uniqueArray(fc.nat(5), { maxLength: 4 }) })
    .map(({ sequence, digest, signers }) => {
      const signatures = signers.map((replica) => ({ replica, signature: new Uint8Array(32) }));
      return { kind: 'flushed-certificate' as const, certificate: { sequence, digest, signatures } };
    }),
  fc.record({ kind: fc.constant('fetch-batch' as const), sequence, digest }),
  fc.record({ kind: fc.constant('batch-data' as const), sequence, batch }),
  viewChange,
  fc
    .record({ view, viewChanges: fc.array(viewChange, { maxLength: 4 }), signed: fc.boolean() })
    .map(({ view, viewChanges, signed }) => {
      const signature = signed ? authentication.signNewView(view, viewChanges) : new Uint8Array(64);
      return { kind: 'new-view' as const, view, viewChanges, signature };
    }),
);

const newReplica = (state: MemoryState): Replica =>
  new Replica({
    configuration: new Configuration(1, 1),
    authentication,
    state,
    history: { digest: () => undefined, batch: () => undefined },
    recovered: [],
    synced: false,
    life: 1,
    batchWindow: 4,
  });

describe('the core under nonsense', () => {
  it('neither throws nor executes anything on the word of one faulty replica', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
        const state = new MemoryState();
        const replica = newReplica(state);
        replica.tick(1, { seconds: 1000, nanoseconds: 0 });
        const before = state.checkpoint();
        for (const each of messages) {
          replica.receive(each, 0);
          replica.takeReady();
        }
        replica.tick(1000, { seconds: 1001, nanoseconds: 0 });
        replica.takeReady();
        expect(state.checkpoint()).toEqual(before);
      }),
      { numRuns: 400, seed: 1 },
    );
  });

  it('keeps no more than its log for f+1 of them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(message, fc.constantFrom(0, 2)), { maxLength: 200 }), (messages) => {
        const replica = newReplica(new MemoryState());
        replica.tick(1, { seconds: 1000, nanoseconds: 0 });
        for (const [each, from] of messages) {
          replica.receive(each, from);
          replica.takeReady();
        }
        expect(replica.describe().logEntries).toBeLessThanOrEqual(Limits.logSize + Limits.checkpointInterval);
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  it('takes requests from clients only in their own name, and none that is neither signed nor authenticated', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(request, fc.nat(3)), { maxLength: 30 }), (requests) => {
        const replica = newReplica(new MemoryState());
        for (const [each, client] of requests) {
          replica.receiveFromClient(each, client);
          for (const { message: sent } of replica.takeReady().send) {
            expect(sent.kind).toBe('request');
            expect((sent as Request).session.client).toBe(client);
            expect((sent as Request).authenticator[1]).toBe(1);
          }
        }
      }),
      { numRuns: 200, seed: 3 },
    );
  });
});
