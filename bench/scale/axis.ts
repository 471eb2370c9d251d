/** One axis of `scale`: what differs from point to point, everything else being the defaults. */
import { readFileSync } from 'node:fs';
import type { ServiceClient } from '../../src/client/types.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { layoutOf } from '../../src/cluster/layout.js';
import { ADMIN } from '../../src/cluster/registry.js';
import type { Cluster, Identity } from '../../src/cluster/types.js';
import { startCluster } from '../cluster.js';
import { closedLoop, type LoadResult } from '../micro/load.js';
import type { Curve } from '../report.js';

export interface AxisContext {
  command: readonly string[];
  connect(cluster: Cluster, identity: Identity): Promise<ServiceClient>;
  /** Measured at each point, of each kind. */
  operations: number;
  /** performance.now() after which no further point is begun. */
  deadline: number;
  signal: AbortSignal;
  /** A point is done. */
  step(what: string): void;
}

export interface Axis {
  name: string;
  points: readonly number[];
  /** @returns curves with as many of the points as time allowed */
  measure(points: readonly number[], context: AxisContext): Promise<Curve[]>;
}

/** The last points come with those that took long: better none of them than an hour more. */
export const OUT_OF_TIME = 'stopped before the last points: its time was up';

/** Warms up with a tenth of the calls, at least, and measures. */
export async function warmLoop(call: () => Promise<unknown>, outstanding: number, calls: number): Promise<LoadResult> {
  await closedLoop(call, outstanding, Math.max(outstanding, Math.ceil(calls / 10)));
  return closedLoop(call, outstanding, calls);
}

/** A cluster and clients of it while `use` runs; all is ended then, however it ended. */
export async function withCluster<T>(
  { command, connect, signal }: AxisContext,
  replicas: number,
  clientNames: readonly string[],
  use: (clients: ServiceClient[], directory: string) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const init = clientNames.filter((name) => name !== ADMIN).flatMap((name) => ['--client', name]);
  const started = await startCluster({ command, replicas, init, mount: false });
  const clients: ServiceClient[] = [];
  try {
    const cluster = loadCluster(started.directory);
    for (const name of clientNames) {
      clients.push(await connect(cluster, loadClientIdentity(started.directory, cluster, name)));
    }
    return await use(clients, started.directory);
  } finally {
    await Promise.allSettled(clients.map((client) => client.close()));
    await started.stop();
  }
}

/** Resident memory of the largest replica process of a cluster that runs here, in MiB: VmRSS of proc_pid_status(5). */
export function largestReplicaMiB(directory: string, replicas: number): number {
  const sizes = Array.from({ length: replicas }, (_, id) => {
    const pid = readFileSync(layoutOf(directory).replicaPid(id), 'utf8').trim();
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
  });
  return Math.round(Math.max(...sizes) / 1024);
}

/** Gathers the points of several curves that share an axis. */
export class Series {
  private readonly points = new Map<string, (readonly [number, number])[]>();

  add(name: string, x: number, y: number): void {
    const known = this.points.get(name);
    if (known === undefined) this.points.set(name, [[x, y]]);
    else known.push([x, y]);
  }

  curve(what: Pick<Curve, 'axis' | 'xLabel' | 'yLabel' | 'skipped'>): Curve {
    return { ...what, series: [...this.points].map(([name, points]) => ({ name, points })) };
  }
}
