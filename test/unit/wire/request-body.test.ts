import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { CallKind, EVERYONE, READ_ONLY_SLOT, SESSION_SLOT } from '../../../src/pbft/messages.js';
import { WireError } from '../../../src/wire/errors.js';
import {
  decodeRequestBody,
  encodeRequestBody,
  type RequestBody,
  requestBodyBytes,
} from '../../../src/wire/request-body.js';

const N = 4;
const call = (slot: number, operation = Buffer.from('op'), kind: number = CallKind.Service) => ({
  kind,
  slot,
  sequence: 1,
  operation,
});
const body = (changes: Partial<RequestBody> = {}): RequestBody => ({
  session: { client: 1, instance: 2 },
  readOnly: false,
  replier: 0,
  calls: [call(0)],
  ...changes,
});

function verdict(bytes: Uint8Array): string {
  try {
    decodeRequestBody(bytes, N);
    return 'accepted';
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
}
const verdictOf = (changes: Partial<RequestBody>): string => verdict(encodeRequestBody(body(changes)));

describe('a request body', () => {
  it('has these bytes', () => {
    const bytes = encodeRequestBody(
      body({ session: { client: 1, instance: 2 ** 33 }, replier: EVERYONE, calls: [call(5)] }),
    );
    expect(bytes.toString('hex')).toBe(
      `00000001${'0000000200000000'}00ff0001${'000005'}${'0000000000000001'}00000002${'6f70'}`,
    );
    expect(requestBodyBytes([Buffer.from('op')])).toBe(bytes.length);
  });

  it('comes back as it was, and has one encoding only', () => {
    const calls = fc.uniqueArray(
      fc.record({
        kind: fc.constant(CallKind.Service),
        slot: fc.nat(Limits.slotsPerSession - 1),
        sequence: fc.maxSafeNat(),
        operation: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      }),
      { selector: ({ slot }) => slot, minLength: 1, maxLength: 20 },
    );
    const bodies = fc.record({
      session: fc.record({ client: fc.nat(2 ** 32 - 1), instance: fc.maxSafeNat() }),
      readOnly: fc.constant(false),
      replier: fc.constantFrom(0, 3, EVERYONE),
      calls,
    });
    fc.assert(
      fc.property(bodies, (value) => {
        const bytes = encodeRequestBody(value);
        const decoded = decodeRequestBody(bytes, N);
        expect(decoded).toEqual(value);
        expect(encodeRequestBody(decoded)).toEqual(bytes);
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  it('that is no encoding is refused, and no other error thrown', () => {
    const bytes = encodeRequestBody(body({ calls: [call(1), call(2)] }));
    for (let length = 0; length < bytes.length; length++)
      expect(verdict(bytes.subarray(0, length))).not.toBe('accepted');
    expect(verdict(Buffer.concat([bytes, Buffer.alloc(1)]))).toBe('malformed');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (random) => {
        verdict(random);
      }),
      { numRuns: 1000, seed: 3 },
    );
  });

  it.each<[string, string, Partial<RequestBody>]>([
    ['no calls', 'out-of-range', { calls: [] }],
    ['a replier that does not exist', 'out-of-range', { replier: 4 }],
    ['a slot no session has', 'out-of-range', { calls: [call(Limits.slotsPerSession)] }],
    ['an unknown kind of call', 'out-of-range', { calls: [call(0, undefined, 3)] }],
    ['two calls in one slot', 'duplicate-slot', { calls: [call(3), call(4), call(3)] }],
    [
      'too many calls',
      'too-many',
      { calls: Array.from({ length: Limits.callsPerRequest + 1 }, (_, i) => call(i % 256)) },
    ],
    ['an operation that is too long', 'malformed', { calls: [call(0, Buffer.alloc(Limits.operationBytes + 1))] }],
    [
      'too many bytes',
      'oversized',
      { calls: [0, 1, 2, 3].map((slot) => call(slot, Buffer.alloc(Limits.operationBytes))) },
    ],
    ['read-only calls in slots', 'out-of-range', { readOnly: true, calls: [call(0)] }],
    [
      'a read-only opening of a session',
      'out-of-range',
      { readOnly: true, calls: [call(READ_ONLY_SLOT, undefined, CallKind.OpenSession)] },
    ],
    [
      'read-only calls of one sequence number',
      'duplicate-slot',
      { readOnly: true, calls: [call(READ_ONLY_SLOT), call(READ_ONLY_SLOT)] },
    ],
  ])('with %s is refused', (_, code, changes) => {
    expect(verdictOf(changes)).toBe(code);
  });

  it('with as much as the limits allow is accepted', () => {
    expect(verdictOf({ calls: Array.from({ length: 256 }, (_, i) => call(i)) })).toBe('accepted');
    expect(verdictOf({ calls: [call(0, Buffer.alloc(Limits.operationBytes))] })).toBe('accepted');
    const reads = [1, 2].map((sequence) => ({ ...call(READ_ONLY_SLOT), sequence }));
    expect(verdictOf({ readOnly: true, calls: reads })).toBe('accepted');
    for (const kind of [CallKind.OpenSession, CallKind.CloseSession]) {
      expect(verdictOf({ calls: [call(SESSION_SLOT, undefined, kind), call(0)] })).toBe('accepted');
      expect(verdictOf({ calls: [call(0, undefined, kind)] })).toBe('out-of-range');
    }
    expect(verdictOf({ calls: [call(SESSION_SLOT)] })).toBe('out-of-range');
  });
});
