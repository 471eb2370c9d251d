/**
 * A second service over the same replicas: who holds what. Custody of an item passes when its holder has offered it and
 * the other party accepts, in one step on which all correct replicas agree; nobody can hand over what another holds,
 * since a request is its client's by MAC or signature. It knows of no replica, view or message.
 */
import type { SessionId } from '../../src/pbft/messages.js';
import type { Execution, ExecutionContext, Service } from '../../src/pbft/ports.js';
import { type Custody, decodeCustody, decodeEntry, encodeEntry, encodeOutcome, type Refusal } from './operations.js';

/** Rows of the replicated state, which is where all of a service's state belongs. */
export interface Records {
  find(key: Uint8Array): Uint8Array | undefined;
  set(key: Uint8Array, value: Uint8Array): void;
}

export class CustodyRegister implements Service {
  constructor(private readonly records: Records) {}

  execute(bytes: Uint8Array, { session }: ExecutionContext): Execution {
    // Custody that was said to have passed survives a loss of power.
    return { result: encodeOutcome(this.perform(bytes, session.client)), durable: true, transient: false };
  }

  query(bytes: Uint8Array): Uint8Array {
    const operation = decodeCustody(bytes);
    return encodeOutcome(operation?.op === 'query' ? this.entry(operation.item) : 'malformed');
  }

  /** Custody is a client's, not a session's. */
  sessionEnded(_session: SessionId): void {}

  private perform(bytes: Uint8Array, caller: number): Custody | Refusal {
    const operation = decodeCustody(bytes);
    if (operation === undefined) return 'malformed';
    const { item } = operation;
    const entry = this.entry(item);
    if (operation.op === 'query') return entry;
    if (operation.op === 'enter') {
      if (typeof entry !== 'string') return 'entered before';
      return this.put(item, { holder: caller, offeredTo: caller, handovers: 0 });
    }
    if (typeof entry === 'string') return entry;
    if (operation.op === 'offer') {
      return entry.holder === caller ? this.put(item, { ...entry, offeredTo: operation.to }) : 'not the holder';
    }
    if (entry.offeredTo !== caller || entry.holder === caller) return 'not offered';
    return this.put(item, { holder: caller, offeredTo: caller, handovers: entry.handovers + 1 });
  }

  private entry(item: Uint8Array): Custody | Refusal {
    const row = this.records.find(item);
    return row === undefined ? 'unknown item' : decodeEntry(row);
  }

  private put(item: Uint8Array, entry: Custody): Custody {
    this.records.set(item, encodeEntry(entry));
    return entry;
  }
}
