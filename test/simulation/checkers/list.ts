import { Violation } from '../violation.js';
import type { Invocation } from './invocations.js';

const READS = ['length', 'last'];

/**
 * Linearizability and exactly-once execution of the list service: appends give the one possible order by their
 * positions, so it is enough that positions are right and unique, and in keeping with real time, for reads too.
 *
 * @param agreed the tokens in the order the replicas agreed on
 * @param before how many of them stood there before the first invocation
 */
export function checkList(invocations: readonly Invocation[], agreed: readonly string[], before = 0): void {
  const position = new Map(agreed.map((token, index) => [token, index + 1]));
  if (position.size !== agreed.length) {
    const twice = agreed.find((token, index) => position.get(token) !== index + 1);
    throw new Violation('exactly-once', `${twice} was appended twice`);
  }
  const appends = new Map<string, Invocation>();
  for (const each of invocations) if (each.verb === 'append') appends.set(each.key, each);
  for (const token of agreed.slice(before)) {
    if (!appends.has(token)) throw new Violation('validity', `${token} was appended, and no client asked for it`);
  }
  const seen: Seen[] = [];
  for (const invocation of invocations) {
    const { verb, key, result } = invocation;
    const read = READS.includes(verb);
    if (result === undefined || !(read || verb === 'append')) continue;
    const length = Number.parseInt(result, 10);
    if (verb === 'append' && position.get(key) !== length) {
      const actual = position.get(key) ?? 'nowhere';
      throw new Violation('linearizability', `append ${key} returned ${result}, and stands ${actual}`);
    }
    if (verb === 'last' && result !== `${length}:${agreed[length - 1] ?? ''}`) {
      throw new Violation('linearizability', `last returned ${result}, where ${agreed[length - 1]} stands`);
    }
    const last = read && length > 0 ? appends.get(agreed[length - 1]) : undefined;
    if (last !== undefined && last.invokedAt > invocation.returnedAt) {
      throw new Violation('linearizability', `a read returned ${result} before ${last.operation} was invoked`);
    }
    seen.push({ from: invocation.invokedAt, to: invocation.returnedAt, length, read, operation: invocation.operation });
  }
  checkRealTime(seen);
}

interface Seen {
  from: number;
  to: number;
  length: number;
  read: boolean;
  operation: string;
}

/** Whoever began after another had returned saw at least as much; an append, more. */
function checkRealTime(seen: Seen[]): void {
  seen.sort((a, b) => a.from - b.from);
  const byReturn = [...seen].sort((a, b) => a.to - b.to);
  let returned = 0;
  let highest = 0;
  for (const { operation, from, to, length, read } of seen) {
    while (returned < byReturn.length && byReturn[returned].to < from) {
      highest = Math.max(highest, byReturn[returned++].length);
    }
    if (read ? length < highest : length <= highest) {
      const when = `began at ${from.toFixed(1)} and returned at ${to.toFixed(1)} ms`;
      throw new Violation('linearizability', `${operation} ${when} with ${length}, after ${highest} had been returned`);
    }
  }
}
