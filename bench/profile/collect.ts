/** Gathers what the processes of one cluster tell of themselves, over the runs that count. */
import { join } from 'node:path';
import {
  type ClientFigures,
  MOUNT_OUTLET,
  type MountFigures,
  minus,
  plus,
  type ReplicaFigures,
  replicaOutlet,
} from '../../src/profiling/figures.js';
import { askFigures } from '../../src/profiling/outlet.js';

/** Of one cluster; the client is its mount, or this process. */
export interface ClusterFigures {
  client: ClientFigures & Partial<MountFigures>;
  replicas: ReplicaFigures[];
}

export class Collector {
  private begun: ClusterFigures | undefined;
  private sum: ClusterFigures | undefined;

  /**
   * @param directory where the processes offer their figures
   * @param client that of the calls; by default the mount
   */
  constructor(
    private readonly directory: string,
    private readonly replicas: number,
    private readonly client = (): Promise<ClusterFigures['client']> =>
      askFigures(join(directory, MOUNT_OUTLET)) as Promise<MountFigures>,
  ) {}

  private async ask(): Promise<ClusterFigures> {
    const ids = Array.from({ length: this.replicas }, (_, id) => id);
    const replicas = ids.map((id) => askFigures(join(this.directory, replicaOutlet(id))) as Promise<ReplicaFigures>);
    // A copy: this process goes on with its own.
    return structuredClone({ client: await this.client(), replicas: await Promise.all(replicas) });
  }

  /** What is done from now on counts, until `end`. */
  async begin(): Promise<void> {
    this.begun = await this.ask();
  }

  /** @returns what has been since `begin` */
  async end(): Promise<ClusterFigures> {
    const now = await this.ask();
    const { client, replicas } = this.begun!;
    const since = {
      client: minus(now.client, client),
      replicas: now.replicas.map((each, id) => ({ ...minus(each, replicas[id]), view: each.view })),
    };
    this.sum = this.sum === undefined ? since : sumOf(this.sum, since);
    return since;
  }

  /** Of all that counted; undefined if nothing did. */
  get figures(): ClusterFigures | undefined {
    return this.sum;
  }
}

export const sumOf = (a: ClusterFigures, b: ClusterFigures): ClusterFigures => ({
  client: plus(a.client, b.client),
  // The primary is that of the end.
  replicas: b.replicas.map((each, id) => ({ ...plus(a.replicas[id], each), view: each.view })),
});
