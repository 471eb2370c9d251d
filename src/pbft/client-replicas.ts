import type { Configuration } from './configuration.js';
import { EVERYONE, type ReplicaId, type View } from './messages.js';

/** A replica whose result was late is not designated again for so long. */
const SUSPECTED_MS = 5000;

/** What a client knows of the replicas: in which view they are, and which of them to have results from. */
export class KnownReplicas {
  /** The current view: one that f+1 replicas report, or have passed. */
  view: View = 0;
  private readonly views: View[] = [];
  private readonly linked = new Set<ReplicaId>();
  private readonly suspectedUntil: number[] = [];
  private nextReplier = 0;

  constructor(private readonly configuration: Configuration) {}

  linkUp(replica: ReplicaId): void {
    this.linked.add(replica);
  }

  linkDown(replica: ReplicaId): void {
    this.linked.delete(replica);
  }

  learnView(view: View, from: ReplicaId): void {
    if (this.views[from] === view) return;
    this.views[from] = view;
    const reported = [...this.views].map((each) => each ?? 0).sort((a, b) => b - a);
    this.view = Math.max(this.view, reported[this.configuration.f] ?? 0);
  }

  /** How many of those that can be reached `heard` is false of. */
  unheard(heard: (replica: ReplicaId) => boolean): number {
    let unheard = 0;
    for (const replica of this.linked) if (!heard(replica)) unheard++;
    return unheard;
  }

  suspect(replier: number, now: number): void {
    if (replier !== EVERYONE) this.suspectedUntil[replier] = now + SUSPECTED_MS;
  }

  /** Each replica in turn, but for those that cannot be reached or were late or wrong a moment ago. */
  designateReplier(now: number): number {
    const { n } = this.configuration;
    for (let tries = 0; tries < n; tries++) {
      const replica = this.nextReplier;
      this.nextReplier = (this.nextReplier + 1) % n;
      if (this.linked.has(replica) && (this.suspectedUntil[replica] ?? 0) <= now) return replica;
    }
    return EVERYONE;
  }
}
