import { Violation } from '../violation.js';
import type { Invocation } from './invocations.js';

const EMPTY = '-';
const VERBS = ['get', 'put', 'cas', 'delete'];

/** What an operation makes of a register, and what it returns. All return what was there before. */
function apply(operation: string, value: string): string {
  const [verb, , argument, replacement] = operation.split(' ');
  if (verb === 'put') return argument;
  if (verb === 'delete') return EMPTY;
  if (verb === 'cas') return value === argument ? replacement : value;
  return value;
}

/**
 * Linearizability of the registers, each by itself (it is a local property: Herlihy & Wing, TOPLAS '90 §3.3), with the
 * search of Wing & Gong (JPDC '93) and the memory of Lowe (CPE '17): it looks for an order of the calls that keeps real
 * time and explains every result. A call without an answer may stand anywhere after its invocation, or nowhere.
 */
export function checkRegisters(
  invocations: readonly Invocation[],
  initial: ReadonlyMap<string, string> = new Map(),
): void {
  const histories = new Map<string, Invocation[]>();
  for (const invocation of invocations) {
    if (!VERBS.includes(invocation.verb)) continue;
    // An unanswered read explains nothing and changes nothing.
    if (invocation.verb === 'get' && invocation.result === undefined) continue;
    const history = histories.get(invocation.key);
    if (history === undefined) histories.set(invocation.key, [invocation]);
    else history.push(invocation);
  }
  for (const [key, history] of histories) checkRegister(key, history, initial.get(key) ?? EMPTY);
}

interface Step {
  /** Which candidate was taken, to go on after it when the way turns out to be closed. */
  taken: number;
  before: string;
}

function checkRegister(key: string, history: readonly Invocation[], initial: string): void {
  const search = new Search(history, initial);
  if (search.succeeds()) return;
  const { operation, result, invokedAt } = search.furthest!;
  const described = `${operation} -> ${result} (at ${invokedAt.toFixed(1)} ms)`;
  throw new Violation('linearizability', `register ${key}: no order explains its results; stuck before ${described}`);
}

class Search {
  private readonly calls: readonly Invocation[];
  private readonly done: Uint8Array;
  private readonly visited = new Set<string>();
  private readonly steps: Step[] = [];
  private deepest = -1;
  /** The first call that had no place when most had one. */
  furthest: Invocation | undefined;

  constructor(
    history: readonly Invocation[],
    private value: string,
  ) {
    this.calls = [...history].sort((a, b) => a.invokedAt - b.invokedAt);
    this.done = new Uint8Array(this.calls.length);
  }

  succeeds(): boolean {
    const { calls, done, steps } = this;
    const answered = calls.filter(isAnswered).length;
    let explained = 0;
    let from = 0;
    while (explained < answered) {
      const next = this.candidate(from);
      if (next >= 0) {
        steps.push({ taken: next, before: this.value });
        done[next] = 1;
        this.value = apply(calls[next].operation, this.value);
        if (isAnswered(calls[next])) explained++;
        from = 0;
        continue;
      }
      if (explained > this.deepest) {
        this.deepest = explained;
        this.furthest = calls.find((call, index) => !done[index] && isAnswered(call));
      }
      const last = steps.pop();
      if (last === undefined) return false;
      done[last.taken] = 0;
      this.value = last.before;
      if (isAnswered(calls[last.taken])) explained--;
      from = last.taken + 1;
    }
    return true;
  }

  /** The first call from `from` on that may stand next: none without a place had returned before it was invoked. */
  private candidate(from: number): number {
    const { calls, done, value, visited } = this;
    let earliestReturn = Number.POSITIVE_INFINITY;
    for (let i = 0; i < calls.length; i++) {
      if (done[i]) continue;
      // They are in order of invocation: nothing from here on may come before what has returned.
      if (calls[i].invokedAt > earliestReturn) break;
      earliestReturn = Math.min(earliestReturn, calls[i].returnedAt);
      if (i < from || !this.fits(calls[i])) continue;
      done[i] = 1;
      const state = `${apply(calls[i].operation, value)} ${configuration(done)}`;
      done[i] = 0;
      if (visited.has(state)) continue;
      visited.add(state);
      return i;
    }
    return -1;
  }

  /**
   * An answered call stands where its result is right. One without an answer need stand nowhere, but before an answered
   * call whose result it explains: all of them return what they find.
   */
  private fits(call: Invocation): boolean {
    const { calls, done, value } = this;
    if (isAnswered(call)) return call.result === value;
    const last = this.steps.at(-1);
    if (last !== undefined && !isAnswered(calls[last.taken])) return false;
    const made = apply(call.operation, value);
    return made !== value && calls.some((other, index) => !done[index] && other.result === made);
  }
}

const isAnswered = (call: Invocation): boolean => call.result !== undefined;

/** Which calls are placed: all up to some point, and a few beyond. */
function configuration(done: Uint8Array): string {
  let first = 0;
  while (first < done.length && done[first]) first++;
  let last = done.length - 1;
  while (last > first && !done[last]) last--;
  return `${first}:${Buffer.from(done.subarray(first, last + 1)).toString('latin1')}`;
}
