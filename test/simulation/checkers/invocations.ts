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
  /** The last incarnation it was under way in. */
  era: number;
  /** It was under way in more than one: its result may be of either, and tells nothing. */
  spans: boolean;
}

/** What clients asked and were told, in the order asked. */
export class Invocations {
  readonly all: Invocation[] = [];
  /** Calls of correct clients that have no answer yet. */
  readonly pending = new Set<Invocation>();
  completed = 0;
  private era = 0;
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
    const { era } = this;
    const result = undefined;
    const invocation: Invocation = { operation, verb, key, invokedAt: now, returnedAt, result, era, spans: false };
    this.all.push(invocation);
    return invocation;
  }

  /** Whether that client ever asked for that. */
  wasAsked(client: number, operation: string): boolean {
    return this.asked.has(`${client} ${operation}`);
  }

  returned(invocation: Invocation, result: string, now: number): void {
    this.pending.delete(invocation);
    this.completed++;
    if (invocation.spans) return;
    invocation.result = result;
    invocation.returnedAt = now;
  }

  /** Its session is lost: no answer will come. */
  abandoned(invocation: Invocation): void {
    this.pending.delete(invocation);
    this.completed++;
  }

  /** Those of the present incarnation. */
  get current(): Invocation[] {
    return this.all.filter(({ era }) => era === this.era);
  }

  /** An incarnation begins. What is under way was so in the one before, and is in this one. */
  beginEra(): void {
    this.era++;
    for (const invocation of this.pending) invocation.spans = true;
    // What nobody answered may be executed yet.
    for (const invocation of this.all) if (invocation.result === undefined) invocation.era = this.era;
  }
}
