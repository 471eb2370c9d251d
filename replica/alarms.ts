/** What the log says of the other replicas, each thing once: who lies, and that there are too few for a quorum. */
import type { Logger } from 'pino';
import type { ReplicaDescription } from '../src/pbft/replica.js';

/** Replicas that are started together, or one after the other, find each other within this. */
const ALONE_MS = 10_000;

export class Alarms {
  private readonly told = new Set<string>();
  /** Since when too few are linked, by the clock. */
  private aloneSince: number | undefined;
  private isAlone = false;

  /** @param f how many may be faulty, of 3f+1 */
  constructor(
    private readonly f: number,
    private readonly log: Logger,
  ) {}

  /**
   * @param linked other replicas that there is a link to
   * @param now milliseconds on a clock that never goes back
   */
  look({ suspicions }: Pick<ReplicaDescription, 'suspicions'>, linked: number, now: number): void {
    for (const { replica, why } of suspicions) {
      const key = `${replica} ${why}`;
      if (this.told.has(key)) continue;
      this.told.add(key);
      this.log.warn({ replica, why }, `replica ${replica} seems faulty: ${why}`);
    }
    const needed = 2 * this.f;
    if (linked >= needed) {
      if (this.isAlone) this.log.info({ linked }, 'enough replicas for a quorum are linked again');
      this.isAlone = false;
      this.aloneSince = undefined;
      return;
    }
    this.aloneSince ??= now;
    if (this.isAlone || now - this.aloneSince < ALONE_MS) return;
    this.isAlone = true;
    this.log.error({ linked, needed }, 'no quorum: too few other replicas are linked, and no call is answered');
  }
}
