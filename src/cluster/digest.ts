/**
 * The cluster's id: a digest of what its members agree on, bound into everything they authenticate (DESIGN 3.2).
 * It covers canonical bytes, not the JSON text: reformatting the file changes nothing, changing a host does.
 */
import { hash } from 'node:crypto';
import { ByteWriter } from '../bytes.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import type { Cluster } from './types.js';

const TAG = Buffer.from('byzfs cluster v1');

const DURABILITY = { buffered: 0, synced: 1 } as const;
const ENCRYPTION = { off: 0, on: 1 } as const;
const REQUEST_AUTHENTICATION = { signature: 0, mac: 1 } as const;

/** 32 bytes: sha256 of `cluster` without its id. */
export function clusterId(cluster: Omit<Cluster, 'id'>): Buffer {
  const w = new ByteWriter(1024).bytes(TAG).u8(cluster.f);
  w.u32(cluster.replicas.length);
  for (const replica of cluster.replicas) {
    w.u32(replica.id).bytes(Buffer.from(replica.host)).u16(replica.port).raw(replica.publicKey);
  }
  w.u32(cluster.clients.length);
  for (const client of cluster.clients) {
    w.u32(client.id).bytes(Buffer.from(client.name)).raw(client.publicKey);
  }
  w.u64(cluster.capacityBytes).u64(cluster.capacityInodes);
  w.u32(cluster.rootUid).u32(cluster.rootGid).u64(cluster.createdSeconds);
  w.u8(DURABILITY[cluster.durability]).u8(REQUEST_AUTHENTICATION[cluster.requestAuthentication]);
  if (cluster.recoveryPeriodSeconds > 0) w.bytes(Buffer.from('recovery period')).u64(cluster.recoveryPeriodSeconds);
  if (cluster.ownerSignatures > 0) w.bytes(Buffer.from('owner signatures')).u32(cluster.ownerSignatures);
  if (cluster.encryption !== 'auto') w.bytes(Buffer.from('encryption')).u8(ENCRYPTION[cluster.encryption]);
  // Where all are on, as in every cluster before there was a choice, nothing is said of them.
  const names = Object.keys(ALL_OPTIMIZATIONS) as (keyof Optimizations)[];
  if (!names.every((name) => cluster.optimizations[name])) {
    for (const name of names.sort()) w.bytes(Buffer.from(name)).bool(cluster.optimizations[name]);
  }
  return hash('sha256', w.finish(), 'buffer');
}
