import { incarnationOf } from '../../../src/pbft/incarnation.js';
import type { Agreement } from './agreement.js';
import type { Invocation, Invocations } from './invocations.js';
import { checkList } from './list.js';
import { checkRegisters } from './registers.js';

/**
 * The histories of one incarnation after another: each begins from what the one before left, and each is the work of one
 * correct server. What a client was told in one, and was lost with more than f memories, is so in the next.
 */
export class Eras {
  /** Some never come so far that anything commits in them. */
  incarnation = 0;
  /** What stood in the list, and in the registers, when this one began. */
  private before = 0;
  private registers = new Map<string, string>();

  constructor(
    private readonly agreement: Agreement,
    private readonly invocations: Invocations,
  ) {}

  /** Throws unless all that clients were told in this incarnation can be the work of one correct server. */
  check(): void {
    checkList(this.invocations.current, this.agreement.list, this.before);
    this.checkRegisters();
  }

  checkRegisters(): void {
    checkRegisters(this.invocations.current, this.registers);
  }

  /**
   * The next begins, with that batch, from the state after another.
   * @param register what one of its registers holds
   */
  next(sequence: number, after: number, register: (key: string) => string | undefined): void {
    const { agreement, invocations } = this;
    checkList(invocations.current, withTentative(agreement.list, invocations.current), this.before);
    this.checkRegisters();
    agreement.begins(sequence, after);
    invocations.beginEra();
    this.incarnation = incarnationOf(sequence);
    this.before = agreement.list.length;
    this.registers = new Map();
    for (const key of new Set(invocations.all.map((each) => each.key))) {
      const value = register(key);
      if (value !== undefined) this.registers.set(key, value);
    }
  }
}

/** With what clients were told tentatively, and can never commit any more. */
function withTentative(agreed: readonly string[], invocations: readonly Invocation[]): string[] {
  const told = new Map<number, string>();
  for (const { verb, key, result } of invocations) {
    if (result === undefined) continue;
    const [length, last] = result.split(':');
    if (verb === 'append') told.set(Number(length), key);
    if (verb === 'last' && !told.has(Number(length))) told.set(Number(length), last);
  }
  const list = [...agreed];
  // Between what was told of may stand what nobody was told of.
  const untold = invocations.filter(
    ({ verb, key, result }) => verb === 'append' && result === undefined && !list.includes(key),
  );
  const tokens = untold.map(({ key }) => key).filter((key) => ![...told.values()].includes(key));
  const highest = Math.max(0, ...told.keys());
  while (list.length < highest) {
    const token = told.get(list.length + 1) ?? tokens.pop();
    if (token === undefined) break;
    list.push(token);
  }
  return list;
}
