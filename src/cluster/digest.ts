/**
 * The cluster's id: a digest of what its members agree on, bound into everything they authenticate (DESIGN 3.2).
 * It covers canonical bytes, not the JSON text: reformatting the file changes nothing, changing a host does.
 */
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import type { ClientEntry, Cluster, ReplicaEntry } from './types.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const TAG = utf8('byzfs cluster v1');

const DURABILITY = { buffered: 0, synced: 1 } as const;
const ENCRYPTION = { off: 0, on: 1 } as const;
const REQUEST_AUTHENTICATION = { signature: 0, mac: 1 } as const;

/** What the bytes are written with: src/bytes.ts, or in a browser src/status/byte-writer.ts. */
export interface Writer {
  u8(value: number): this;
  bool(value: boolean): this;
  u16(value: number): this;
  u32(value: number): this;
  u64(value: number): this;
  raw(bytes: Uint8Array): this;
  bytes(bytes: Uint8Array): this;
}

interface Keyed {
  publicKey: Uint8Array;
}

/** A cluster but for its id. */
export type Agreed = Omit<Cluster, 'id' | 'replicas' | 'clients'> & {
  replicas: (Omit<ReplicaEntry, 'publicKey'> & Keyed)[];
  clients: (Omit<ClientEntry, 'publicKey'> & Keyed)[];
};

/** The id is the SHA-256 of what is written. */
export function writeCluster<W extends Writer>(w: W, cluster: Agreed): W {
  w.bytes(TAG).u8(cluster.f);
  w.u32(cluster.replicas.length);
  for (const replica of cluster.replicas) {
    w.u32(replica.id).bytes(utf8(replica.host)).u16(replica.port).raw(replica.publicKey);
  }
  w.u32(cluster.clients.length);
  for (const client of cluster.clients) {
    w.u32(client.id).bytes(utf8(client.name)).raw(client.publicKey);
  }
  w.u64(cluster.capacityBytes).u64(cluster.capacityInodes);
  w.u32(cluster.rootUid).u32(cluster.rootGid).u64(cluster.createdSeconds);
  w.u8(DURABILITY[cluster.durability]).u8(REQUEST_AUTHENTICATION[cluster.requestAuthentication]);
  if (cluster.recoveryPeriodSeconds > 0) w.bytes(utf8('recovery period')).u64(cluster.recoveryPeriodSeconds);
  if (cluster.ownerSignatures > 0) w.bytes(utf8('owner signatures')).u32(cluster.ownerSignatures);
  if (cluster.encryption !== 'auto') w.bytes(utf8('encryption')).u8(ENCRYPTION[cluster.encryption]);
  // Where all are on, as in every cluster before there was a choice, nothing is said of them.
  const names = Object.keys(ALL_OPTIMIZATIONS) as (keyof Optimizations)[];
  if (!names.every((name) => cluster.optimizations[name])) {
    for (const name of names.sort()) w.bytes(utf8(name)).bool(cluster.optimizations[name]);
  }
  return w;
}
