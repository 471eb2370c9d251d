/** Calls of the service by this process: how many, how long each, and when any was under way. */
import type { ServiceClient } from '../client/types.js';
import { operationName } from '../fileservice/operations.js';
import type { NetCounters } from '../net/counters.js';
import { type CallFigures, type ClientFigures, processFigures } from './figures.js';
import type { Stopwatch } from './stopwatch.js';

export interface Call {
  op: string;
  ordered: boolean;
}

/** Told of each call; what it returns is told how many milliseconds the call took. */
export type CallObserver = (call: Call) => (ms: number) => unknown;

export class CallWatch {
  readonly calls: Record<string, CallFigures> = {};
  /** Not answered, by operation. */
  private readonly underWay = new Map<string, number>();
  private count = 0;
  private since = 0;
  private busy = 0;

  constructor(private readonly observer: CallObserver = () => () => {}) {}

  /** The same service, whose calls are counted. */
  watched(service: ServiceClient): ServiceClient {
    return {
      call: (operation, options = {}) => {
        const ended = this.begin({ op: operationName(operation) ?? 'unknown', ordered: options.readOnly !== true });
        return service.call(operation, options).finally(ended);
      },
      onSessionLost: (listener) => service.onSessionLost?.(listener),
      close: () => service.close(),
    };
  }

  private begin(call: Call): () => void {
    const start = performance.now();
    if (this.count++ === 0) this.since = start;
    this.underWay.set(call.op, (this.underWay.get(call.op) ?? 0) + 1);
    const ended = this.observer(call);
    return () => {
      const now = performance.now();
      if (--this.count === 0) this.busy += now - this.since;
      this.underWay.set(call.op, this.underWay.get(call.op)! - 1);
      addCall(this.calls, call, now - start);
      ended(now - start);
    };
  }

  /** Milliseconds up to `now` in which any call was under way. */
  busyMs(now: number): number {
    return this.count === 0 ? this.busy : this.busy + now - this.since;
  }

  /** The operations of the calls under way. */
  current(): string[] {
    return [...this.underWay].filter(([, count]) => count > 0).map(([op]) => op);
  }

  figures(stopwatch: Stopwatch, net: NetCounters): ClientFigures {
    return { ...processFigures(stopwatch, net), calls: this.calls };
  }
}

export function addCall(calls: Record<string, CallFigures>, { op, ordered }: Call, ms: number): void {
  calls[op] ??= { count: 0, ordered: 0, ms: 0 };
  calls[op].count++;
  if (ordered) calls[op].ordered++;
  calls[op].ms += ms;
}
