import { Violation } from '../violation.js';
import type { Invocations } from './invocations.js';

/** As MemoryState writes a batch: `client/instance operation=result;`, after each, if it took a slot, `@slot.sequence;`. */
const EXECUTED = /^((\d+)\/\d+) (.*)=/;
const SLOT = /^@(\d+)\.(\d+)$/;

/**
 * Of what the replicas agreed to execute: every operation is one that the client in whose name it was executed asked for,
 * and every slot of a session has used each of its sequence numbers once, in their order.
 */
export class Executions {
  private readonly slots = new Map<string, number>();

  constructor(private readonly invocations: Invocations) {}

  /** The batch that was agreed on next. */
  executed(content: string): void {
    let session = '';
    let operation = '';
    for (const part of content.split(';')) {
      const executed = EXECUTED.exec(part);
      if (executed !== null) {
        const client = Number(executed[2]);
        [, session, , operation] = executed;
        if (this.invocations.wasAsked(client, operation)) continue;
        throw new Violation('validity', `${operation} was executed for client ${client}, which never asked for it`);
      }
      const slot = SLOT.exec(part);
      if (slot !== null) this.takes(session, Number(slot[1]), Number(slot[2]), operation);
    }
  }

  private takes(session: string, slot: number, sequence: number, operation: string): void {
    const key = `${session} ${slot}`;
    const last = this.slots.get(key) ?? 0;
    this.slots.set(key, sequence);
    if (sequence === last + 1) return;
    const what = `slot ${slot} of session ${session} executed ${operation} as number ${sequence}`;
    throw new Violation('exactly-once', `${what}, after ${last}`);
  }
}
