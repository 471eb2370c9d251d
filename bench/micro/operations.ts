/** The null operations of the papers' micro-benchmarks (OSDI '99 §7.2): argument and result sizes in KiB. */
import type { CallOptions, ServiceClient } from '../../src/client/types.js';
import { encodeOperation } from '../../src/fileservice/operations.js';
import { decodeResult, succeeded } from '../../src/fileservice/results.js';
import { BenchmarkError } from '../errors.js';

export interface MicroOperation {
  name: string;
  argumentBytes: number;
  resultBytes: number;
  readOnly: boolean;
  /** Of the calls that other operations are measured with; default: all. */
  share?: number;
}

export const MICRO_OPERATIONS: readonly MicroOperation[] = [
  { name: '0/0', argumentBytes: 0, resultBytes: 0, readOnly: false },
  { name: '4/0', argumentBytes: 4096, resultBytes: 0, readOnly: false },
  { name: '0/4', argumentBytes: 0, resultBytes: 4096, readOnly: false },
  // As long as a mount's largest writes.
  { name: '128/0', argumentBytes: 128 * 1024, resultBytes: 0, readOnly: false, share: 1 / 8 },
  { name: '0/0 read-only', argumentBytes: 0, resultBytes: 0, readOnly: true },
  { name: '4/0 read-only', argumentBytes: 4096, resultBytes: 0, readOnly: true },
  { name: '0/4 read-only', argumentBytes: 0, resultBytes: 4096, readOnly: true },
];

/** A function that makes the call once and checks its result. */
export function microCall(client: ServiceClient, operation: MicroOperation): () => Promise<void> {
  const padding = Buffer.alloc(operation.argumentBytes);
  const { resultBytes } = operation;
  const bytes = encodeOperation({ uid: 0, gid: 0, groups: [] }, { op: 'null', padding, resultBytes });
  const options: CallOptions = { readOnly: operation.readOnly };
  return async () => {
    const result = decodeResult('null', await client.call(bytes, options));
    if (!succeeded(result) || result.padding.length !== resultBytes) {
      throw new BenchmarkError(`${operation.name}: wrong result (errno ${result.errno})`);
    }
  };
}
