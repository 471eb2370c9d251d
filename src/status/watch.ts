/** A cluster looked at again and again: what only several looks can tell is added to the verdict of the last one. */
import { RateMeter, type Rates } from './rates.js';
import { type Agreement, type Answer, agreement, type ClusterStatus, judge, strays } from './verdicts.js';

/** Checkpoints whose root is remembered, so that replicas can be compared that are not at the same one. */
const REMEMBERED_ROOTS = 256;

export interface Look {
  status: ClusterStatus;
  agreement: Agreement | null;
  /** By replica. */
  rates: Rates[];
  /** What f+1 replicas reach. */
  vouched: Rates;
}

export class Watch {
  private readonly meter = new RateMeter();
  /** By checkpoint: the root that f+1 had there. */
  private readonly roots = new Map<number, string>();
  private strayed = new Set<number>();

  /** @param f of the cluster whose id, in hex, is `cluster` */
  constructor(private readonly known: { cluster: string; f: number }) {}

  /** @param atMs on a clock that never goes back */
  look(atMs: number, answers: readonly Answer[]): Look {
    const judged = judge(this.known, answers);
    const agreed = agreement(judged);
    if (agreed !== null) this.remember(agreed);
    const straying = new Set(strays(judged));
    const replicas = judged.replicas.map((replica) => {
      const { id, stableCheckpoint, stateRoot, view } = replica;
      const root = stableCheckpoint === null ? undefined : this.roots.get(stableCheckpoint);
      const why =
        replica.suspected ??
        (root !== undefined && stateRoot && root !== stateRoot
          ? `its state is not that which ${this.known.f + 1} others had at checkpoint ${stableCheckpoint}`
          : null) ??
        (straying.has(id) && this.strayed.has(id) ? `says view ${view}, in which no quorum can be` : null);
      return { ...replica, suspected: why };
    });
    this.strayed = straying;
    const status = { ...judged, replicas };
    const { replicas: rates, vouched } = this.meter.look(atMs, status);
    return { status, agreement: agreed, rates, vouched };
  }

  private remember({ checkpoint, root }: Agreement): void {
    this.roots.set(checkpoint, root);
    const [oldest] = this.roots.keys();
    if (this.roots.size > REMEMBERED_ROOTS) this.roots.delete(oldest);
  }
}
