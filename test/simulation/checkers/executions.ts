import { sessionKey } from '../../../src/pbft/digests.js';
import type { SequenceNumber, SessionId } from '../../../src/pbft/messages.js';
import type { SlotRow } from '../../../src/pbft/ports.js';
import { Violation } from '../violation.js';
import type { Invocations } from './invocations.js';

/** A batch as states write it down: `client/instance operation=result;`, after each, if it took a slot, `@slot.sequence;`. */
export const executedText = (session: SessionId, operation: Uint8Array, result: Uint8Array): string =>
  `${sessionKey(session)} ${Buffer.from(operation)}=${Buffer.from(result)};`;

export const slotText = ({ slot, sequence }: SlotRow): string => `@${slot}.${sequence};`;

/** Of the first batch of an incarnation, before all else: which number the state had. */
export const beginsText = (after: SequenceNumber): string => `begins after ${after};`;

/** That number; undefined of any other batch. */
export function beginsAfter(content: string): SequenceNumber | undefined {
  const begins = /^begins after (\d+);/.exec(content);
  return begins === null ? undefined : Number(begins[1]);
}

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
