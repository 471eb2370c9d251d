/** What every part of a cluster agrees on before it starts, and who is who. */
import type { Optimizations } from '../pbft/configuration.js';

export interface ReplicaEntry {
  /** 0 … n−1. */
  id: number;
  host: string;
  port: number;
  /** Ed25519, 32 bytes. */
  publicKey: Buffer;
}

export interface ClientEntry {
  /** Position in the registry: the client's number in every message. */
  id: number;
  name: string;
  publicKey: Buffer;
}

export interface Cluster {
  /** 32 bytes: digest of everything below; bound into all that is authenticated. */
  id: Buffer;
  /** Faulty replicas tolerated; n = 3f+1. */
  f: number;
  replicas: ReplicaEntry[];
  clients: ClientEntry[];
  /** Agreed size of the file system, bytes: ENOSPC comes from here and from nowhere else. */
  capacityBytes: number;
  /** Agreed number of inodes. */
  capacityInodes: number;
  /** Owner of the root directory, and when it came to be (seconds since 1970): every replica starts from the same state. */
  rootUid: number;
  rootGid: number;
  createdSeconds: number;
  durability: 'buffered' | 'synced';
  /** `signature` (default) or `mac`, for comparison with the paper: DESIGN 3.5. */
  requestAuthentication: 'signature' | 'mac';
  /** Each replica recovers once in so many seconds though nothing is known to be wrong with it; 0: none does. */
  recoveryPeriodSeconds: number;
  /** Of links between processes; `auto` (default): of those that leave a machine. */
  encryption: 'auto' | 'on' | 'off';
  /** How many of the replicas' owners have to sign a change of clients and rights; 0: the administrator alone decides. */
  ownerSignatures: number;
  /** All on, but for measurements. */
  optimizations: Optimizations;
}

export type Role = 'replica' | 'client';

/** Who this process is; the seed is the Ed25519 private key (RFC 8032), 32 bytes. */
export interface Identity {
  role: Role;
  id: number;
  seed: Buffer;
}
