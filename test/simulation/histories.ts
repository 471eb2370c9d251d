import type { MemoryState } from './memory-state.js';

interface Invocation {
  operation: string;
  invokedAt: number;
  returnedAt: number;
  result: string | undefined;
}

/** What clients and replicas saw, and whether it can be the work of one correct server. */
export class Histories {
  private readonly invocations: Invocation[] = [];
  private agreed: string[] = [];
  private readonly lastSeen: number[];

  constructor(replicas: number) {
    this.lastSeen = new Array(replicas).fill(0);
  }

  invoked(operation: string, now: number): Invocation {
    const invocation = { operation, invokedAt: now, returnedAt: Number.POSITIVE_INFINITY, result: undefined };
    this.invocations.push(invocation);
    return invocation;
  }

  returned(invocation: Invocation, result: string, now: number): void {
    invocation.result = result;
    invocation.returnedAt = now;
  }

  restarted(replica: number, state: MemoryState): void {
    this.lastSeen[replica] = 0;
    this.executed(replica, state);
  }

  /** Agreement: every replica's list is a prefix of one list. */
  executed(replica: number, state: MemoryState): void {
    for (let i = this.lastSeen[replica]; i < state.list.length; i++) {
      if (i === this.agreed.length) this.agreed.push(state.list[i]);
      if (this.agreed[i] !== state.list[i]) {
        throw new Error(`replica ${replica} has ${state.list[i]} at ${i}, others ${this.agreed[i]}`);
      }
    }
    this.lastSeen[replica] = state.list.length;
  }

  get completed(): number {
    return this.invocations.filter(({ result }) => result !== undefined).length;
  }

  /**
   * Linearizability of `append` and `length` with exactly-once execution: appends give the order by their positions,
   * so it is enough that positions are right, unique, and in keeping with real time, for reads too.
   */
  check(): void {
    if (new Set(this.agreed).size !== this.agreed.length) throw new Error('an append was executed twice');
    const position = new Map(this.agreed.map((token, index) => [token, index + 1]));
    const seen: { from: number; to: number; length: number; read: boolean }[] = [];
    for (const { operation, invokedAt, returnedAt, result } of this.invocations) {
      if (result === undefined) continue;
      if (!/^\d+$/.test(result)) throw new Error(`${operation} returned ${result}`);
      const [verb, token] = operation.split(' ');
      if (verb === 'append' && position.get(token) !== Number(result)) {
        throw new Error(`${operation} returned ${result} but stands at ${position.get(token)}`);
      }
      seen.push({ from: invokedAt, to: returnedAt, length: Number(result), read: verb !== 'append' });
    }
    seen.sort((a, b) => a.from - b.from);
    const byReturn = [...seen].sort((a, b) => a.to - b.to);
    let returned = 0;
    let highest = 0;
    for (const each of seen) {
      while (returned < byReturn.length && byReturn[returned].to < each.from) {
        highest = Math.max(highest, byReturn[returned++].length);
      }
      if (each.read ? each.length < highest : each.length <= highest) {
        throw new Error(`a call that began at ${each.from} saw ${each.length}, after ${highest} had been returned`);
      }
    }
    for (const token of this.agreed) {
      const invocation = this.invocations.find(({ operation }) => operation === `append ${token}`);
      if (invocation === undefined) throw new Error(`${token} was executed and never invoked`);
    }
    // A read must not see what had not been invoked when it returned.
    for (const { to, length, read } of seen) {
      if (!read || length === 0) continue;
      const last = this.invocations.find(({ operation }) => operation === `append ${this.agreed[length - 1]}`);
      if (last!.invokedAt > to) throw new Error('a read saw an append before it was invoked');
    }
  }
}
