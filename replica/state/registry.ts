/**
 * The clients that are registered for good, for what is decided outside of execution: whose links and signatures are whose.
 * It follows the state batch by batch as they commit, and never has anything tentative.
 */
import type { ClientRow } from './rows.js';
import type { Store } from './store.js';

export class Registry {
  private rows: ReadonlyMap<number, ClientRow> = new Map();
  private version = -1;
  /** Rises whenever somebody may have been registered or revoked. */
  changes = 0;

  constructor(private readonly store: Store) {
    this.reload();
  }

  get(client: number): ClientRow | undefined {
    return this.rows.get(client);
  }

  /** To be called when a batch is final. */
  follow(): void {
    if (this.store.header.row.clientsVersion !== this.version) this.reload();
  }

  /** To be called when the rows are those of another state. */
  reload(): void {
    this.version = this.store.header.row.clientsVersion;
    this.rows = new Map(this.store.clients.all().map((row) => [row.id, row]));
    this.changes++;
  }
}
