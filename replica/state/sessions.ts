/** Sessions and replies as rows of the replicated state (trap 5). */
import type { SessionId } from '../../src/pbft/messages.js';
import type { SessionRow, SessionStore, SlotRow, Standing } from '../../src/pbft/ports.js';
import type { Store } from './store.js';

/** Rows handed over or out are shared, not copied: neither side changes them afterwards. */
export class StoredSessions implements SessionStore {
  constructor(private readonly store: Store) {}

  standing(client: number): Standing {
    const row = this.store.clients.get(client);
    if (row === undefined) return 'unknown';
    return row.revoked === undefined ? 'registered' : 'revoked';
  }

  endedInstance(client: number): number {
    return this.store.endedInstances.get(client)?.instance ?? 0;
  }

  setEndedInstance(client: number, instance: number): void {
    this.store.endedInstances.put(client, { client, instance });
  }

  sessions(client: number): SessionRow[] {
    return this.store.sessions.list(client);
  }

  all(): SessionRow[] {
    return this.store.sessions.all();
  }

  session(id: SessionId): SessionRow | undefined {
    return this.store.sessions.find(id);
  }

  putSession(row: SessionRow): void {
    this.store.sessions.set(row);
  }

  deleteSession(id: SessionId): void {
    const session = this.store.sessions.find(id);
    if (session === undefined) return;
    for (let slot = 0; slot < session.slots; slot++) this.store.slots.unset(id, slot);
    this.store.sessions.unset(id);
  }

  slot(id: SessionId, slot: number): SlotRow | undefined {
    return this.store.slots.find(id, slot);
  }

  putSlot(id: SessionId, row: SlotRow): void {
    this.store.slots.set(id, row);
  }
}
