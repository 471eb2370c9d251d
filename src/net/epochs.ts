/**
 * Which process of each replica is the latest, by the epochs in their handshakes. Keys of an earlier one may have been
 * stolen: from when the later one is known, there is no grace for them (TOCS '02 §5.2.1).
 */
import { Limits } from '../limits.js';
import type { Peer } from './admission.js';

export class Epochs {
  /** By replica: the highest that its signature vouched for. */
  private readonly latest = new Map<number, number>();

  /**
   * Takes note of the epoch of a peer whose identity is proven.
   * @param nowMs milliseconds since 1970
   * @returns why it is to be refused; undefined if it is not. Clients have none.
   */
  fault({ role, id }: Peer, epoch: number, nowMs: number): 'old-epoch' | 'future-epoch' | undefined {
    if (role === 'client') return undefined;
    // Whoever has a process for a while must not shut out the ones after it for long.
    if (epoch > nowMs + Limits.clockSkewMs) return 'future-epoch';
    if (epoch < (this.latest.get(id) ?? 0)) return 'old-epoch';
    this.latest.set(id, epoch);
    return undefined;
  }
}
