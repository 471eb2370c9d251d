import { sameDigest } from './digests.js';
import type { Digest, ReplicaId, View } from './messages.js';

/**
 * Votes of one kind for one sequence number. Each sender has one: its latest view's first, so that nobody counts
 * twice and no one can take a vote back (traps 2 and 10). Votes count only if view and digest match.
 */
export class Votes {
  private readonly views: View[] = [];
  private readonly digests: (Digest | undefined)[] = [];

  /** False if the sender has voted in this view, or a later one, before. */
  add(sender: ReplicaId, view: View, digest: Digest): boolean {
    const earlier = this.views[sender];
    if (earlier !== undefined && earlier >= view) return false;
    this.views[sender] = view;
    this.digests[sender] = digest;
    return true;
  }

  count(view: View, digest: Digest): number {
    let count = 0;
    for (let sender = 0; sender < this.views.length; sender++) if (this.matches(sender, view, digest)) count++;
    return count;
  }

  has(sender: ReplicaId, view: View): boolean {
    return this.views[sender] === view;
  }

  private matches(sender: ReplicaId, view: View, digest: Digest): boolean {
    const voted = this.digests[sender];
    return voted !== undefined && this.views[sender] === view && (voted === digest || sameDigest(voted, digest));
  }
}
