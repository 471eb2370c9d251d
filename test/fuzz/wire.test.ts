import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Signables } from '../../src/crypto/signables.js';
import { Limits } from '../../src/limits.js';
import { digestKey } from '../../src/pbft/digests.js';
import type { Message, NewView, OrderedBatch, Request, RequestName, ViewChange } from '../../src/pbft/messages.js';
import { decodeMessage, encodeMessage } from '../../src/wire/codec.js';
import { WireError } from '../../src/wire/errors.js';
import { decodeRequestBody, encodeRequestBody } from '../../src/wire/request-body.js';

const N = 4;
const decoding = { n: N, signables: new Signables(Buffer.alloc(32, 7)) };

const ordered = (sequence: number, view: number, byte: number): OrderedBatch => ({
  sequence,
  digest: Buffer.alloc(32, byte),
  view,
});

function viewChange(replica: number): ViewChange {
  return {
    kind: 'view-change',
    view: 5,
    replica,
    certificate: {
      sequence: 256,
      stateDigest: Buffer.alloc(32, 1),
      signatures: [0, 2, 3].map((replica) => ({ replica, signature: Buffer.alloc(64, replica) })),
    },
    prepared: [ordered(257, 4, 1), ordered(258, 0, 2)],
    prePrepared: [ordered(257, 4, 1), ordered(257, 1, 3), ordered(258, 3, 2), ordered(768, 4, 4)],
    signature: Buffer.alloc(64, 8),
  };
}

const requestBody = encodeRequestBody({
  session: { client: 1, instance: 2 },
  readOnly: false,
  replier: 3,
  calls: [{ kind: 0, slot: 1, sequence: 2, operation: Buffer.from('operation') }],
});
const request: Request = {
  kind: 'request',
  ...decodeRequestBody(requestBody, N),
  body: requestBody,
  digest: decoding.signables.request(requestBody),
  authenticator: Buffer.alloc(64, 3),
  signature: Buffer.alloc(64, 4),
};
const name: RequestName = { kind: 'name', digest: Buffer.alloc(32, 5) };
const time = { seconds: 1, nanoseconds: 2 };

const SEEDS: Message[] = [
  {
    kind: 'pre-prepare',
    view: 5,
    sequence: 257,
    batch: { time, requests: [request, name], digest: decoding.signables.batch(time, [request.digest, name.digest]) },
  },
  viewChange(1),
  { ...viewChange(2), certificate: undefined, prepared: [], prePrepared: [ordered(1, 4, 1)] },
  { kind: 'new-view', view: 5, viewChanges: [0, 1, 3].map(viewChange), signature: Buffer.alloc(64, 7) },
  {
    kind: 'status',
    view: 5,
    active: false,
    dissatisfied: false,
    viewChanges: 0b1010,
    lastStable: 256,
    lastExecuted: 257,
    lastFlushed: 0,
    recovering: false,
    awaited: 0,
    missing: [],
  },
  { kind: 'fetch-state', number: 3, query: Buffer.alloc(40, 2) },
  { kind: 'state-data', number: 3, answer: Buffer.alloc(90, 2) },
  { kind: 'reply', view: 5, tentative: true, instance: 1, slot: 2, sequence: 3, status: 0, result: Buffer.alloc(9) },
];

function decodeOrRefuse(bytes: Buffer): Message | undefined {
  try {
    return decodeMessage(bytes, decoding);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function checkOrdered(batches: readonly OrderedBatch[], perNumber: number, low: number, view: number): void {
  const digests = new Map<number, Set<string>>();
  let last = low + 1;
  for (const each of batches) {
    assert(each.sequence >= last && each.sequence <= low + Limits.logSize, 'sequence numbers rise within the log');
    assert(each.view < view, 'views lie below');
    last = each.sequence;
    const here = digests.get(last) ?? new Set();
    digests.set(last, here.add(digestKey(each.digest)));
  }
  let count = 0;
  for (const here of digests.values()) {
    assert(here.size <= perNumber, 'few digests a number');
    count += here.size;
  }
  assert.equal(count, batches.length, 'no batch twice');
}

function checkViewChange({ view, replica, certificate, prepared, prePrepared, signature }: ViewChange): void {
  assert(Number.isSafeInteger(view) && view >= 1 && replica < N && signature.length === 64);
  if (certificate !== undefined) {
    assert(certificate.sequence > 0 && certificate.sequence % Limits.checkpointInterval === 0);
    const signers = certificate.signatures.map(({ replica }) => replica);
    assert.equal(new Set(signers).size, signers.length);
    assert(signers.every((replica) => replica < N));
  }
  checkOrdered(prepared, 1, certificate?.sequence ?? 0, view);
  checkOrdered(prePrepared, 2, certificate?.sequence ?? 0, view);
}

function checkNewView({ view, viewChanges }: NewView): void {
  assert(viewChanges.length > 0);
  assert(viewChanges.every(({ replica }, i) => i === 0 || replica > viewChanges[i - 1].replica));
  for (const each of viewChanges) {
    assert.equal(each.view, view);
    checkViewChange(each);
  }
}

/** Whatever was accepted holds what its type states, and its encoding decodes to the same. */
function check(message: Message): void {
  if (message.kind === 'view-change') checkViewChange(message);
  if (message.kind === 'new-view') checkNewView(message);
  if (message.kind === 'pre-prepare') {
    const { time, requests, digest } = message.batch;
    const digests = requests.map((each) => each.digest);
    assert(digests.every((each) => each.length === 32));
    assert.deepEqual(Buffer.from(digest), Buffer.from(decoding.signables.batch(time, digests)));
  }
  if (message.kind === 'status') assert(message.viewChanges < 2 ** N);
  const bytes = encodeMessage(message);
  assert(bytes.equals(encodeMessage(decodeMessage(Buffer.from(bytes), decoding))), 'one message, one encoding of ours');
}

describe('bytes of a peer', () => {
  it('are refused, or decode to what their message may be, after any change of one byte', () => {
    for (const seed of SEEDS) {
      const bytes = encodeMessage(seed);
      let accepted = 0;
      for (let at = 0; at < bytes.length; at++) {
        for (const flip of [0x01, 0x08, 0x80, 0xff]) {
          const changed = Buffer.from(bytes);
          changed[at] ^= flip;
          const message = decodeOrRefuse(changed);
          if (message === undefined) continue;
          accepted++;
          check(message);
        }
      }
      expect(accepted).toBeGreaterThan(0);
    }
  });

  it('are refused, or decode to what their message may be, after cuts, repeats and splices', () => {
    const position = fc.nat(10_000);
    const seedBytes = SEEDS.map((seed) => encodeMessage(seed));
    fc.assert(
      fc.property(
        fc.nat(SEEDS.length - 1),
        fc.array(fc.tuple(position, position, position), { minLength: 1, maxLength: 3 }),
        (which, splices) => {
          let bytes = seedBytes[which];
          for (const [from, to, into] of splices) {
            const [start, end] = [from % bytes.length, to % bytes.length].sort((a, b) => a - b);
            const target = into % bytes.length;
            bytes = Buffer.concat([bytes.subarray(0, target), bytes.subarray(start, end), bytes.subarray(target)]);
          }
          const message = decodeOrRefuse(bytes);
          if (message !== undefined) check(message);
        },
      ),
      { numRuns: 2000, seed: 3 },
    );
  });
});
