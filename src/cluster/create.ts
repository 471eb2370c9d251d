/** A new cluster: its description and the private keys that go with it. */
import { randomBytes } from 'node:crypto';
import { SEED_BYTES, SigningKey } from '../crypto/ed25519.js';
import { Limits } from '../limits.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import { clusterId } from './id.js';
import type { Cluster } from './types.js';

export const Defaults = {
  replicas: 4,
  host: '127.0.0.1',
  /** Replica i listens on this + i. */
  basePort: 7400,
  /** 64 GiB. */
  capacityBytes: 64 * 2 ** 30,
  capacityInodes: 4 * 2 ** 20,
} as const;

/** n = 3f+1 for the f we run: 1, 4, 7, 10. */
export const CLUSTER_SIZES: readonly number[] = Array.from({ length: Limits.maxFaults + 1 }, (_, f) => 3 * f + 1);

export interface NewClusterOptions {
  replicas: number;
  /** One for all replicas, or one for each. */
  hosts: readonly string[];
  basePort: number;
  clientNames: readonly string[];
  rootUid: number;
  rootGid: number;
  createdSeconds: number;
  /** Default: buffered. */
  durability?: Cluster['durability'];
  /** Default: signature. */
  requestAuthentication?: Cluster['requestAuthentication'];
  /** Default: 0, which is never. */
  recoveryPeriodSeconds?: number;
  /** Default: 0. */
  ownerSignatures?: number;
  /** Optimizations that the cluster does without. */
  without?: readonly (keyof Optimizations)[];
}

export interface NewCluster {
  cluster: Cluster;
  replicaSeeds: Buffer[];
  clientSeeds: Buffer[];
}

const generateSeed = (): Buffer => randomBytes(SEED_BYTES);

const publicKeyOf = (seed: Buffer): Buffer => new SigningKey(seed).publicKey;

/** The caller sees to it that sizes, hosts, ports and names are valid: `parseCluster` would refuse the result. */
export function newCluster(options: NewClusterOptions): NewCluster {
  const { hosts, basePort, rootUid, rootGid, createdSeconds } = options;
  const { durability = 'buffered', requestAuthentication = 'signature', without = [] } = options;
  const { recoveryPeriodSeconds = 0, ownerSignatures = 0 } = options;
  const replicaSeeds = Array.from({ length: options.replicas }, generateSeed);
  const clientSeeds = options.clientNames.map(generateSeed);
  const optimizations = { ...ALL_OPTIMIZATIONS };
  for (const name of without) optimizations[name] = false;
  const content: Omit<Cluster, 'id'> = {
    f: (options.replicas - 1) / 3,
    replicas: replicaSeeds.map((seed, id) => ({
      id,
      host: hosts[hosts.length === 1 ? 0 : id],
      port: basePort + id,
      publicKey: publicKeyOf(seed),
    })),
    clients: clientSeeds.map((seed, id) => ({ id, name: options.clientNames[id], publicKey: publicKeyOf(seed) })),
    capacityBytes: Defaults.capacityBytes,
    capacityInodes: Defaults.capacityInodes,
    rootUid,
    rootGid,
    createdSeconds,
    durability,
    requestAuthentication,
    recoveryPeriodSeconds,
    ownerSignatures,
    optimizations,
  };
  return { cluster: { id: clusterId(content), ...content }, replicaSeeds, clientSeeds };
}
