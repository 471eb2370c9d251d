/** One call of a client, and what came of it. */
export interface Invocation {
  readonly operation: string;
  readonly verb: string;
  /** Of a register, or the token of an append. */
  readonly key: string;
  readonly invokedAt: number;
  /** Infinity while there is no answer: it may have been executed, and may be yet. */
  returnedAt: number;
  result: string | undefined;
}

/** What clients asked and were told, in the order asked. */
export class Invocations {
  readonly all: Invocation[] = [];
  /** Calls of correct clients that have no answer yet. */
  readonly pending = new Set<Invocation>();
  completed = 0;

  /** A correct client's call. */
  invoked(operation: string, now: number): Invocation {
    const invocation = this.mayHappen(operation, now);
    this.pending.add(invocation);
    return invocation;
  }

  /** Something a faulty client asked for: no answer to it is believed. */
  mayHappen(operation: string, now: number): Invocation {
    const [verb, key = ''] = operation.split(' ');
    const returnedAt = Number.POSITIVE_INFINITY;
    const invocation: Invocation = { operation, verb, key, invokedAt: now, returnedAt, result: undefined };
    this.all.push(invocation);
    return invocation;
  }

  returned(invocation: Invocation, result: string, now: number): void {
    invocation.result = result;
    invocation.returnedAt = now;
    this.pending.delete(invocation);
    this.completed++;
  }
}
