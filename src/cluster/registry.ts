/** Names and numbers of a cluster's members. */
import { ClusterError } from './errors.js';
import type { ClientEntry, Cluster, ReplicaEntry } from './types.js';

/** The client that `byzfs status` and the benchmarks speak as; every cluster has it. */
export const ADMIN = 'admin';

/** The client that `byzfs mount` speaks as unless told otherwise. */
export const DEFAULT_MOUNT_CLIENT = 'mount';

/** @throws ClusterError `unknown-member` */
export function clientNamed(cluster: Cluster, name: string): ClientEntry {
  const client = cluster.clients.find((entry) => entry.name === name);
  if (client === undefined) {
    const known = cluster.clients.map((entry) => entry.name).join(', ');
    throw new ClusterError(
      'unknown-member',
      `cluster.json: no client is named "${name}": it has ${known}, and there is no clients/${name}.json of byzfs client add`,
    );
  }
  return client;
}

/** @throws ClusterError `unknown-member` */
export function replicaNumbered(cluster: Cluster, id: number): ReplicaEntry {
  const replica = cluster.replicas[id];
  if (replica === undefined) {
    throw new ClusterError(
      'unknown-member',
      `cluster.json: no replica ${id}: it has 0 to ${cluster.replicas.length - 1}`,
    );
  }
  return replica;
}

/** `replicas[1]`, `clients[0]`: whose public key that is in the cluster file; undefined: nobody's. */
export function memberWithKey({ replicas, clients }: Cluster, publicKey: Buffer): string | undefined {
  const replica = replicas.find((entry) => entry.publicKey.equals(publicKey));
  if (replica !== undefined) return `replicas[${replica.id}]`;
  const client = clients.find((entry) => entry.publicKey.equals(publicKey));
  return client === undefined ? undefined : `clients[${client.id}]`;
}
