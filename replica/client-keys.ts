import { VerifyingKey } from '../src/crypto/ed25519.js';
import type { Registry } from './state/registry.js';

/** Keys of the registered clients, those revoked among them: what they signed while they had rights stays authentic. */
export class ClientKeys {
  private readonly made = new Map<number, { publicKey: Buffer; key: VerifyingKey }>();

  constructor(private readonly registry: Registry) {}

  /** Undefined: no such client is registered, as far as this replica has come. */
  readonly of = (client: number): VerifyingKey | undefined => {
    const row = this.registry.get(client);
    if (row === undefined) return undefined;
    const known = this.made.get(client);
    // After a loss of power by all the number may have become another's.
    if (known?.publicKey.equals(row.publicKey)) return known.key;
    const key = new VerifyingKey(row.publicKey);
    this.made.set(client, { publicKey: row.publicKey, key });
    return key;
  };
}
