/** Who a process is: its private key, checked against the public key the cluster has on file for it. */
import { readClientRecord } from './client-record.js';
import { ClusterError } from './errors.js';
import { readStoredKey, seedOf } from './keys.js';
import { layoutOf } from './layout.js';
import { clientNamed, memberWithKey, replicaNumbered } from './registry.js';
import type { Cluster, Identity, Role } from './types.js';

interface Member {
  role: Role;
  id: number;
  publicKey: Buffer;
  /** For people. */
  whose: string;
}

/** That it is the right key is known before its passphrase is asked for. */
function checked(path: string, cluster: Cluster, { publicKey, whose }: Member) {
  const stored = readStoredKey(path);
  if (stored.publicKey.equals(publicKey)) return stored;
  const other = memberWithKey(cluster, stored.publicKey);
  const instead = other === undefined ? 'corrupt, or of another cluster' : `it is that of ${other}`;
  throw new ClusterError('invalid', `${path}: not the key of ${whose}: ${instead}: put the right one there`);
}

function load(path: string, cluster: Cluster, member: Member): Identity {
  const seed = seedOf(path, checked(path, cluster, member));
  return { role: member.role, id: member.id, seed };
}

function replicaMember(cluster: Cluster, id: number): Member {
  return { role: 'replica', ...replicaNumbered(cluster, id), whose: `replicas[${id}] in cluster.json` };
}

/** Of a client in the cluster file, or of one that was registered later, perhaps in the place of a revoked one. */
function clientMember(directory: string, cluster: Cluster, name: string): Member {
  const path = layoutOf(directory).clientRecord(name);
  const later = readClientRecord(path, cluster.id);
  const client = later ?? clientNamed(cluster, name);
  const whose = later === undefined ? `clients[${client.id}] in cluster.json` : `client ${client.id} in ${path}`;
  return { role: 'client', ...client, whose };
}

/** @throws ClusterError */
export function loadReplicaIdentity(directory: string, cluster: Cluster, id: number): Identity {
  const member = replicaMember(cluster, id);
  return load(layoutOf(directory).replicaKey(id), cluster, member);
}

/** @throws ClusterError */
export function loadClientIdentity(directory: string, cluster: Cluster, name: string): Identity {
  const member = clientMember(directory, cluster, name);
  return load(layoutOf(directory).clientKey(name), cluster, member);
}

/** As the identity would be loaded, but for the passphrase. @returns whether the key is encrypted */
export function checkReplicaKey(directory: string, cluster: Cluster, id: number): boolean {
  return checked(layoutOf(directory).replicaKey(id), cluster, replicaMember(cluster, id)).sealed !== undefined;
}

/** Likewise. */
export function checkClientKey(directory: string, cluster: Cluster, name: string): boolean {
  const member = clientMember(directory, cluster, name);
  return checked(layoutOf(directory).clientKey(name), cluster, member).sealed !== undefined;
}
