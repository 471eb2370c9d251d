/** Those whose consent a change of the clients takes: the owners of the replicas, by the replicas' identity keys. */
import type { Cluster } from '../../src/cluster/types.js';
import { VerifyingKey } from '../../src/crypto/ed25519.js';
import { Signables } from '../../src/crypto/signables.js';
import { type Approval, type Change, encodeChange } from '../../src/fileservice/clients.js';

export class Owners {
  private readonly signables: Signables;
  private readonly keys: readonly VerifyingKey[];
  /** How many of them have to sign; 0: none. */
  readonly needed: number;

  constructor(private readonly cluster: Cluster) {
    this.signables = new Signables(cluster.id);
    this.keys = cluster.replicas.map(({ publicKey }) => new VerifyingKey(publicKey));
    this.needed = cluster.ownerSignatures;
  }

  /**
   * Whether enough have signed the change as one of that version. One signature that is wrong makes all worthless: who
   * submits them can see for themselves which it is.
   * @param approvals of different owners
   */
  consent(version: number, change: Change, approvals: readonly Approval[]): boolean {
    if (approvals.length < this.needed) return false;
    const signed = this.signables.administration(version, encodeChange(change));
    return approvals.every(({ replica, signature }) => this.keys[replica]?.verify(signed, signature) ?? false);
  }

  /** Whether that is the key of a replica: no client may have it. */
  hasKey(publicKey: Buffer): boolean {
    return this.cluster.replicas.some((replica) => replica.publicKey.equals(publicKey));
  }
}
