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
  /** What each client asked for. */
  private readonly asked = new Set<string>();

  /** A correct client's call. */
  invoked(client: number, operation: string, now: number): Invocation {
    const invocation = this.mayHappen(client, operation, now);
    this.pending.add(invocation);
    return invocation;
  }

  /** Something a faulty client asked for: no answer to it is believed. */
  mayHappen(client: number, operation: string, now: number): Invocation {
    this.asked.add(`${client} ${operation}`);
    const [verb, key = ''] = operation.split(' ');
    const returnedAt = Number.POSITIVE_INFINITY;
    const invocation: Invocation = { operation, verb, key, invokedAt: now, returnedAt, result: undefined };
    this.all.push(invocation);
    return invocation;
  }

  /** Whether that client ever asked for that. */
  wasAsked(client: number, operation: string): boolean {
    return this.asked.has(`${client} ${operation}`);
  }

  returned(invocation: Invocation, result: string, now: number): void {
    invocation.result = result;
    invocation.returnedAt = now;
    this.pending.delete(invocation);
    this.completed++;
  }
}
