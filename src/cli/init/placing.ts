/** A cluster directory comes to be all at once: written aside, then moved in place, the cluster file last. */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCluster } from '../../cluster/file.js';
import { CLUSTER_FILE, type Layout, layoutOf } from '../../cluster/layout.js';
import type { Cluster } from '../../cluster/types.js';

/** Makes the initial state of one replica in a directory that does not exist yet. */
export type CreateReplica = (options: { cluster: Cluster; id: number; directory: string }) => Promise<void>;

/**
 * @param directory absolute, and there
 * @param fill makes what is in it beside the cluster file
 */
export async function place(
  directory: string,
  cluster: Cluster,
  fill: (staging: Layout) => Promise<void>,
): Promise<void> {
  const staging = layoutOf(join(directory, `.init-${process.pid}`));
  try {
    mkdirSync(staging.directory, { mode: 0o700 });
    await fill(staging);
    writeFileSync(staging.clusterFile, formatCluster(cluster), { mode: 0o644, flush: true });
    const parts = readdirSync(staging.directory).filter((name) => name !== CLUSTER_FILE);
    for (const name of [...parts, CLUSTER_FILE]) renameSync(join(staging.directory, name), join(directory, name));
    rmdirSync(staging.directory);
  } catch (error) {
    rmSync(staging.directory, { recursive: true, force: true });
    throw error;
  }
}
