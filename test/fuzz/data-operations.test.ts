import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedBytes } from '../../src/bytes.js';
import { decodeOperation, encodeOperation, type Operation } from '../../src/fileservice/operations.js';
import { decodeResult, encodeResult, type Results } from '../../src/fileservice/results.js';

const u32 = fc.nat(0xffff_ffff);
const u64 = fc.maxSafeNat();
const handle = fc.record({ ino: u64, generation: u32 });
const killPrivileges = fc.boolean();

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    op: fc.constant('allocate' as const),
    node: handle,
    mode: u32,
    offset: u64,
    length: u64,
    killPrivileges,
  }),
  fc.record({
    op: fc.constant('seek' as const),
    node: handle,
    offset: u64,
    what: fc.constantFrom('data' as const, 'hole' as const),
  }),
  fc.record({
    ...{ op: fc.constant('copy' as const), source: handle, sourceOffset: u64, node: handle, offset: u64, length: u64 },
    killPrivileges,
  }),
);

const time = fc.record({ seconds: fc.maxSafeInteger(), nanoseconds: fc.nat(999_999_999) });
const attributes = fc.record({
  ...{ ino: u64, generation: u32, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: u32, size: u64, blocks: u64 },
  ...{ atime: time, mtime: time, ctime: time, change: u64, hasXattrs: fc.boolean() },
});
const errno = fc.constant(0 as const);
type Named = { [Op in 'allocate' | 'copy' | 'seek']: { op: Op; result: Results[Op] } }['allocate' | 'copy' | 'seek'];
const result: fc.Arbitrary<Named> = fc.oneof(
  fc.record({ op: fc.constant('allocate' as const), result: fc.record({ errno, attributes, length: u64 }) }),
  fc.record({ op: fc.constant('copy' as const), result: fc.record({ errno, attributes, length: u64 }) }),
  fc.record({
    op: fc.constant('seek' as const),
    result: fc.record({ errno, attributes, offset: u64, complete: fc.boolean() }),
  }),
);

const who = { uid: 1000, gid: 100, groups: [7, 8] };

/** Whatever is decoded is what its bytes say; the rest is refused as malformed. */
function decodedOrRefused<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

const changedAt = (bytes: Buffer, at: number, mask: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at % changed.length] ^= mask;
  return changed;
};

describe('ALLOCATE, SEEK and COPY on the wire', () => {
  it('are what was encoded; cut, longer or changed they are refused or something else', () => {
    fc.assert(
      fc.property(operation, fc.nat(200), fc.integer({ min: 1, max: 255 }), (o, at, mask) => {
        const bytes = encodeOperation(who, o);
        expect(decodeOperation(bytes)).toEqual({ credentials: who, operation: o });
        expect(decodedOrRefused(() => decodeOperation(bytes.subarray(0, at % bytes.length)))).toBeUndefined();
        expect(decodedOrRefused(() => decodeOperation(Buffer.concat([bytes, Buffer.alloc(1)])))).toBeUndefined();
        const other = changedAt(bytes, at, mask);
        const decoded = decodedOrRefused(() => decodeOperation(other));
        if (decoded !== undefined) expect(encodeOperation(decoded.credentials, decoded.operation)).toEqual(other);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  it('so are their results', () => {
    fc.assert(
      fc.property(result, fc.nat(200), ({ op, result }, at) => {
        const bytes = encodeResult(op, result);
        expect(decodeResult(op, bytes)).toEqual(result);
        expect(decodedOrRefused(() => decodeResult(op, bytes.subarray(0, at % bytes.length)))).toBeUndefined();
        expect(decodedOrRefused(() => decodeResult(op, Buffer.concat([bytes, Buffer.alloc(1)])))).toBeUndefined();
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});
