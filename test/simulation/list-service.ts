import { Limits } from '../../src/limits.js';
import type { Execution, Service } from '../../src/pbft/ports.js';

/** What the two services keep, in whatever kind of state. */
export interface ListRows {
  /** How many tokens there are, and the last one. */
  readonly length: number;
  readonly last: string | undefined;
  append(token: string): void;
  register(key: string): string | undefined;
  /** Undefined empties it. */
  setRegister(key: string, value: string | undefined): void;
}

const EMPTY = '-';

/**
 * Two services in one, whose histories show in their results:
 *
 *   a list:    `append TOKEN` yields the token's position, `length` how many there are, `last` position and last token;
 *   registers: `get K`, `put K VALUE` (yields what was there), `cas K OLD NEW`, `delete K`; `-` is what an empty one holds;
 *   `sync T`   is answered only from stable storage.
 */
export class ListService implements Service {
  constructor(private readonly rows: ListRows) {}

  execute(operation: Uint8Array): Execution {
    const [verb, key, value, replacement] = textOf(operation).split(' ');
    if (verb === 'append') this.rows.append(key);
    else if (verb === 'put' || verb === 'delete' || verb === 'cas') return this.change(verb, key, value, replacement);
    const result = this.answer(verb, key);
    return { result, durable: verb === 'sync', transient: result.length > Limits.cachedReplyBytes };
  }

  query(operation: Uint8Array): Uint8Array {
    const [verb, key] = textOf(operation).split(' ');
    const changes = verb === 'append' || verb === 'put' || verb === 'delete' || verb === 'cas';
    return changes ? Buffer.from('refused') : this.answer(verb, key);
  }

  sessionEnded(): void {}

  private change(verb: 'put' | 'delete' | 'cas', key: string, value: string, replacement: string): Execution {
    const { rows } = this;
    const before = rows.register(key) ?? EMPTY;
    if (verb === 'put') rows.setRegister(key, value);
    if (verb === 'delete') rows.setRegister(key, undefined);
    if (verb === 'cas' && before === value) rows.setRegister(key, replacement);
    return { result: Buffer.from(before), durable: false, transient: false };
  }

  private answer(verb: string, key: string): Buffer {
    const { rows } = this;
    if (verb === 'get') return Buffer.from(rows.register(key) ?? EMPTY);
    if (verb === 'last') return Buffer.from(`${rows.length}:${rows.last ?? ''}`);
    return Buffer.from(String(rows.length));
  }
}

const textOf = (operation: Uint8Array): string => Buffer.from(operation).toString();
