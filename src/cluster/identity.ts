/** Who a process is: its private key, checked against the public key the cluster has on file for it. */
import { SigningKey } from '../crypto/ed25519.js';
import { readClientRecord } from './client-record.js';
import { ClusterError } from './errors.js';
import { readKeyFile } from './keys.js';
import { layoutOf } from './layout.js';
import { clientNamed, replicaNumbered } from './registry.js';
import type { Cluster, Identity, Role } from './types.js';

function load(path: string, role: Role, id: number, registered: Buffer, whose: string): Identity {
  const seed = readKeyFile(path);
  if (!new SigningKey(seed).publicKey.equals(registered)) {
    throw new ClusterError('invalid', `${path}: not the key of ${whose}: corrupt, or of another cluster`);
  }
  return { role, id, seed };
}

/** @throws ClusterError */
export function loadReplicaIdentity(directory: string, cluster: Cluster, id: number): Identity {
  const replica = replicaNumbered(cluster, id);
  return load(layoutOf(directory).replicaKey(id), 'replica', id, replica.publicKey, `replicas[${id}] in cluster.json`);
}

/**
 * Of a client in the cluster file, or of one that was registered later, perhaps in the place of a revoked one.
 * @throws ClusterError
 */
export function loadClientIdentity(directory: string, cluster: Cluster, name: string): Identity {
  const layout = layoutOf(directory);
  const path = layout.clientRecord(name);
  const later = readClientRecord(path, cluster.id);
  const client = later ?? clientNamed(cluster, name);
  const whose = later === undefined ? `clients[${client.id}] in cluster.json` : `client ${client.id} in ${path}`;
  return load(layout.clientKey(name), 'client', client.id, client.publicKey, whose);
}
