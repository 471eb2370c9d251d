import fs from 'node:fs';
import type { Cluster } from '../src/cluster/types.js';
import { createJournal } from './journal/journal.js';
import { replicaFiles } from './layout.js';
import { createFileState } from './state/index.js';

export interface CreateReplicaOptions {
  cluster: Cluster;
  /** Which replica the directory is for. */
  id: number;
  /** The replica's own directory; made if it is not there. */
  directory: string;
}

/**
 * For a replica that lost its disk: makes what is missing, to be started with `rejoin` (DESIGN 3.12). It has forgotten
 * what it said, which an empty journal does not tell.
 */
export function recreateReplica({ cluster, id, directory }: CreateReplicaOptions): void {
  const files = replicaFiles(directory);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!fs.existsSync(files.journal)) {
    createJournal({ directory: files.journal, owner: { clusterId: cluster.id, replica: id } });
  }
  if (!fs.existsSync(files.state)) {
    createFileState({ path: files.state, cluster, durability: cluster.durability }).close();
  }
}

/** Makes the agreed initial state and an empty journal. Refuses where either exists: it never starts anything over. */
export function createReplica({ cluster, id, directory }: CreateReplicaOptions): void {
  const files = replicaFiles(directory);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  createFileState({ path: files.state, cluster, durability: cluster.durability }).close();
  createJournal({ directory: files.journal, owner: { clusterId: cluster.id, replica: id } });
}
