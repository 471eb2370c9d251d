/** Typed calls of the replicated file service, for one mount. */
import type { Logger } from 'pino';
import { CallError, type ServiceClient } from '../src/client/types.js';
import { Errno } from '../src/fileservice/errno.js';
import { encodeOperation, isReadOnly, type Operation, type OperationName } from '../src/fileservice/operations.js';
import { decodeResult, type Failure, type Results } from '../src/fileservice/results.js';
import type { Credentials } from '../src/fileservice/types.js';
import { BrokenInvariant } from '../src/limits.js';

/** Calls made and answered, by operation: what a workload costs. */
export type CallCounters = Partial<Record<OperationName, number>>;

/** A failing cluster fails every call: the log gets one line in this time, with how many it stands for. */
const LOG_INTERVAL_MS = 1000;

export class Files {
  readonly counters: CallCounters = {};
  private lastLogged = Number.NEGATIVE_INFINITY;
  private unlogged = 0;

  constructor(
    private readonly service: ServiceClient,
    private readonly log: Logger,
  ) {}

  /**
   * What the replicas agree on. Never rejects: a call without a result is EIO and a line in the log, and may have been
   * executed nonetheless, or be yet.
   */
  async perform<O extends Operation>(credentials: Credentials, operation: O): Promise<Failure | Results[O['op']]> {
    const { op } = operation;
    this.counters[op] = (this.counters[op] ?? 0) + 1;
    try {
      const bytes = encodeOperation(credentials, operation);
      const result = await this.service.call(bytes, { readOnly: isReadOnly(operation) });
      return decodeResult(op as O['op'], result) as Failure | Results[O['op']];
    } catch (error) {
      if (error instanceof BrokenInvariant) throw error;
      this.report(op, error as Error);
      return { errno: Errno.EIO };
    }
  }

  private report(op: OperationName, error: Error): void {
    const now = performance.now();
    if (now - this.lastLogged < LOG_INTERVAL_MS) {
      this.unlogged++;
      return;
    }
    const { unlogged } = this;
    if (error instanceof CallError) this.log.error({ op, code: error.code, unlogged }, `EIO: ${error.message}`);
    else this.log.error({ op, err: error, unlogged }, 'EIO: the reply cannot be understood');
    this.lastLogged = now;
    this.unlogged = 0;
  }
}
